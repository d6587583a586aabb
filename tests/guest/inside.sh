#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Started by guest.service after each boot of the guest. /pila is the read-only disk with what is to be tested.
exec python3 /pila/tests/guest/inside.py

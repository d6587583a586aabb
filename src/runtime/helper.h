// SPDX-License-Identifier: Apache-2.0
#pragma once
// `pila-runtime helper`: the one process that enters network namespaces on behalf of the daemon (which has many threads
// and must not). Single-threaded, no heap. Serves os/helper_protocol.h on descriptor 3 until the other side closes.

int helper_main(int argc, char** argv);

// SPDX-License-Identifier: Apache-2.0
#include "cluster/kinds/kinds.h"
#include <doctest/doctest.h>
TEST_CASE("x") {}

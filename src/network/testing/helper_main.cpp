// SPDX-License-Identifier: Apache-2.0
#include "runtime/helper.h"

int main(int argc, char** argv) { return helper_main(argc, argv); }

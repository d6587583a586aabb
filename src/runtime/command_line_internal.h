// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace pila::runtime {

// Global options, the verb, its errors where callers look for them (standard error and --log).
int command_line_main(int argc, char** argv);

}  // namespace pila::runtime

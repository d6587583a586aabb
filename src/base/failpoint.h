// SPDX-License-Identifier: Apache-2.0
#pragma once
// Named places where a test makes the program die or fail: PILA_FAILPOINTS="shim.after-start=crash;store.put=error".
// "@/path": the terms are in that file, which each process reads at its first failpoint (shims and helpers come and go
// while a daemon runs); whoever crashes at one appends its name to /path.hit first. Compiled in only when the build
// sets PILA_WITH_FAILPOINTS; otherwise a failpoint costs nothing.
//
//   terms: NAME=[N*off->][M*]crash|error|sleep(MS)      e.g. "engine.create.before-store=1*off->1*crash"

#include "base/result.h"

namespace pila::failpoint {

#ifdef PILA_WITH_FAILPOINTS
// Crashes, sleeps or returns an error if `name` is armed for this pass.
Result<void> pass(std::string_view name);
#else
inline Result<void> pass(std::string_view) { return {}; }
#endif

}  // namespace pila::failpoint

// In a function that returns Result.
#define PILA_FAILPOINT(name) TRY(::pila::failpoint::pass(name))
// Anywhere else: "error" does nothing there.
#define PILA_CRASHPOINT(name) static_cast<void>(::pila::failpoint::pass(name))

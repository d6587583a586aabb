// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every operation of the engine (and later of the cluster's registry) is told about its caller: until when it may
// take, how to notice that nobody waits any more, who asked, and why. Cheap to copy.

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace pila {

using MonotonicTime = std::chrono::steady_clock::time_point;

struct Context {
    std::optional<MonotonicTime> deadline;
    std::stop_token stop;
    std::string actor;  // "unix:uid=1000", "restart-policy", ...
    std::string cause;  // the request or event that led here, for the journal

    // Timeout or Unavailable ("cancelled") once the caller has no use for the answer any more.
    Result<void> check() const;
    Context with_timeout(std::chrono::milliseconds at_most) const;
    // Milliseconds left for poll(2): -1 when there is no deadline, 0 when it has passed.
    int poll_timeout() const;
};

}  // namespace pila

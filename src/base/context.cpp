// SPDX-License-Identifier: Apache-2.0
#include "base/context.h"

#include <algorithm>

namespace pila {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Result<void> Context::check() const {
    if (stop.stop_requested()) return Error(Errc::Unavailable, "cancelled");
    if (deadline && steady_clock::now() >= *deadline) return Error(Errc::Timeout, "deadline exceeded");
    return {};
}

Context Context::with_timeout(milliseconds at_most) const {
    Context shorter = *this;
    auto until = steady_clock::now() + at_most;
    if (!shorter.deadline || until < *shorter.deadline) shorter.deadline = until;
    return shorter;
}

int Context::poll_timeout() const {
    if (!deadline) return -1;
    auto left = std::chrono::ceil<milliseconds>(*deadline - steady_clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 1'000'000'000));
}

}  // namespace pila

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Capabilities of the calling thread as 64-bit sets: bit n is capability n of linux/capability.h.

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace pila::os {

struct CapabilitySets {
    std::uint64_t effective = 0, permitted = 0, inheritable = 0;
};

Result<CapabilitySets> capabilities();
Result<void> set_capabilities(const CapabilitySets& sets);
// Drops from the bounding set what `keep` lacks; what is gone already stays gone.
Result<void> limit_bounding_set(std::uint64_t keep);
// Exactly `sets`, as far as they are permitted and inheritable; others are lowered.
Result<void> set_ambient(std::uint64_t set);

int last_capability();  // of this kernel
std::uint64_t all_capabilities();
std::optional<int> capability_by_name(std::string_view name);  // "CAP_CHOWN" or "chown", any case
std::string_view capability_name(int number);                  // "CAP_CHOWN"; "" if unknown

}  // namespace pila::os

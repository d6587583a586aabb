// SPDX-License-Identifier: Apache-2.0
#pragma once
// Seccomp profiles in Docker's JSON form (--security-opt seccomp=FILE, --seccomp-profile): rules that count for some
// architectures, capabilities and kernels only, over what the OCI runtime specification has.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/seccomp_filter.h"

namespace pila::runtime::seccomp {

struct ProfileFor {
    std::uint64_t capabilities = 0;               // bounding set: bit n = capability n
    unsigned kernel_major = 0, kernel_minor = 0;  // 0: the one that runs
};

// Invalid: what is wrong, where. Bounded: at most 1 MiB of text, 4,096 rules, 4,096 names.
Result<Profile> parse_profile(std::string_view json, const ProfileFor& purpose);
// Of the same text straight to struct sock_filter[].
Result<std::string> compile_profile(std::string_view json, std::uint64_t capabilities);

// The default as rules for a process with these capabilities, and as a profile in Docker's form, a reason in each rule.
Profile default_profile(std::uint64_t capabilities);
std::string default_profile_json();

// Names of linux/seccomp.h's constants as profiles write them. nullopt: unknown or not supported (SCMP_ACT_NOTIFY).
std::optional<std::uint32_t> action_by_name(std::string_view name, std::uint32_t error);
std::optional<Compare> comparison_by_name(std::string_view name);
std::optional<std::uint32_t> architecture_by_name(std::string_view name);  // "SCMP_ARCH_X86_64"

}  // namespace pila::runtime::seccomp

// SPDX-License-Identifier: Apache-2.0
#include <seccomp.h>
#include <cerrno>

#include "runtime/seccomp_profile.h"

namespace pila::runtime::seccomp {

std::optional<std::uint32_t> action_by_name(std::string_view name, std::uint32_t error) {
    if (name == "SCMP_ACT_ALLOW") return allow;
    if (name == "SCMP_ACT_ERRNO") return fail_with(error);
    if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
    if (name == "SCMP_ACT_KILL_PROCESS") return kill_process;
    if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
    if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(error);
    if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
    return std::nullopt;
}

std::optional<Compare> comparison_by_name(std::string_view name) {
    static constexpr struct {
        std::string_view name;
        Compare compare;
    } operations[] = {{"SCMP_CMP_NE", Compare::NotEqual},          {"SCMP_CMP_LT", Compare::Less},
                      {"SCMP_CMP_LE", Compare::LessOrEqual},       {"SCMP_CMP_EQ", Compare::Equal},
                      {"SCMP_CMP_GE", Compare::GreaterOrEqual},    {"SCMP_CMP_GT", Compare::Greater},
                      {"SCMP_CMP_MASKED_EQ", Compare::MaskedEqual}};
    for (const auto& [known, compare] : operations)
        if (name == known) return compare;
    return std::nullopt;
}

std::optional<std::uint32_t> architecture_by_name(std::string_view name) {
    static constexpr struct {
        std::string_view name;
        std::uint32_t token;
    } known[] = {{"SCMP_ARCH_X86", SCMP_ARCH_X86},         {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
                 {"SCMP_ARCH_ARM", SCMP_ARCH_ARM},         {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
                 {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE}, {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64}};
    for (const auto& [known_name, token] : known)
        if (name == known_name) return token;
    return std::nullopt;
}

}  // namespace pila::runtime::seccomp

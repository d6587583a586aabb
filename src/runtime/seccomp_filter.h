// SPDX-License-Identifier: Apache-2.0
#pragma once
// Seccomp filters: rules as data in, a classic BPF program out. Syscall numbers are searched by halves over ranges with
// the same outcome, so the program is short: the kernel runs it once for every syscall number when it is installed, and
// a list as long as Docker's, tried one by one, would cost more than all other steps of a start.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::runtime::seccomp {

// Outcomes, as SECCOMP_RET_* of linux/seccomp.h.
constexpr std::uint32_t allow = 0x7fff0000;
constexpr std::uint32_t kill_process = 0x80000000;
constexpr std::uint32_t fail_with(std::uint32_t error) { return 0x00050000 | (error & 0xffff); }

enum class Compare : std::uint8_t { NotEqual, Less, LessOrEqual, Equal, GreaterOrEqual, Greater, MaskedEqual };

struct ArgumentTest {
    unsigned index = 0;  // 0..5
    Compare compare = Compare::Equal;
    std::uint64_t value = 0;
    std::uint64_t mask = ~std::uint64_t{0};  // MaskedEqual: (argument & mask) == value
};

struct Rule {
    std::string syscall;
    std::vector<ArgumentTest> tests;  // all must hold; none: always
    std::uint32_t outcome = allow;
};

struct Profile {
    std::uint32_t otherwise = fail_with(1);
    std::vector<std::uint32_t> architectures;  // SCMP_ARCH_* tokens = AUDIT_ARCH_*; empty: this machine's
    // Several rules of one syscall: the first whose tests hold decides, rules without tests last.
    std::vector<Rule> rules;
    // Syscalls newer than any in the rules fail with ENOSYS rather than `otherwise`, so that C libraries fall back.
    bool unknown_is_enosys = true;
};

// struct sock_filter[] as bytes. Names that an architecture does not have are left out for it.
Result<std::string> compile(const Profile& profile);

std::uint32_t native_architecture();
// Number of a syscall, -1 if this architecture does not have it. Knows names that are newer than libseccomp's.
int syscall_number(std::uint32_t architecture, std::string_view name);

// What the filter answers to a syscall: for tests, and for `pila doctor` to explain.
std::uint32_t evaluate(std::string_view program, std::uint32_t architecture, int number,
                       const std::vector<std::uint64_t>& arguments);

}  // namespace pila::runtime::seccomp

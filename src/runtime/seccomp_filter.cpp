// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp_filter.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <algorithm>
#include <cerrno>
#include <map>

namespace pila::runtime::seccomp {

namespace {

using Program = std::vector<sock_filter>;

constexpr std::uint32_t offset_of_number = 0, offset_of_architecture = 4;
constexpr std::uint32_t offset_of_argument(unsigned index, bool high) { return 16 + 8 * index + (high ? 4U : 0U); }
constexpr std::uint32_t x32_bit = 0x40000000;

sock_filter statement(int code, std::uint32_t value) { return {static_cast<__u16>(code), 0, 0, value}; }
sock_filter jump(int code, std::uint32_t value, std::size_t when_true, std::size_t when_false) {
    return {static_cast<__u16>(BPF_JMP | code | BPF_K), static_cast<__u8>(when_true), static_cast<__u8>(when_false),
            value};
}
void append(Program& program, const Program& more) { program.insert(program.end(), more.begin(), more.end()); }

// One test in front of `rest`: falls into `rest` if it holds, jumps behind it otherwise. 64-bit values are compared as
// two halves, high first. Argument words are little-endian, as on every architecture that we resolve names for.
Program with_test(const ArgumentTest& test, const Program& rest) {
    auto high = static_cast<std::uint32_t>(test.value >> 32), low = static_cast<std::uint32_t>(test.value);
    auto mask_high = static_cast<std::uint32_t>(test.mask >> 32), mask_low = static_cast<std::uint32_t>(test.mask);
    struct Step {
        sock_filter instruction;
        bool conditional;
        int yes, no;  // 0: next step, 1: holds, 2: fails
    };
    std::vector<Step> steps;
    auto load = [&](bool upper) {
        steps.push_back({statement(BPF_LD | BPF_W | BPF_ABS, offset_of_argument(test.index, upper)), false, 0, 0});
        auto mask = upper ? mask_high : mask_low;
        if (test.compare == Compare::MaskedEqual && mask != 0xffffffffU)
            steps.push_back({statement(BPF_ALU | BPF_AND | BPF_K, mask), false, 0, 0});
    };
    auto check = [&](int code, std::uint32_t value, int yes, int no) {
        steps.push_back({jump(code, value, 0, 0), true, yes, no});
    };
    load(true);
    switch (test.compare) {
        case Compare::Equal:
        case Compare::MaskedEqual:
            check(BPF_JEQ, high, 0, 2);
            load(false);
            check(BPF_JEQ, low, 1, 2);
            break;
        case Compare::NotEqual:
            check(BPF_JEQ, high, 0, 1);
            load(false);
            check(BPF_JEQ, low, 2, 1);
            break;
        case Compare::Greater:
        case Compare::GreaterOrEqual:
            check(BPF_JGT, high, 1, 0);
            check(BPF_JEQ, high, 0, 2);
            load(false);
            check(test.compare == Compare::Greater ? BPF_JGT : BPF_JGE, low, 1, 2);
            break;
        case Compare::Less:
        case Compare::LessOrEqual:
            check(BPF_JGT, high, 2, 0);
            check(BPF_JEQ, high, 0, 1);
            load(false);
            check(test.compare == Compare::Less ? BPF_JGE : BPF_JGT, low, 2, 1);
            break;
    }
    // The last instruction of the result is an unconditional jump over `rest`: 32-bit distance, whatever its length.
    Program program;
    std::size_t failing = steps.size();  // index of that jump; `rest` starts behind it
    for (std::size_t i = 0; i < steps.size(); ++i) {
        auto target = [&](int where) { return (where == 0 ? i + 1 : where == 1 ? failing + 1 : failing) - i - 1; };
        auto instruction = steps[i].instruction;
        if (steps[i].conditional) {
            instruction.jt = static_cast<__u8>(target(steps[i].yes));
            instruction.jf = static_cast<__u8>(target(steps[i].no));
        }
        program.push_back(instruction);
    }
    program.push_back(statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(rest.size())));
    append(program, rest);
    return program;
}

// What happens for one syscall number.
struct Outcome {
    std::vector<const Rule*> tested;
    std::uint32_t otherwise;
    bool operator==(const Outcome& other) const {
        return tested.empty() && other.tested.empty() && otherwise == other.otherwise;
    }
};

Program code_of(const Outcome& outcome) {
    Program program;
    for (const auto* rule : outcome.tested) {
        Program body{statement(BPF_RET | BPF_K, rule->outcome)};
        for (auto test = rule->tests.rbegin(); test != rule->tests.rend(); ++test) body = with_test(*test, body);
        append(program, body);
    }
    program.push_back(statement(BPF_RET | BPF_K, outcome.otherwise));
    return program;
}

struct Range {
    std::uint32_t first;  // up to the next range's first
    Program code;
};

// The number is in the accumulator.
Program search(const std::vector<Range>& ranges, std::size_t begin, std::size_t end) {
    if (end - begin == 1) return ranges[begin].code;
    auto middle = begin + (end - begin) / 2;
    auto left = search(ranges, begin, middle), right = search(ranges, middle, end);
    Program program;
    if (left.size() <= 255) {
        program.push_back(jump(BPF_JGE, ranges[middle].first, left.size(), 0));
    } else {
        program.push_back(jump(BPF_JGE, ranges[middle].first, 0, 1));
        program.push_back(statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(left.size())));
    }
    append(program, left);
    append(program, right);
    return program;
}

Program architecture_code(const Profile& profile, std::uint32_t architecture) {
    std::map<std::uint32_t, Outcome> outcomes;
    for (const auto& rule : profile.rules) {
        int number = syscall_number(architecture, rule.syscall);
        if (number < 0) continue;
        auto& outcome =
            outcomes.try_emplace(static_cast<std::uint32_t>(number), Outcome{{}, profile.otherwise}).first->second;
        if (rule.tests.empty())
            outcome.otherwise = rule.outcome;
        else
            outcome.tested.push_back(&rule);
    }
    std::vector<Range> ranges;
    Outcome before{{}, profile.otherwise};
    std::uint32_t next = 0;
    ranges.push_back({0, code_of(before)});
    auto begin_range = [&](std::uint32_t first, const Outcome& outcome) {
        if (outcome == before) return;
        if (ranges.back().first == first)
            ranges.back().code = code_of(outcome);
        else
            ranges.push_back({first, code_of(outcome)});
        before = outcome;
    };
    for (const auto& [number, outcome] : outcomes) {
        if (number != next) begin_range(next, {{}, profile.otherwise});
        begin_range(number, outcome);
        next = number + 1;
    }
    begin_range(next, {{}, profile.unknown_is_enosys ? fail_with(ENOSYS) : profile.otherwise});
    // x32 shares x86-64's number space above this bit. No distribution uses it any more: not there.
    if (architecture == AUDIT_ARCH_X86_64) begin_range(x32_bit, {{}, fail_with(ENOSYS)});
    Program program{statement(BPF_LD | BPF_W | BPF_ABS, offset_of_number)};
    append(program, search(ranges, 0, ranges.size()));
    return program;
}

// Newer than the names that libseccomp 2.5 knows. Since Linux 5.1 all architectures number alike.
constexpr struct {
    std::string_view name;
    int number;
} newer_syscalls[] = {{"process_mrelease", 448},  {"futex_waitv", 449},      {"set_mempolicy_home_node", 450},
                      {"cachestat", 451},         {"fchmodat2", 452},        {"map_shadow_stack", 453},
                      {"futex_wake", 454},        {"futex_wait", 455},       {"futex_requeue", 456},
                      {"statmount", 457},         {"listmount", 458},        {"lsm_get_self_attr", 459},
                      {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
                      {"setxattrat", 463},        {"getxattrat", 464},       {"listxattrat", 465},
                      {"removexattrat", 466},     {"open_tree_attr", 467}};

}  // namespace

std::uint32_t native_architecture() { return seccomp_arch_native(); }

int syscall_number(std::uint32_t architecture, std::string_view name) {
    int number = seccomp_syscall_resolve_name_arch(architecture, std::string(name).c_str());
    if (number >= 0) return number;
    for (const auto& [newer, its_number] : newer_syscalls)
        if (newer == name) return its_number;
    // uretprobe exists on x86-64 alone (335); negative pseudo numbers stand for calls of other architectures.
    return name == "uretprobe" && architecture == AUDIT_ARCH_X86_64 ? 335 : -1;
}

Result<std::string> compile(const Profile& profile) {
    auto architectures = profile.architectures;
    if (architectures.empty()) architectures.push_back(native_architecture());
    Program program{statement(BPF_LD | BPF_W | BPF_ABS, offset_of_architecture)};
    for (auto architecture : architectures) {
        if ((architecture & __AUDIT_ARCH_LE) == 0)
            return Error(Errc::Unsupported, "seccomp filter for a big-endian architecture");
        auto code = architecture_code(profile, architecture);
        program.push_back(jump(BPF_JEQ, architecture, 1, 0));
        program.push_back(statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(code.size())));
        append(program, code);
    }
    program.push_back(statement(BPF_RET | BPF_K, kill_process));
    if (program.size() > BPF_MAXINSNS) return Error(Errc::Invalid, "seccomp filter of more than 4096 instructions");
    return std::string(reinterpret_cast<const char*>(program.data()), program.size() * sizeof(sock_filter));
}

std::uint32_t evaluate(std::string_view bytes, std::uint32_t architecture, int number,
                       const std::vector<std::uint64_t>& arguments) {
    seccomp_data data{};
    data.nr = number;
    data.arch = architecture;
    for (std::size_t i = 0; i < arguments.size() && i < 6; ++i) data.args[i] = arguments[i];
    const auto* program = reinterpret_cast<const sock_filter*>(bytes.data());
    std::size_t size = bytes.size() / sizeof(sock_filter);
    std::uint32_t value = 0;
    for (std::size_t at = 0; at < size; ++at) {
        const auto& instruction = program[at];
        auto choose = [&](bool holds) { at += holds ? instruction.jt : instruction.jf; };
        switch (instruction.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                std::copy_n(reinterpret_cast<const char*>(&data) + instruction.k, sizeof value,
                            reinterpret_cast<char*>(&value));
                break;
            case BPF_ALU | BPF_AND | BPF_K: value &= instruction.k; break;
            case BPF_JMP | BPF_JA: at += instruction.k; break;
            case BPF_JMP | BPF_JEQ | BPF_K: choose(value == instruction.k); break;
            case BPF_JMP | BPF_JGT | BPF_K: choose(value > instruction.k); break;
            case BPF_JMP | BPF_JGE | BPF_K: choose(value >= instruction.k); break;
            case BPF_RET | BPF_K: return instruction.k;
            default: return kill_process;
        }
    }
    return kill_process;
}

}  // namespace pila::runtime::seccomp

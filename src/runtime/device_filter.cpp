// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_filter_internal.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>

#include <fmt/core.h>

#include "os/file.h"

namespace pila::runtime {

std::string device_rule_text(const DeviceRule& rule) {
    if (rule.type == 'a' && rule.major < 0 && rule.minor < 0) return "a";
    auto number = [](std::int64_t value) { return value < 0 ? std::string("*") : std::to_string(value); };
    return fmt::format("{} {}:{} {}", rule.type, number(rule.major), number(rule.minor), rule.access);
}

Result<void> write_device_rules(const os::Cgroup& cgroup, const std::vector<DeviceRule>& rules) {
    auto directory = cgroup.directory("devices");
    if (directory.empty()) return Error(Errc::Unsupported, "limit devices: no cgroup controller devices");
    auto allow = TRY(os::open(directory + "/devices.allow", O_WRONLY));
    auto deny = TRY(os::open(directory + "/devices.deny", O_WRONLY));
    for (const auto& rule : rules) {
        auto text = device_rule_text(rule);
        if (::write((rule.allow ? allow : deny).get(), text.data(), text.size()) < 0)
            return Error::from_errno(errno, fmt::format("{} device {}", rule.allow ? "allow" : "deny", text));
    }
    return {};
}

namespace {

bpf_insn instruction(int code, int destination, int source, int offset, std::int32_t immediate) {
    bpf_insn made{};
    made.code = static_cast<__u8>(code);
    made.dst_reg = static_cast<__u8>(destination & 15);
    made.src_reg = static_cast<__u8>(source & 15);
    made.off = static_cast<__s16>(offset);
    made.imm = immediate;
    return made;
}

// Registers: r2 device type, r3 access bits, r4 major, r5 minor.
void load_context(std::vector<bpf_insn>& program) {
    constexpr int load = BPF_LDX | BPF_MEM | BPF_W;
    program.push_back(instruction(load, BPF_REG_2, BPF_REG_1, 0, 0));
    program.push_back(instruction(BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0));
    program.push_back(instruction(BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff));
    program.push_back(instruction(BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16));
    program.push_back(instruction(load, BPF_REG_4, BPF_REG_1, 4, 0));
    program.push_back(instruction(load, BPF_REG_5, BPF_REG_1, 8, 0));
}

std::int32_t access_bits(const std::string& access) {
    std::int32_t bits = 0;
    for (char c : access)
        bits |= c == 'r' ? BPF_DEVCG_ACC_READ : c == 'w' ? BPF_DEVCG_ACC_WRITE : c == 'm' ? BPF_DEVCG_ACC_MKNOD : 0;
    return bits;
}

constexpr std::int32_t all_access = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;

void append_rule(std::vector<bpf_insn>& program, const DeviceRule& rule) {
    std::vector<bpf_insn> body;
    std::vector<std::size_t> jumps;  // taken when the rule does not fit; their distance is known at the end
    auto skip_unless = [&](int code, int reg, std::int32_t value) {
        jumps.push_back(body.size());
        body.push_back(instruction(BPF_JMP | code | BPF_K, reg, 0, 0, value));
    };
    if (rule.type != 'a') skip_unless(BPF_JNE, BPF_REG_2, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    if (auto bits = access_bits(rule.access); bits != all_access) {
        body.push_back(instruction(BPF_ALU | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0));
        // An allowing rule must cover all that is asked, a denying one any part of it.
        body.push_back(instruction(BPF_ALU | BPF_AND | BPF_K, BPF_REG_1, 0, 0, rule.allow ? all_access & ~bits : bits));
        skip_unless(rule.allow ? BPF_JNE : BPF_JEQ, BPF_REG_1, 0);
    }
    if (rule.major >= 0) skip_unless(BPF_JNE, BPF_REG_4, static_cast<std::int32_t>(rule.major));
    if (rule.minor >= 0) skip_unless(BPF_JNE, BPF_REG_5, static_cast<std::int32_t>(rule.minor));
    body.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, rule.allow ? 1 : 0));
    body.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    for (auto at : jumps) body[at].off = static_cast<__s16>(body.size() - at - 1);
    program.insert(program.end(), body.begin(), body.end());
}

}  // namespace

std::vector<bpf_insn> device_program(const std::vector<DeviceRule>& rules) {
    std::vector<bpf_insn> program;
    load_context(program);
    bool decided = false;
    for (auto rule = rules.rbegin(); rule != rules.rend() && !decided; ++rule) {
        append_rule(program, *rule);
        // The verifier refuses code that can never be reached.
        decided = rule->type == 'a' && rule->major < 0 && rule->minor < 0 && access_bits(rule->access) == all_access;
    }
    if (!decided) {
        program.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0));
        program.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    }
    return program;
}

Result<void> attach_device_filter(const os::Cgroup& cgroup, const std::vector<DeviceRule>& rules) {
    auto program = device_program(rules);
    static constexpr char license[] = "Apache-2.0";
    bpf_attr load{};
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insns = reinterpret_cast<std::uint64_t>(program.data());
    load.insn_cnt = static_cast<__u32>(program.size());
    load.license = reinterpret_cast<std::uint64_t>(license);
    Fd loaded(static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load)));
    if (!loaded) return Error::from_errno(errno, "load the device filter");
    auto directory = TRY(cgroup.directory_fd());
    bpf_attr attach{};
    attach.attach_type = BPF_CGROUP_DEVICE;
    attach.target_fd = static_cast<__u32>(directory.get());
    attach.attach_bpf_fd = static_cast<__u32>(loaded.get());
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    if (::syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) < 0)
        return Error::from_errno(errno, "attach the device filter to cgroup " + cgroup.path());
    return {};
}

}  // namespace pila::runtime

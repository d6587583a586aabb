// SPDX-License-Identifier: Apache-2.0
// What needs no container: wire forms, checks, detach keys, device program, records.
#include <linux/bpf.h>
#include <sys/mount.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "base/random.h"
#include "os/file.h"
#include "os/socket.h"
#include "runtime/check_internal.h"
#include "runtime/defaults.h"
#include "runtime/detach_keys_internal.h"
#include "runtime/device_filter_internal.h"
#include "runtime/live_mounts_internal.h"
#include "runtime/protocol_internal.h"
#include "runtime/state_files_internal.h"

using namespace pila;
using namespace pila::runtime;

static Plan full_plan() {
    Plan plan = default_plan();
    plan.id = "id";
    plan.root_path = "/root";
    plan.process.args = {"a", "", "c"};
    plan.process.umask = 077;
    plan.process.oom_score_adj = -5;
    plan.process.seccomp_bpf = std::string("\0\1\2\3", 4);
    plan.uid_mappings = {{0, 1000, 1}};
    plan.sysctl = {{"net.ipv4.ip_forward", "1"}};
    plan.resources.memory_limit = -1;
    plan.resources.read_bytes_devices = {{8, 16, 1000}};
    plan.resources.oom_kill_disable = true;
    plan.resources.unified = {{"memory.high", "max"}};
    plan.held_fds = {3, 4};
    plan.relays = {{5, "fd00::1", 80}};
    return plan;
}

TEST_CASE("a plan survives the wire; anything cut, longer or of another version does not") {
    auto bytes = serialize(full_plan());
    auto back = deserialize_plan(bytes);
    REQUIRE(back);
    CHECK(serialize(*back) == bytes);
    CHECK(back->process.args.size() == 3);
    CHECK(back->process.oom_score_adj == -5);
    CHECK(back->relays[0].address == "fd00::1");
    for (std::size_t size = 0; size < bytes.size(); ++size)
        CHECK(!deserialize_plan(std::string_view(bytes).substr(0, size)));
    CHECK(!deserialize_plan(bytes + '\0'));
    auto other = bytes;
    other[0] ^= 1;
    CHECK(!deserialize_plan(other));
    CHECK(!deserialize_process(bytes));
    auto process = deserialize_process(serialize(full_plan().process));
    REQUIRE(process);
    CHECK(process->umask == 077U);
}

TEST_CASE("a forged count does not make us allocate") {
    auto bytes = serialize(Plan{});
    for (std::size_t at = 4; at + 4 < bytes.size(); ++at) {
        auto forged = bytes;
        forged.replace(at, 4, "\xff\xff\xff\x7f");
        ignore(deserialize_plan(forged), "only must not crash or swallow memory");
    }
}

TEST_CASE("messages of any size and with any number of descriptors arrive whole") {
    auto pair = os::message_socket_pair();
    REQUIRE(pair);
    std::vector<int> fds(40, STDIN_FILENO);
    std::string large(500'000, 'x');
    for (const auto& bytes : {std::string("small"), large}) {
        REQUIRE(send_parcel(pair->first, bytes, fds));
        auto parcel = receive_parcel(pair->second, 1000);
        REQUIRE(parcel);
        CHECK(parcel->bytes == bytes);
        CHECK(parcel->fds.size() == 40);
    }
    REQUIRE(os::send_message(pair->first, "?"));
    CHECK(!receive_parcel(pair->second, 1000));
    pair->first.reset();
    auto over = receive_parcel(pair->second, 1000);
    REQUIRE(!over);
    CHECK(over.error().code() == Errc::Unavailable);
}

// A new daemon takes over the shims of an older one, and they may live for years.
TEST_CASE("what daemon and shim say to each other has not changed since 0.1") {
    Request kill;
    kill.verb = Verb::Kill;
    kill.number = 7;
    kill.exec_id = "e";
    kill.signal = 9;
    auto bytes = encode(kill);
    CHECK(bytes.substr(0, 18) == std::string("\x05\7\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0e", 18));
    CHECK(bytes.substr(18, 9) == std::string("\0\0\0\0\x09\0\0\0\0", 9));
    CHECK(bytes.size() == 75);  // 48 of no resources
    CHECK(static_cast<int>(Verb::Adopt) == 1);
    CHECK(static_cast<int>(Verb::Forget) == 11);
    CHECK(static_cast<int>(Verb::Ports) == 13);
    PortsRequest ports;
    ports.relays = {{0, "::1", 80}};
    ports.ports = {{6, "::", 8080}};
    CHECK(encode(ports) == std::string("\1\0\0\0\0\0\0\0\3\0\0\0::1\x50\0\1\0\0\0\6\2\0\0\0::\x90\x1f\0", 31));
    Report exited;
    exited.kind = Report::Kind::Exited;
    exited.exit_code = 3;
    exited.finished_at = 5;
    CHECK(encode(exited).size() == 44);
    CHECK(encode(exited)[0] == 1);
}

TEST_CASE("orders for mounts of a running container") {
    MountOrder order;
    order.has_user_namespace = true;
    auto& step = order.steps.emplace_back();
    step.kind = MountStep::Kind::Detach;
    step.mount.target = "/data";
    step.lazy = true;
    auto bytes = encode(order);
    auto back = decode_mount_order(bytes);
    REQUIRE(back);
    CHECK(back->has_user_namespace);
    REQUIRE(back->steps.size() == 1);
    CHECK(back->steps[0].kind == MountStep::Kind::Detach);
    CHECK(back->steps[0].mount.target == "/data");
    CHECK(back->steps[0].lazy);
    for (std::size_t size = 0; size < bytes.size(); ++size) CHECK_FALSE(decode_mount_order(bytes.substr(0, size)));
    CHECK_FALSE(decode_mount_order(bytes + "x"));
    bytes[0] = 2;  // another build's
    CHECK_FALSE(decode_mount_order(bytes));
}

TEST_CASE("requests and reports") {
    Request request;
    request.verb = Verb::Exec;
    request.number = 7;
    request.exec_id = "e";
    request.attachments.resize(1);
    request.attachments[0].detach_keys = "\x10\x11";
    auto back = decode_request(encode(request));
    REQUIRE(back);
    CHECK(back->verb == Verb::Exec);
    CHECK(back->attachments[0].detach_keys == "\x10\x11");
    CHECK(!decode_request("x"));
    auto report = decode_report(encode(failure(9, Error(Errc::Denied, "no", 13))));
    REQUIRE(report);
    CHECK(report->number == 9);
    CHECK(error_of(*report).code() == Errc::Denied);
    CHECK(error_of(*report).os_errno() == 13);
}

TEST_CASE("detach keys: consumed when complete, passed on when not") {
    auto typed = [](const std::string& sequence, const std::vector<std::string>& pieces) {
        DetachKeys keys(sequence);
        std::string out;
        for (const auto& piece : pieces)
            if (keys.filter(piece, out)) return out + "|detached";
        return out + "|" + std::string(keys.held());
    };
    CHECK(typed("PQ", {"abPQcd"}) == "ab|detached");
    CHECK(typed("PQ", {"abP", "Qcd"}) == "ab|detached");
    CHECK(typed("PQ", {"abP", "cd"}) == "abPcd|");
    CHECK(typed("PQ", {"P"}) == "|P");
    CHECK(typed("PQ", {"PPQ"}) == "P|detached");
    CHECK(typed("PPQ", {"PPPQ"}) == "P|detached");
    CHECK(typed("PQPR", {"PQPQPR"}) == "PQ|detached");
    CHECK(typed("PQPR", {"PQPx"}) == "PQPx|");
    CHECK(typed("", {"anything"}) == "anything|");
    CHECK(typed("d", {"abcdef"}) == "abc|detached");
}

TEST_CASE("sysctls that would change the host are refused") {
    Plan plan = full_plan();
    CHECK(sysctl_is_namespaced(plan, "net.ipv4.ip_forward"));
    CHECK(sysctl_is_namespaced(plan, "net/ipv4/conf/eth0.1/forwarding"));
    CHECK(sysctl_is_namespaced(plan, "kernel.shmmax"));
    CHECK(sysctl_is_namespaced(plan, "fs.mqueue.msg_max"));
    CHECK(!sysctl_is_namespaced(plan, "kernel.panic"));
    CHECK(!sysctl_is_namespaced(plan, "net..kernel.panic"));
    CHECK(!sysctl_is_namespaced(plan, "net/../kernel/panic"));
    CHECK(!sysctl_is_namespaced(plan, "net.//.kernel.panic"));
    CHECK(sysctl_path("net.ipv4.conf.eth0/1.forwarding") == "net/ipv4/conf/eth0.1/forwarding");
    CHECK(!sysctl_is_namespaced(plan, "vm.swappiness"));
    plan.namespaces = {{.type = Namespace::Mount}};
    CHECK(!sysctl_is_namespaced(plan, "net.ipv4.ip_forward"));
    CHECK(!sysctl_is_namespaced(plan, "kernel.shmmax"));
}

TEST_CASE("plans that cannot work are refused before anything happens") {
    auto refused = [](auto change) {
        Plan plan = full_plan();
        plan.held_fds.clear();
        plan.relays.clear();
        plan.process.seccomp_bpf.clear();
        CHECK(check_plan(plan, 0));
        change(plan);
        return !check_plan(plan, 1);
    };
    CHECK(refused([](Plan& plan) { plan.root_fd = 1; }));
    CHECK(refused([](Plan& plan) { plan.held_fds = {-1}; }));
    CHECK(refused([](Plan& plan) { plan.namespaces[1].received_fd = 1; }));
    CHECK(refused([](Plan& plan) { plan.namespaces.erase(plan.namespaces.begin()); }));
    CHECK(refused([](Plan& plan) { plan.cgroup_path = "/pila/../.."; }));
    CHECK(refused([](Plan& plan) { plan.cgroup_path = "pila"; }));
    CHECK(refused([](Plan& plan) { plan.process.working_directory = "relative"; }));
    CHECK(refused([](Plan& plan) { plan.process.seccomp_bpf = "123"; }));
    CHECK(refused([](Plan& plan) { plan.sysctl = {{"kernel.core_pattern", "|/x"}}; }));
    CHECK(refused([](Plan& plan) { plan.root_path.clear(); }));
}

// Runs a device program as the kernel would, for the few instructions that it uses.
static bool device_allowed(const std::vector<bpf_insn>& program, char type, int access, std::uint32_t major,
                           std::uint32_t minor) {
    std::uint64_t registers[11] = {};
    std::uint32_t context[3] = {static_cast<std::uint32_t>(access) << 16 | (type == 'b' ? 1U : 2U), major, minor};
    for (std::size_t at = 0; at < program.size(); ++at) {
        const auto& step = program[at];
        auto& target = registers[step.dst_reg];
        switch (step.code) {
            case BPF_LDX | BPF_MEM | BPF_W: target = context[step.off / 4]; break;
            case BPF_ALU | BPF_MOV | BPF_X: target = static_cast<std::uint32_t>(registers[step.src_reg]); break;
            case BPF_ALU | BPF_AND | BPF_K: target &= static_cast<std::uint32_t>(step.imm); break;
            case BPF_ALU | BPF_RSH | BPF_K: target >>= step.imm; break;
            case BPF_ALU64 | BPF_MOV | BPF_K: target = static_cast<std::uint64_t>(step.imm); break;
            case BPF_JMP | BPF_JNE | BPF_K: at += target != static_cast<std::uint64_t>(step.imm) ? step.off : 0; break;
            case BPF_JMP | BPF_JEQ | BPF_K: at += target == static_cast<std::uint64_t>(step.imm) ? step.off : 0; break;
            case BPF_JMP | BPF_EXIT: return registers[0] != 0;
            default: FAIL("unexpected instruction"); return false;
        }
    }
    FAIL("ran off the end");
    return false;
}

TEST_CASE("the device program: the last rule that fits decides, nothing fits: denied") {
    constexpr int mknod = 1, read = 2, write = 4;
    auto program = device_program(default_device_rules());
    CHECK(device_allowed(program, 'c', read | write, 1, 3));
    CHECK(device_allowed(program, 'c', read, 136, 77));
    CHECK(device_allowed(program, 'b', mknod, 8, 0));
    CHECK(!device_allowed(program, 'b', read, 8, 0));
    CHECK(!device_allowed(program, 'b', read | mknod, 8, 0));
    CHECK(!device_allowed(program, 'c', read, 10, 200));
    auto all = device_program({{true}});
    CHECK(device_allowed(all, 'b', read | write | mknod, 8, 0));
    auto denied_again = device_program({{true}, {false, 'b', 8, -1, "w"}});
    CHECK(device_allowed(denied_again, 'b', read, 8, 1));
    CHECK(!device_allowed(denied_again, 'b', read | write, 8, 1));
    CHECK(device_allowed(denied_again, 'b', write, 9, 1));
    CHECK(!device_allowed(device_program({}), 'c', read, 1, 3));
    CHECK(device_rule_text({false}) == "a");
    CHECK(device_rule_text({true, 'c', 1, -1, "rm"}) == "c 1:* rm");
}

TEST_CASE("records of process and exit") {
    std::string directory = "/tmp/pila-record-test-" + random_hex(8);
    REQUIRE(os::make_directory(directory));
    CHECK(!read_exit_record(directory));
    REQUIRE(write_exit_record(directory, {.code = 137, .oom_killed = true, .finished_at = {123456789}}));
    auto exit = read_exit_record(directory);
    REQUIRE(exit);
    CHECK(exit->code == 137);
    CHECK(exit->oom_killed);
    CHECK(exit->finished_at.nanoseconds == 123456789);
    REQUIRE(os::replace_file(directory + "/exit", "1 x\n", 0600, os::Sync::No));
    CHECK(!read_exit_record(directory));
    auto self = process_name(::getpid());
    REQUIRE(self);
    CHECK(still_runs(*self));
    CHECK(!still_runs({self->pid, self->started + 1}));
    REQUIRE(write_pid_record(directory, {*self, {7, 8}}));
    CHECK(read_pid_record(directory)->shim.started == 8);
    CHECK(!os::exists(directory + "/exit"));  // of the run before
    REQUIRE(os::replace_file(directory + "/pid", "1 2 7 8\n", 0600, os::Sync::No));
    CHECK(read_pid_record(directory)->shim.started == 8);  // as written before boots were told apart
    REQUIRE(os::replace_file(directory + "/pid", "1 2 7 8\nanother-boot\n", 0600, os::Sync::No));
    CHECK(!read_pid_record(directory));
    REQUIRE(os::remove_tree(directory));
}

// SPDX-License-Identifier: Apache-2.0
// Containers as a whole, through the supervisor and a shim. Need root.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <csignal>

#include <thread>

#include "base/text.h"
#include "os/mount.h"
#include "runtime/container_test_support_internal.h"
#include "runtime/state_files_internal.h"

using namespace pila;
using namespace pila::runtime;
using test::Box;

TEST_CASE("a container has its own namespaces, file system, name and groups") {
    if (!test::possible()) return;
    Box box;
    auto plan = box.shell("hostname; echo $$; ps | wc -l; ls /; cat /proc/self/cgroup; env; pwd");
    auto outcome = box.run(plan);
    CHECK(outcome.code == 0);
    CHECK(outcome.output.substr(0, 6) == "box\n1\n");
    CHECK(outcome.output.find("bin\ndev\netc\nproc\nsys\ntmp\n") != std::string::npos);
    CHECK(outcome.output.find("HOME=/root\n") != std::string::npos);
    for (auto line : split(outcome.output, '\n'))
        if (line.find(":memory:") != std::string_view::npos) CHECK(line.substr(line.size() - 2) == ":/");
}

TEST_CASE("exit codes: the program's, 128 + signal, 127, 126") {
    if (!test::possible()) return;
    Box box;
    CHECK(box.run(box.shell("exit 42")).code == 42);
    CHECK(box.run(box.plan({"sh", "-c", "kill -9 $$; exit 3"})).code == 3);  // PID 1 is immune to its own SIGKILL
    auto fails_with = [&](std::vector<std::string> args, Errc code, const std::string& text) {
        auto plan = box.plan(std::move(args));
        auto started = box.supervisor->start({}, plan, {}, {});
        REQUIRE(!started);
        CHECK(started.error().code() == code);
        CHECK(started.error().message() == text);
        CHECK(!os::exists(plan.state_directory + "/shim.sock"));
    };
    fails_with({"nosuch"}, Errc::NotFound, "exec: \"nosuch\": executable file not found in $PATH");
    fails_with({"/no/such"}, Errc::NotFound, "exec: \"/no/such\": stat /no/such: no such file or directory");
    fails_with({"/etc/passwd"}, Errc::Denied, "exec: \"/etc/passwd\": permission denied");
    fails_with({"/etc"}, Errc::Denied, "exec: \"/etc\": is a directory");
}

TEST_CASE("default rights: capabilities, seccomp, masked and read-only paths, devices") {
    if (!test::possible()) return;
    Box box;
    auto outcome = box.run(
        box.shell("grep -E 'Cap(Eff|Bnd|Inh|Amb)|Seccomp:' /proc/self/status; cat /proc/timer_list | wc -c; "
                  "(echo 1 > /proc/sys/kernel/hostname) 2>&1; mount -t tmpfs t /tmp 2>&1; "
                  "echo hello > /dev/null && head -c 4 /dev/zero | wc -c; unshare -n true 2>&1; ls -l /dev/ptmx"));
    CHECK(outcome.output.find("CapInh:\t0000000000000000\n") != std::string::npos);
    CHECK(outcome.output.find("CapEff:\t00000000a80425fb\n") != std::string::npos);
    CHECK(outcome.output.find("CapBnd:\t00000000a80425fb\n") != std::string::npos);
    CHECK(outcome.output.find("CapAmb:\t0000000000000000\n") != std::string::npos);
    CHECK(outcome.output.find("Seccomp:\t2\n0\n") != std::string::npos);
    CHECK(outcome.output.find("/proc/sys/kernel/hostname: Read-only file system") != std::string::npos);
    CHECK(outcome.output.find("mount: permission denied") != std::string::npos);
    CHECK(outcome.output.find("unshare(0x40000000): Operation not permitted") != std::string::npos);
    CHECK(outcome.output.find("-> pts/ptmx") != std::string::npos);
}

TEST_CASE("another user: identity, groups, home, no effective capabilities") {
    if (!test::possible()) return;
    Box box;
    auto plan = box.shell("id; echo $HOME; grep CapEff /proc/self/status; echo x > /dev/stdout; pwd");
    plan.process.uid = plan.process.gid = 1000;
    plan.process.additional_gids = {10, 20};
    plan.process.working_directory = "/work/deep";
    auto outcome = box.run(plan);
    CHECK(outcome.output ==
          "uid=1000(user) gid=1000 groups=10,20\n/home/user\nCapEff:\t0000000000000000\nx\n/work/deep\n");
}

TEST_CASE("resource limits are applied and clamped") {
    if (!test::possible() || !test::limits_possible()) return;
    Box box;
    auto plan =
        box.shell("ulimit -n; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null");
    plan.process.rlimits = {{RLIMIT_NOFILE, 512, 1ULL << 40}};
    plan.resources.memory_limit = 64 << 20;
    plan.resources.pids_limit = 50;
    auto outcome = box.run(plan);
    CHECK(outcome.output == "512\n67108864\n");
}

TEST_CASE("out of memory is told") {
    if (!test::possible() || !test::limits_possible()) return;
    Box box;
    auto plan = box.shell("head -c 200000000 /dev/zero | tail -c 200000000 | wc -c");
    REQUIRE(::symlink("busybox", (box.directory + "/root/bin/tail").c_str()) == 0);
    plan.resources.memory_limit = 20 << 20;
    plan.resources.memory_swap = 20 << 20;
    auto outcome = box.run(plan);
    CHECK(outcome.oom_killed);
}

TEST_CASE("bind mounts, read-only root, tmpfs, links that point outside of the root") {
    if (!test::possible()) return;
    Box box;
    REQUIRE(os::make_directories(box.directory + "/volume"));
    REQUIRE(os::replace_file(box.directory + "/volume/file", "content\n", 0644, os::Sync::No));
    REQUIRE(::symlink("/run", (box.directory + "/root/var-run").c_str()) == 0);
    auto plan = box.shell(
        "cat /data/file /etc/one /run/lock/file; (echo x > /data/new) 2>/dev/null || echo no; (echo x > /new) "
        "2>/dev/null || echo no; "
        "echo y > /scratch/y && echo yes; ls -ld /scratch | head -c 10");
    plan.root_readonly = true;
    constexpr std::uint64_t bind = 4096, readonly = 1;  // MS_BIND, MS_RDONLY
    plan.mounts.push_back(
        {.source = box.directory + "/volume", .target = "/data", .type = "bind", .flags = bind | readonly});
    plan.mounts.push_back(
        {.source = box.directory + "/volume/file", .target = "/etc/one", .type = "bind", .flags = bind});
    plan.mounts.push_back(
        {.source = box.directory + "/volume", .target = "/var-run/lock", .type = "bind", .flags = bind});
    plan.mounts.push_back({.source = "tmpfs", .target = "/scratch", .type = "tmpfs", .data = "mode=1777"});
    auto outcome = box.run(plan);
    CHECK(outcome.output == "content\ncontent\ncontent\nno\nno\nyes\ndrwxrwxrwt");
    CHECK(!os::exists("/run/lock/file"));
    CHECK(os::exists(box.directory + "/root/run/lock"));
}

TEST_CASE("an image cannot misplace proc or the masked paths by links") {
    if (!test::possible()) return;
    Box box;
    REQUIRE(os::make_directories(box.directory + "/root/elsewhere"));
    REQUIRE(::symlink("elsewhere", (box.directory + "/root/proc").c_str()) == 0);
    auto plan = box.shell("true");
    auto started = box.supervisor->start({}, plan, {}, {});
    REQUIRE(!started);
    CHECK(started.error().message().find("mount proc on /proc") != std::string::npos);
}

TEST_CASE("log and frames: both streams, long lines, bytes that are no text") {
    if (!test::possible()) return;
    Box box;
    auto plan = box.shell("echo out; sleep 0.05; echo err >&2; sleep 0.05; printf 'tail\\377'");
    auto outcome = box.run(plan, false);
    using namespace std::string_literals;
    CHECK(outcome.output == "\1\0\0\0\0\0\0\4out\n\2\0\0\0\0\0\0\4err\n\1\0\0\0\0\0\0\5tail\377"s);
    auto log = os::read_file(plan.log.path, 1 << 20);
    REQUIRE(log);
    auto lines = split(*log, '\n');
    REQUIRE(lines.size() == 4);
    CHECK(lines[0].substr(0, 41) == "{\"log\":\"out\\n\",\"stream\":\"stdout\",\"time\":\"");
    CHECK(lines[1].substr(0, 41) == "{\"log\":\"err\\n\",\"stream\":\"stderr\",\"time\":\"");
    CHECK(lines[2].substr(0, 18) == "{\"log\":\"tail\\ufffd");
}

TEST_CASE("nothing is lost to a slow reader, and the container waits for it") {
    if (!test::possible()) return;
    Box box;
    auto plan = box.shell("yes 0123456789012345678901234567890 | head -n 200000");
    auto [mine, theirs] = Box::stream_pair();
    std::vector<Attachment> attachments(1);
    attachments[0].stream = std::move(theirs);
    attachments[0].output = true;
    attachments[0].raw = true;
    auto started = box.supervisor->start({}, plan, {}, std::move(attachments));
    REQUIRE(started);
    ::poll(nullptr, 0, 300);
    CHECK(!box.events.seen(plan.id));  // 7 MB do not fit into pipe, queue and socket
    CHECK(test::read_to_end(mine).size() == 200000 * 32);
    CHECK(box.events.wait(plan.id).code == 0);
    struct stat info {};
    REQUIRE(::stat(plan.log.path.c_str(), &info) == 0);
    CHECK(info.st_size > 200000 * 90);
    (*started)->forget();
}

TEST_CASE("a detached overlay and a network namespace are handed over by descriptor") {
    if (!test::possible()) return;
    Box box;
    for (const char* name : {"/upper", "/work"}) REQUIRE(os::make_directories(box.directory + name));
    auto overlay = os::new_mount(
        "overlay", "overlay", fmt::format("lowerdir={0}/root,upperdir={0}/upper,workdir={0}/work", box.directory), 0);
    if (!overlay) {
        MESSAGE("skipped: no overlay: " << overlay.error().message());
        return;
    }
    auto plan = box.shell("echo new > /written; ls /; readlink /proc/self/ns/net");
    plan.root_path.clear();
    plan.root_fd = 0;
    for (auto& entry : plan.namespaces)
        if (entry.type == Namespace::Network) entry.received_fd = 1;
    auto network = os::open("/proc/self/ns/net", O_RDONLY);
    REQUIRE(network);
    std::vector<Fd> fds;
    fds.push_back(overlay.take());
    fds.push_back(network.take());
    auto [mine, theirs] = Box::stream_pair();
    std::vector<Attachment> attachments(1);
    attachments[0].stream = std::move(theirs);
    attachments[0].output = true;
    attachments[0].raw = true;
    auto started = box.supervisor->start({}, plan, std::move(fds), std::move(attachments));
    REQUIRE_MESSAGE(started, (started ? "" : started.error().message()));
    auto output = test::read_to_end(mine);
    char link[64] = {};
    REQUIRE(::readlink("/proc/self/ns/net", link, sizeof link - 1) > 0);
    CHECK(output.find(link) != std::string::npos);
    CHECK(output.find("written") != std::string::npos);
    CHECK(box.events.wait(plan.id).code == 0);
    CHECK(os::exists(box.directory + "/upper/written"));
    CHECK(!os::exists(box.directory + "/root/written"));
    (*started)->forget();
}

TEST_CASE("many descriptors, a relay, and ports that are held until the end") {
    if (!test::possible()) return;
    Box box;
    auto listener = [] {
        Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(socket.get(), 8) == 0);
        REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        return std::pair{std::move(socket), address};
    };
    auto [inside, inside_address] = listener();  // stands for the container's server
    auto [outside, outside_address] = listener();
    auto plan = box.plan({"sleep", "1000"});
    std::vector<Fd> fds;
    for (int i = 0; i < 20; ++i) {
        fds.push_back(os::open("/dev/null", O_RDONLY).take());
        plan.held_fds.push_back(i);
    }
    fds.push_back(std::move(outside));
    plan.relays.push_back({.listen_fd = 20, .address = "127.0.0.1", .port = ntohs(inside_address.sin_port)});
    auto started = box.supervisor->start({}, plan, std::move(fds), {});
    REQUIRE_MESSAGE(started, (started ? "" : started.error().message()));

    Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&outside_address), sizeof outside_address) == 0);
    Fd server(::accept(inside.get(), nullptr, nullptr));
    std::string large(3 << 20, 'r');
    std::thread sender([&] {
        CHECK(os::write_all(client, large));
        ::shutdown(client.get(), SHUT_WR);
    });
    CHECK(test::read_to_end(server) == large);
    sender.join();
    CHECK(os::write_all(server, "answer"));  // after the client's end of input
    ::shutdown(server.get(), SHUT_WR);
    CHECK(test::read_to_end(client) == "answer");

    // All is there when the shim wakes up: the end comes as its first, second, ... read.
    auto status = os::read_file(fmt::format("/proc/{}/stat", (*started)->started().pid), 4096).take();
    auto shim = static_cast<pid_t>(*parse_int(split(status.substr(status.rfind(')')), ' ')[2]));
    for (std::size_t kibibytes : {0, 32, 64, 96, 128, 160}) {
        std::string sent(kibibytes << 10, 's');
        Fd one(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        int large_enough = 1 << 20;
        ::setsockopt(one.get(), SOL_SOCKET, SO_SNDBUFFORCE, &large_enough, sizeof large_enough);
        ::kill(shim, SIGSTOP);
        REQUIRE(::connect(one.get(), reinterpret_cast<sockaddr*>(&outside_address), sizeof outside_address) == 0);
        CHECK(os::write_all(one, sent));
        ::shutdown(one.get(), SHUT_WR);
        ::kill(shim, SIGCONT);
        Fd other(::accept(inside.get(), nullptr, nullptr));
        CHECK(test::read_to_end(other) == sent);
    }

    REQUIRE((*started)->kill_all());
    box.events.wait(plan.id);
    Fd late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(::connect(late.get(), reinterpret_cast<sockaddr*>(&outside_address), sizeof outside_address) < 0);
    (*started)->forget();
}

TEST_CASE("no process, group, mount or socket stays behind") {
    if (!test::possible()) return;
    Box box;
    auto mounts_before = os::read_file("/proc/self/mountinfo", 1 << 20);
    auto plan = box.shell("sleep 1000 & sleep 1000 & exit 0");
    auto outcome = box.run(plan);
    CHECK(outcome.code == 0);
    auto layout = os::probe_cgroup_layout();
    REQUIRE(layout);
    os::Cgroup group(*layout, plan.cgroup_path, Box::all_controllers());
    CHECK(!os::exists(group.directory("memory")));
    CHECK(*os::read_file("/proc/self/mountinfo", 1 << 20) == *mounts_before);
    auto record = read_pid_record(plan.state_directory);
    REQUIRE(record);
    CHECK(!still_runs(record->container));
}

// SPDX-License-Identifier: Apache-2.0
// Input, terminals, exec, and life without the daemon. Need root.
#include <poll.h>
#include <csignal>

#include "os/spawn.h"
#include "runtime/container_test_support_internal.h"
#include "runtime/state_files_internal.h"

using namespace pila;
using namespace pila::runtime;
using test::Box;

static std::string read_until(const Fd& fd, const std::string& text) {
    std::string all;
    char bytes[4096];
    while (all.find(text) == std::string::npos) {
        pollfd waiting{fd.get(), POLLIN, 0};
        if (::poll(&waiting, 1, 5000) <= 0) break;
        auto got = ::read(fd.get(), bytes, sizeof bytes);
        if (got <= 0) break;
        all.append(bytes, static_cast<std::size_t>(got));
    }
    return all;
}

static Attachment attachment(Fd stream, bool input) {
    Attachment made;
    made.stream = std::move(stream);
    made.input = input;
    made.output = made.error = true;
    made.raw = true;
    return made;
}

static std::vector<Attachment> one(Attachment attachment) {
    std::vector<Attachment> all;
    all.push_back(std::move(attachment));
    return all;
}

TEST_CASE("input: what was read already comes first, its end is the process's end, output goes on") {
    if (!test::possible()) return;
    Box box;
    auto plan = box.shell("cat; echo done");
    plan.process.keep_stdin_open = true;
    auto [mine, theirs] = Box::stream_pair();
    auto options = attachment(std::move(theirs), true);
    options.already_read = "first ";
    options.close_stdin_when_gone = true;
    auto started = box.supervisor->start({}, plan, {}, one(std::move(options)));
    REQUIRE(started);
    REQUIRE(::write(mine.get(), "second\n", 7) == 7);
    ::shutdown(mine.get(), SHUT_WR);
    CHECK(test::read_to_end(mine) == "first second\ndone\n");
    CHECK(box.events.wait(plan.id).code == 0);
    (*started)->forget();
}

TEST_CASE("input stays open without StdinOnce; another stream may continue it") {
    if (!test::possible()) return;
    Box box;
    auto plan = box.plan({"cat"});
    plan.process.keep_stdin_open = true;
    auto started = box.supervisor->start({}, plan, {}, {});
    REQUIRE(started);
    auto [first, first_shim] = Box::stream_pair();
    REQUIRE((*started)->attach(attachment(std::move(first_shim), true)));
    REQUIRE(::write(first.get(), "one\n", 4) == 4);
    CHECK(read_until(first, "one\n") == "one\n");
    first.reset();
    auto [second, second_shim] = Box::stream_pair();
    REQUIRE((*started)->attach(attachment(std::move(second_shim), true)));
    REQUIRE(::write(second.get(), "two\n", 4) == 4);
    CHECK(read_until(second, "two\n") == "two\n");
    REQUIRE((*started)->kill("", SIGKILL));
    CHECK(box.events.wait(plan.id).code == 137);
    (*started)->forget();
}

TEST_CASE("a terminal: size, controlling, resize, detach keys") {
    if (!test::possible()) return;
    Box box;
    auto plan = box.plan({"sh"});
    plan.process.terminal = true;
    plan.process.keep_stdin_open = true;
    plan.process.terminal_rows = 30;
    plan.process.terminal_columns = 100;
    auto [mine, theirs] = Box::stream_pair();
    auto options = attachment(std::move(theirs), true);
    options.raw = false;
    options.detach_keys = std::string("\x10\x11", 2);
    auto started = box.supervisor->start({}, plan, {}, one(std::move(options)));
    REQUIRE(started);
    auto type = [&](const std::string& keys) {
        REQUIRE(::write(mine.get(), keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
    };
    type("tty; stty size; ls -l /dev/console | head -c 1; echo END-$((1+1))\n");
    auto said = read_until(mine, "END-2");
    CHECK(said.find("/dev/pts/0") != std::string::npos);
    CHECK(said.find("30 100") != std::string::npos);
    REQUIRE((*started)->resize("", 40, 120));
    type("stty size; echo END-$((2+2))\n");
    CHECK(read_until(mine, "END-4").find("40 120") != std::string::npos);
    type("\x10\x11");
    CHECK(read_until(mine, "never").find("never") == std::string::npos);  // closed, not timed out
    char byte;
    CHECK(::read(mine.get(), &byte, 1) == 0);
    CHECK(!box.events.seen(plan.id));
    REQUIRE((*started)->kill_all());
    CHECK(box.events.wait(plan.id).code == 137);
    (*started)->forget();
}

TEST_CASE("exec: joins everything, reports its own exit, 127 and 126, its own terminal") {
    if (!test::possible()) return;
    Box box;
    auto plan = box.plan({"sleep", "1000"});
    auto started = box.supervisor->start({}, plan, {}, {});
    REQUIRE(started);
    auto& client = **started;
    ExecRequest request;
    request.exec_id = "exec1";
    request.process = plan.process;
    request.process.args = {
        "sh", "-c",
        "hostname; ps | grep -c sleep; cat /proc/self/cgroup | grep memory; grep Seccomp: /proc/self/status; exit 7"};
    auto [mine, theirs] = Box::stream_pair();
    request.attachment = attachment(std::move(theirs), false);
    auto pid = client.exec({}, std::move(request));
    REQUIRE_MESSAGE(pid, (pid ? "" : pid.error().message()));
    CHECK(*pid > 0);
    CHECK(test::read_to_end(mine).substr(0, 4) == "box\n");
    CHECK(box.events.wait("exec1").code == 7);

    ExecRequest missing;
    missing.exec_id = "exec2";
    missing.process = plan.process;
    missing.process.args = {"nosuch"};
    auto failed = client.exec({}, std::move(missing));
    REQUIRE(!failed);
    CHECK(failed.error().code() == Errc::NotFound);
    CHECK(failed.error().message() == "exec: \"nosuch\": executable file not found in $PATH");

    ExecRequest terminal;
    terminal.exec_id = "exec3";
    terminal.process = plan.process;
    terminal.process.args = {"sh", "-c", "tty; stty size"};
    terminal.process.terminal = true;
    terminal.process.terminal_rows = 11;
    terminal.process.terminal_columns = 22;
    auto [mine3, theirs3] = Box::stream_pair();
    terminal.attachment = attachment(std::move(theirs3), false);
    REQUIRE(client.exec({}, std::move(terminal)));
    CHECK(test::read_to_end(mine3) == "/dev/pts/0\r\n11 22\r\n");
    CHECK(box.events.wait("exec3").code == 0);

    ExecRequest killed;
    killed.exec_id = "exec4";
    killed.process = plan.process;
    REQUIRE(client.exec({}, std::move(killed)));
    auto processes = client.processes();
    REQUIRE(processes);
    CHECK(processes->size() == 2);
    REQUIRE(client.kill("exec4", SIGTERM));
    CHECK(box.events.wait("exec4").code == 143);
    REQUIRE(client.kill_all());
    CHECK(box.events.wait(plan.id).code == 137);
    client.forget();
}

TEST_CASE("pause stops everything, update changes limits") {
    if (!test::possible()) return;
    Box box;
    auto plan = box.shell("while true; do echo tick; sleep 0.02; done");
    auto [mine, theirs] = Box::stream_pair();
    auto started = box.supervisor->start({}, plan, {}, one(attachment(std::move(theirs), false)));
    REQUIRE(started);
    read_until(mine, "tick");
    REQUIRE((*started)->pause(true));
    ::poll(nullptr, 0, 100);
    char bytes[65536];
    while (::recv(mine.get(), bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
    ::poll(nullptr, 0, 200);
    CHECK(::recv(mine.get(), bytes, sizeof bytes, MSG_DONTWAIT) < 0);
    REQUIRE((*started)->pause(false));
    CHECK(read_until(mine, "tick").find("tick") != std::string::npos);
    ResourcePlan resources;
    if (!test::limits_possible()) {
        ignore((*started)->kill_all(), "checked by the wait");
        box.events.wait(plan.id);
        return;
    }
    resources.memory_limit = 100 << 20;
    resources.pids_limit = 30;
    auto updated = (*started)->update(resources);
    CHECK_MESSAGE(updated, (updated ? "" : updated.error().message()));
    auto layout = os::probe_cgroup_layout();
    os::Cgroup group(*layout, plan.cgroup_path, Box::all_controllers());
    CHECK(group.read("pids", "pids.max").value() == "30\n");
    REQUIRE((*started)->kill_all());
    box.events.wait(plan.id);
    (*started)->forget();
}

TEST_CASE("the container outlives the daemon's connection and is adopted") {
    if (!test::possible()) return;
    Box box;
    auto plan = box.shell("while [ ! -e /tmp/stop ]; do echo late; sleep 0.05; done; exit 9");
    REQUIRE(box.supervisor->start({}, plan, {}, {}));
    box.restart_supervisor();
    auto adopted = box.supervisor->adopt(plan.id, plan.state_directory);
    REQUIRE_MESSAGE(adopted, (adopted ? "" : adopted.error().message()));
    CHECK((*adopted)->started().pid > 0);
    auto [mine, theirs] = Box::stream_pair();
    REQUIRE((*adopted)->attach(attachment(std::move(theirs), false)));
    CHECK(read_until(mine, "late\n").find("late\n") != std::string::npos);
    REQUIRE(os::replace_file(box.directory + "/root/tmp/stop", "", 0644, os::Sync::No));
    CHECK(box.events.wait(plan.id).code == 9);
    (*adopted)->forget();
}

TEST_CASE("a container that ended while nobody was there leaves its record") {
    if (!test::possible()) return;
    Box box;
    auto plan = box.shell("sleep 0.3; exit 5");
    REQUIRE(box.supervisor->start({}, plan, {}, {}));
    box.supervisor.reset();
    for (int i = 0; i < 200 && !read_exit_record(plan.state_directory); ++i) ::poll(nullptr, 0, 20);
    auto record = read_exit_record(plan.state_directory);
    REQUIRE(record);
    CHECK(record->code == 5);
    box.restart_supervisor();
    auto pid = read_pid_record(plan.state_directory);
    REQUIRE(pid);
    for (int i = 0; i < 200 && still_runs(pid->shim); ++i) ::poll(nullptr, 0, 10);
    auto adopted = box.supervisor->adopt(plan.id, plan.state_directory);
    REQUIRE(!adopted);
    CHECK(adopted.error().code() == Errc::NotFound);
}

TEST_CASE("a killed shim takes its container along and is reported lost") {
    if (!test::possible()) return;
    Box box;
    auto plan = box.plan({"sleep", "1000"});
    auto started = box.supervisor->start({}, plan, {}, {});
    REQUIRE(started);
    auto record = read_pid_record(plan.state_directory);
    REQUIRE(record);
    ::kill((*started)->started().shim_pid, SIGKILL);
    box.events.wait("lost " + plan.id);
    for (int i = 0; i < 200 && still_runs(record->container); ++i) ::poll(nullptr, 0, 10);
    CHECK(!still_runs(record->container));
    auto layout = os::probe_cgroup_layout();
    ignore(os::Cgroup(*layout, plan.cgroup_path, Box::all_controllers()).remove(), "checked by the next line");
}

TEST_CASE("init reaps orphans and passes signals on") {
    if (!test::possible()) return;
    if (!PILA_RUNTIME_IS_STATIC) {
        MESSAGE("skipped: a dynamic pila-runtime cannot run inside a container");
        return;
    }
    Box box;
    auto plan = box.shell(
        "trap 'exit 33' TERM; echo $$; sh -c 'sleep 0.1 & true'; echo ready; while true; do sleep 0.05; done");
    plan.init = true;
    auto [mine, theirs] = Box::stream_pair();
    auto started = box.supervisor->start({}, plan, {}, one(attachment(std::move(theirs), false)));
    REQUIRE_MESSAGE(started, (started ? "" : started.error().message()));
    CHECK(read_until(mine, "ready").substr(0, 2) != "1\n");
    REQUIRE((*started)->kill("", SIGTERM));
    CHECK(box.events.wait(plan.id).code == 33);
    (*started)->forget();
}

TEST_CASE("a container shares another's namespaces") {
    if (!test::possible()) return;
    Box box;
    auto first = box.plan({"sleep", "1000"});
    auto started = box.supervisor->start({}, first, {}, {});
    REQUIRE(started);
    auto second = box.shell("ps | grep -c 'sleep 1000'; readlink /proc/self/ns/net");
    auto pid = (*started)->started().pid;
    for (auto& entry : second.namespaces) {
        const char* name = entry.type == Namespace::Network ? "net"
                           : entry.type == Namespace::Ipc   ? "ipc"
                           : entry.type == Namespace::Pid   ? "pid"
                                                            : nullptr;
        if (name) entry.path = fmt::format("/proc/{}/ns/{}", pid, name);
    }
    auto outcome = box.run(second);
    char link[64] = {};
    REQUIRE(::readlink(fmt::format("/proc/{}/ns/net", pid).c_str(), link, sizeof link - 1) > 0);
    CHECK(outcome.output.find(link) != std::string::npos);
    CHECK(outcome.output[0] != '0');
    REQUIRE((*started)->kill_all());
    box.events.wait(first.id);
    (*started)->forget();
}

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Real containers for tests: a root file system of busybox, a supervisor, and what they said.

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "base/random.h"
#include "os/cgroup.h"
#include "os/file.h"
#include "runtime/defaults.h"
#include "runtime/shim_client.h"

#ifndef PILA_RUNTIME_EXE
#define PILA_RUNTIME_EXE "pila-runtime"  // the build says where it is
#endif

namespace pila::runtime::test {

// Containers need root, a static busybox and pila-runtime.
inline bool possible() {
    if (::geteuid() == 0 && ::access("/bin/busybox", X_OK) == 0 && ::access(PILA_RUNTIME_EXE, X_OK) == 0) return true;
    MESSAGE("skipped: needs root and /bin/busybox");
    return false;
}

// On a v2 tree the memory and pids controllers may be bound to v1 hierarchies elsewhere.
inline bool limits_possible() {
    auto layout = os::probe_cgroup_layout();
    if (layout && layout->mode == os::CgroupMode::V1) return true;
    auto controllers = layout && layout->mode == os::CgroupMode::V2
                           ? os::read_file(layout->hierarchies.front().mount_point + "/cgroup.controllers", 4096)
                           : Result<std::string>(std::string());
    if (controllers && controllers->find("memory") != std::string::npos) return true;
    MESSAGE("skipped in part: no memory controller");
    return false;
}

class Events : public ShimEvents {
public:
    void container_exited(const std::string& id, const ExitRecord& record, Fd) override {
        std::lock_guard lock(mutex_);
        exits_[id] = record;
        changed_.notify_all();
    }
    void exec_exited(const std::string&, const std::string& exec_id, const ExitRecord& record) override {
        std::lock_guard lock(mutex_);
        exits_[exec_id] = record;
        changed_.notify_all();
    }
    void out_of_memory(const std::string& id) override {
        std::lock_guard lock(mutex_);
        exits_["memory " + id] = {};
        changed_.notify_all();
    }
    void detached(const std::string& id, const std::string& exec_id) override {
        std::lock_guard lock(mutex_);
        exits_["detached " + id + exec_id] = {};
        changed_.notify_all();
    }
    void log_rotated(const std::string& id) override {
        std::lock_guard lock(mutex_);
        exits_["rotated " + id] = {};
        changed_.notify_all();
    }
    void shim_lost(const std::string& id) override {
        std::lock_guard lock(mutex_);
        exits_["lost " + id] = {};
        changed_.notify_all();
    }
    ExitRecord wait(const std::string& id) {
        std::unique_lock lock(mutex_);
        bool came = changed_.wait_for(lock, std::chrono::seconds(10), [&] { return exits_.count(id) != 0; });
        REQUIRE_MESSAGE(came, "no exit of " << id);
        return exits_[id];
    }
    bool seen(const std::string& id) {
        std::lock_guard lock(mutex_);
        return exits_.count(id) != 0;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, ExitRecord> exits_;
};

struct Outcome {
    std::string output;  // raw, or framed
    int code = -1;
    bool oom_killed = false;
};

inline std::string read_to_end(const Fd& fd) {
    std::string all;
    char bytes[8192];
    for (ssize_t got; (got = ::read(fd.get(), bytes, sizeof bytes)) > 0;)
        all.append(bytes, static_cast<std::size_t>(got));
    return all;
}

class Box {
public:
    Box() : directory("/tmp/pila-runtime-test-" + random_hex(12)) {
        for (const char* name : {"/root/bin", "/root/etc", "/root/tmp", "/state"})
            REQUIRE(os::make_directories(directory + name));
        REQUIRE(os::replace_file(directory + "/root/etc/passwd",
                                 "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n", 0644,
                                 os::Sync::No));
        auto program = os::read_file("/bin/busybox", 16U << 20);
        REQUIRE(os::replace_file(directory + "/root/bin/busybox", *program, 0755, os::Sync::No));
        for (const char* name :
             {"sh", "cat", "id", "ls",    "sleep", "true", "mount",   "hostname", "grep",   "tty", "stty", "head",
              "dd", "yes", "wc", "touch", "kill",  "ps",   "unshare", "mkdir",    "printf", "env", "pwd",  "readlink"})
            REQUIRE(::symlink("busybox", (directory + "/root/bin/" + name).c_str()) == 0);
        restart_supervisor();
    }
    ~Box() {
        supervisor.reset();
        ignore(os::remove_tree(directory), "left for a person to look at");
        auto layout = os::probe_cgroup_layout();
        if (layout)
            ignore(os::Cgroup(*layout, "/pila-test", all_controllers()).remove(), "another test may be using it");
    }
    static std::vector<std::string> all_controllers() {
        return {"memory", "cpu", "cpuacct", "pids", "devices", "freezer", "blkio", "cpuset"};
    }

    void restart_supervisor() {
        supervisor.reset();
        auto made = ShimSupervisor::create(PILA_RUNTIME_EXE, events);
        REQUIRE_MESSAGE(made, (made ? "" : made.error().message()));
        supervisor = made.take();
    }

    Plan plan(std::vector<std::string> args) {
        Plan made = default_plan();
        made.id = random_hex(64);
        made.root_path = directory + "/root";
        made.state_directory = directory + "/state/" + made.id;
        REQUIRE(os::make_directories(made.state_directory));
        made.cgroup_path = "/pila-test/" + made.id;
        made.log.path = made.state_directory + "/log";
        made.hostname = "box";
        made.process.args = std::move(args);
        made.process.environment = {"PATH=/bin"};
        auto filter = compile_default_seccomp(default_capabilities());
        made.process.seccomp_bpf = filter ? *filter : "";
        return made;
    }
    Plan shell(const std::string& script) { return plan({"sh", "-c", script}); }

    // Starts, reads everything, waits for the end.
    Outcome run(const Plan& plan, bool raw = true) {
        auto [mine, theirs] = stream_pair();
        std::vector<Attachment> attachments(1);
        attachments[0].stream = std::move(theirs);
        attachments[0].output = attachments[0].error = true;
        attachments[0].raw = raw;
        auto started = supervisor->start({}, plan, {}, std::move(attachments));
        REQUIRE_MESSAGE(started, (started ? "" : started.error().message()));
        Outcome outcome;
        outcome.output = read_to_end(mine);
        auto record = events.wait(plan.id);
        outcome.code = record.code;
        outcome.oom_killed = record.oom_killed;
        (*started)->forget();
        return outcome;
    }

    static std::pair<Fd, Fd> stream_pair() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        return {Fd(ends[0]), Fd(ends[1])};
    }

    const std::string directory;
    Events events;
    std::unique_ptr<ShimSupervisor> supervisor;
};

}  // namespace pila::runtime::test

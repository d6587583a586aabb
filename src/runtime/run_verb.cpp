// SPDX-License-Identifier: Apache-2.0
// `pila-runtime run`: a container from an OCI bundle, in the foreground.
#include <fcntl.h>

#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"
#include "runtime/console_internal.h"
#include "runtime/init_internal.h"
#include "runtime/launch_internal.h"
#include "runtime/oci_internal.h"
#include "runtime/own_exe_internal.h"
#include "runtime/verbs_internal.h"

namespace pila::runtime {

namespace {

struct RunOptions {
    std::string bundle = ".", root, pid_file, id;
};

Result<RunOptions> parse_options(int argc, char** argv) {
    RunOptions options;
    for (int i = 0; i < argc; ++i) {
        std::string_view word = argv[i];
        auto value_of = [&](std::string_view name, std::string_view short_name, std::string& into) -> Result<bool> {
            if (word == name || (!short_name.empty() && word == short_name)) {
                if (++i >= argc) return Error(Errc::Invalid, fmt::format("option {} needs a value", word));
                into = argv[i];
                return true;
            }
            if (word.size() > name.size() && word.substr(0, name.size()) == name && word[name.size()] == '=') {
                into = word.substr(name.size() + 1);
                return true;
            }
            return false;
        };
        if (TRY(value_of("--bundle", "-b", options.bundle)) || TRY(value_of("--root", "", options.root)) ||
            TRY(value_of("--pid-file", "", options.pid_file)))
            continue;
        if (word.size() > 1 && word[0] == '-')
            return Error(Errc::Invalid, fmt::format("unknown option {}", printable(word)));
        if (!options.id.empty()) return Error(Errc::Invalid, "more than one container id");
        options.id = word;
    }
    static constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-.";
    if (options.id.empty()) return Error(Errc::Invalid, "a container id is needed");
    if (options.id.size() > 1024 || options.id.find_first_not_of(allowed) != std::string::npos || options.id == "." ||
        options.id == "..")
        return Error(Errc::Invalid, "invalid container id " + printable(options.id));
    return options;
}

std::string default_state_root() {
    if (::geteuid() == 0) return "/run/pila-runtime";
    const char* directory = ::getenv("XDG_RUNTIME_DIR");
    if (directory && *directory) return std::string(directory) + "/pila-runtime";
    return fmt::format("/tmp/pila-runtime-{}", ::geteuid());
}

// The name of a container on this machine: a directory that only one holds a lock on. One that was killed leaves the
// directory, not the lock.
class StateDirectory {
public:
    static Result<StateDirectory> create(const std::string& root, const std::string& id) {
        auto path = root + "/" + id;
        for (;;) {
            auto made = os::make_directory(path, 0700);
            if (!made && made.error().code() == Errc::NotFound) {
                TRY(os::make_directories(root, 0711));
                made = os::make_directory(path, 0700);
            }
            if (!made && made.error().code() != Errc::AlreadyExists) return made.take_error();
            auto lock = os::lock_directory(path, os::LockWait::No);
            if (lock) return StateDirectory(std::move(path), lock.take());
            if (lock.error().code() == Errc::NotFound) continue;  // its last holder has just ended
            if (lock.error().code() != Errc::Conflict) return lock.take_error();
            return Error(Errc::AlreadyExists, "container with id " + id + " already exists");
        }
    }
    StateDirectory(StateDirectory&& other) noexcept
        : path_(std::exchange(other.path_, "")), lock_(std::move(other.lock_)) {}
    ~StateDirectory() {
        if (!path_.empty()) ::rmdir(path_.c_str());
    }
    const std::string& path() const { return path_; }

private:
    StateDirectory(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
    std::string path_;
    Fd lock_;
};

Result<Plan> load_plan(const RunOptions& options) {
    char absolute[PATH_MAX];
    if (!::realpath(options.bundle.c_str(), absolute)) return Error::from_errno(errno, "bundle " + options.bundle);
    constexpr std::size_t largest_config = 4U << 20;
    auto config = TRY(os::read_file(std::string(absolute) + "/config.json", largest_config));
    auto plan = TRY(oci::plan_of_config(config, absolute));
    plan.id = options.id;
    if (plan.cgroup_path.empty()) plan.cgroup_path = "/" + options.id;
    if (plan.cgroup_path[0] != '/') plan.cgroup_path.insert(0, "/");
    return plan;
}

// Without root there is no group of ours to limit anything with. Device rules are the kernel's business then: a user
// namespace cannot make device nodes. Limits that were asked for must not be dropped silently.
Result<void> go_without_cgroup(Plan& plan) {
    const auto& wanted = plan.resources;
    if (wanted.memory_limit || wanted.memory_swap || wanted.memory_reservation || wanted.cpu_quota_us ||
        wanted.pids_limit || !wanted.cpuset_cpus.empty() || !wanted.unified.empty())
        return Error(Errc::Unsupported, "resource limits need root or a delegated cgroup");
    plan.cgroup_path.clear();
    return {};
}

// Unmakes the groups however the run ends.
struct CgroupGuard {
    const os::Cgroup& cgroup;
    ~CgroupGuard() {
        if (cgroup.valid()) ignore(cgroup.remove(), "reported by nothing: the container itself is over");
    }
};

Result<int> run(const RunOptions& options, char** command_line) {
    auto plan = TRY(load_plan(options));
    // Not alone in its pid namespace: own_exe_internal.h. A user without privileges can overwrite only what is his
    // anyway.
    if (::geteuid() == 0 && !init::makes_namespace(plan, Namespace::Pid) && !own_exe_is_protected())
        return execute_protected(command_line);
    if (::geteuid() != 0) TRY(go_without_cgroup(plan));
    auto state = TRY(StateDirectory::create(options.root.empty() ? default_state_root() : options.root, options.id));
    plan.state_directory = state.path();
    auto layout = TRY(os::probe_cgroup_layout());
    os::Cgroup cgroup;
    if (!plan.cgroup_path.empty()) {
        cgroup = os::Cgroup(layout, plan.cgroup_path, os::container_controllers());
    }
    CgroupGuard guard{cgroup};
    auto console = TRY(Console::prepare(plan.process));
    auto launch =
        TRY(Launch::container({.plan = plan, .fds = {}, .stdio = {0, 1, 2}, .layout = layout, .cgroup = cgroup}));
    if (!options.pid_file.empty())
        TRY(os::replace_file(options.pid_file, std::to_string(launch.pid()), 0644, os::Sync::No));
    TRY(launch.finish());
    auto pidfd = launch.take_pidfd();
    auto code = TRY(console.serve(pidfd, launch.take_terminal()));
    if (cgroup.valid() && !init::makes_namespace(plan, Namespace::Pid)) ignore(cgroup.kill_all(), "they may be gone");
    return code;
}

}  // namespace

int run_verb(int argc, char** argv) {
    auto options = parse_options(argc, argv);
    auto outcome = options ? run(*options, argv - 2) : Result<int>(options.take_error());
    if (outcome) return *outcome;
    std::fprintf(stderr, "pila-runtime: run: %s\n", outcome.error().message().c_str());
    switch (outcome.error().code()) {
        case Errc::NotFound: return 127;
        case Errc::Denied: return 126;
        default: return 1;
    }
}

}  // namespace pila::runtime

// SPDX-License-Identifier: Apache-2.0
#include "os/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csignal>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::os {

static constexpr std::size_t largest_file = 4U << 20;

const std::vector<std::string>& container_controllers() {
    static const std::vector<std::string> names = {"memory",  "cpu",     "cpuacct", "pids",
                                                   "devices", "freezer", "blkio",   "cpuset"};
    return names;
}

Cgroup::Cgroup(const CgroupLayout& layout, std::string path, const std::vector<std::string>& controllers)
    : mode_(layout.mode), path_(std::move(path)) {
    for (const auto& hierarchy : layout.hierarchies) {
        bool wanted = mode_ == CgroupMode::V2 || std::any_of(controllers.begin(), controllers.end(),
                                                             [&](const auto& name) { return hierarchy.has(name); });
        if (wanted) groups_.push_back({hierarchy.mount_point, hierarchy.controllers});
    }
}

std::string Cgroup::directory(std::string_view controller) const {
    for (const auto& group : groups_) {
        bool has = std::find(group.controllers.begin(), group.controllers.end(), controller) != group.controllers.end();
        if (mode_ == CgroupMode::V2 || has) return path_of(group);
    }
    return {};
}

Result<void> Cgroup::create() const {
    if (mode_ == CgroupMode::V2) return create_v2();
    for (const auto& group : groups_) TRY(create_v1(group));
    return {};
}

// A v1 cpuset starts empty and takes no process until it has cpus and memory nodes; the parent's are right.
static Result<void> inherit_cpuset(const std::string& parent, const std::string& directory) {
    for (const char* name : {"/cpuset.cpus", "/cpuset.mems"}) {
        auto present = TRY(read_file(directory + name, largest_file));
        if (!trim(present).empty()) continue;
        auto inherited = TRY(read_file(parent + name, largest_file));
        TRY(write_file(directory + name, trim(inherited)));
    }
    return {};
}

Result<void> Cgroup::create_v1(const Group& group) const {
    auto leaf = path_of(group);
    bool cpuset = std::find(group.controllers.begin(), group.controllers.end(), "cpuset") != group.controllers.end();
    if (!cpuset) {
        auto made = make_directory(leaf);
        if (made || made.error().code() == Errc::AlreadyExists) return {};
        return make_directories(leaf);
    }
    std::string directory = group.mount_point;
    for (auto name : split(path_, '/')) {
        if (name.empty()) continue;
        std::string parent = directory;
        directory += "/" + std::string(name);
        auto made = make_directory(directory);
        if (!made && made.error().code() != Errc::AlreadyExists) return made;
        TRY(inherit_cpuset(parent, directory));
        // What is made below takes over its values from the kernel: a write of them rebuilds the scheduler's domains.
        if (made && directory.size() < leaf.size())
            ignore(write_file(directory + "/cgroup.clone_children", "1"), "the values are written one by one, then");
    }
    return {};
}

// Every ancestor must hand its controllers down. A refusal is not fatal here: a limit that then cannot be set is.
static void pass_controllers_down(const std::string& directory) {
    static constexpr std::string_view wanted[] = {"cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma"};
    auto available = read_file(directory + "/cgroup.controllers", largest_file);
    auto passed = read_file(directory + "/cgroup.subtree_control", largest_file);
    if (!available || !passed) return;
    auto contains = [](std::string_view list, std::string_view name) {
        auto names = split(trim(list), ' ');
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    for (auto name : wanted)
        if (contains(*available, name) && !contains(*passed, name))
            ignore(write_file(directory + "/cgroup.subtree_control", "+" + std::string(name)),
                   "EBUSY, EACCES: see above");
}

Result<void> Cgroup::create_v2() const {
    std::string directory = groups_.front().mount_point;
    auto made = make_directory(directory + path_);
    if (!made && made.error().code() != Errc::AlreadyExists && made.error().code() != Errc::NotFound) return made;
    for (auto name : split(path_, '/')) {
        if (name.empty()) continue;
        pass_controllers_down(directory);
        directory += "/" + std::string(name);
        made = make_directory(directory);
        if (!made && made.error().code() != Errc::AlreadyExists) return made;
    }
    return {};
}

Result<void> Cgroup::write(std::string_view controller, const std::string& file, std::string_view value) const {
    auto where = directory(controller);
    if (where.empty())
        return Error(Errc::Unsupported, fmt::format("set {}: no cgroup controller {}", file, controller));
    auto written = write_file(where + "/" + file, value);
    if (written) return {};
    return std::move(written).in(fmt::format("set cgroup {} to {}", file, printable(value)));
}

Result<std::string> Cgroup::read(std::string_view controller, const std::string& file) const {
    auto where = directory(controller);
    if (where.empty())
        return Error(Errc::Unsupported, fmt::format("read {}: no cgroup controller {}", file, controller));
    return read_file(where + "/" + file, largest_file);
}

Result<std::vector<Fd>> Cgroup::entrances() const {
    std::vector<Fd> files;
    const char* name = mode_ == CgroupMode::V2 ? "/cgroup.procs" : "/tasks";
    for (const auto& group : groups_) files.push_back(TRY(open(path_of(group) + name, O_WRONLY)));
    return files;
}

Result<Fd> Cgroup::directory_fd() const { return open(path_of(groups_.front()), O_RDONLY | O_DIRECTORY); }

static constexpr int deepest_group = 32;

static Result<void> add_processes(const std::string& directory, int depth, std::vector<pid_t>& found) {
    auto text = TRY(read_file(directory + "/cgroup.procs", largest_file));
    for (auto line : split(text, '\n'))
        if (auto pid = parse_int(line); pid && *pid > 0) found.push_back(static_cast<pid_t>(*pid));
    struct stat info {};
    // kernfs counts its directories: 2 and one for each group below.
    if (depth >= deepest_group || ::stat(directory.c_str(), &info) < 0 || info.st_nlink <= 2) return {};
    auto names = TRY(list_directory(directory));
    for (const auto& name : names) {
        auto child = directory + "/" + name;
        if (::lstat(child.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
            ignore(add_processes(child, depth + 1, found), "just removed, or holds threads only");
    }
    return {};
}

// Also of the groups that the container made inside its own.
Result<std::vector<pid_t>> Cgroup::processes() const {
    std::vector<pid_t> found;
    if (!groups_.empty()) TRY(add_processes(path_of(groups_.front()), 0, found));
    return found;
}

Result<void> Cgroup::freeze(bool frozen) const {
    if (mode_ == CgroupMode::V2) return write("", "cgroup.freeze", frozen ? "1" : "0");
    TRY(write("freezer", "freezer.state", frozen ? "FROZEN" : "THAWED"));
    // The kernel may answer FREEZING for a moment; a fork in flight needs the request again (freezer-subsystem.rst).
    for (int attempt = 0; frozen && attempt < 500; ++attempt) {
        auto state = TRY(read("freezer", "freezer.state"));
        if (trim(state) == "FROZEN") return {};
        if (attempt % 25 == 24) TRY(write("freezer", "freezer.state", "FROZEN"));
        ::poll(nullptr, 0, 2);
    }
    if (frozen) return Error(Errc::Timeout, "freeze cgroup " + path_ + ": still freezing after a second");
    return {};
}

bool Cgroup::is_frozen() const {
    auto text = mode_ == CgroupMode::V2 ? read("", "cgroup.freeze") : read("freezer", "freezer.state");
    return text && (trim(*text) == "1" || trim(*text) == "FROZEN" || trim(*text) == "FREEZING");
}

Result<void> Cgroup::kill_all() const {
    if (mode_ == CgroupMode::V2 && write("", "cgroup.kill", "1")) return {};  // Linux 5.14
    // Members may fork while we read: repeat until a pass finds nobody new to kill.
    std::vector<pid_t> killed;
    for (int pass = 0; pass < 100; ++pass) {
        auto members = TRY(processes());
        bool news = false;
        for (pid_t pid : members) {
            if (pid == ::getpid() || std::find(killed.begin(), killed.end(), pid) != killed.end()) continue;
            ::kill(pid, SIGKILL);
            killed.push_back(pid);
            news = true;
        }
        if (!news) break;
    }
    if (mode_ == CgroupMode::V1 && !directory("freezer").empty())
        ignore(write("freezer", "freezer.state", "THAWED"), "a frozen process dies once it thaws");
    return {};
}

std::uint64_t Cgroup::oom_kills() const {
    auto text = read("memory", mode_ == CgroupMode::V2 ? "memory.events" : "memory.oom_control");
    if (!text) return 0;
    for (auto line : split(*text, '\n'))
        if (line.substr(0, 9) == "oom_kill ") return parse_uint(line.substr(9)).value_or(0);
    return 0;
}

// Groups that the container made inside its own go first.
static Result<void> remove_groups(const std::string& directory, int depth) {
    for (int attempt = 0;; ++attempt) {
        if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return {};
        if (errno != EBUSY && errno != ENOTEMPTY) return Error::from_errno(errno, "remove cgroup " + directory);
        if (attempt == 0 && depth < deepest_group) {
            auto names = list_directory(directory);
            for (const auto& name : names ? *names : std::vector<std::string>{}) {
                struct stat info {};
                auto child = directory + "/" + name;
                if (::lstat(child.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) TRY(remove_groups(child, depth + 1));
            }
            continue;
        }
        // A dying process leaves its group some time after it was reaped or killed; v1 has no event for that.
        if (attempt > 60) return Error(Errc::Conflict, "remove cgroup " + directory + ": still in use", EBUSY);
        ::poll(nullptr, 0, attempt < 20 ? 1 : 10);
    }
}

Result<void> Cgroup::remove() const {
    Result<void> outcome;
    for (const auto& group : groups_) {
        auto removed = remove_groups(path_of(group), 0);
        if (!removed && outcome) outcome = std::move(removed);
    }
    return outcome;
}

Result<void> enter_cgroups(const std::vector<Fd>& entrances) {
    for (const auto& entrance : entrances)
        if (::write(entrance.get(), "0", 1) < 0) return Error::from_errno(errno, "enter cgroup");
    return {};
}

Result<void> leave_cgroups(const CgroupLayout& layout) {
    auto text = TRY(read_file("/proc/self/cgroup", largest_file));
    for (auto line : split(text, '\n')) {
        auto parts = split(line, ':');  // number:controllers:path
        if (parts.size() < 3 || line.substr(line.size() - 2) == ":/") continue;
        auto names = split(parts[1], ',');
        const auto* hierarchy = layout.find(names.front());
        if (!hierarchy || (parts[1].empty() != (layout.mode == CgroupMode::V2))) continue;
        const char* name = layout.mode == CgroupMode::V2 ? "/cgroup.procs" : "/tasks";
        TRY(write_file(hierarchy->mount_point + name, "0"));
    }
    return {};
}

}  // namespace pila::os

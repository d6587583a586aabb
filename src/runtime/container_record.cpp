// SPDX-License-Identifier: Apache-2.0
#include "runtime/container_record_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <csignal>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/spawn.h"
#include "runtime/hooks_internal.h"
#include "runtime/oci_internal.h"
#include "runtime/oci_json_internal.h"
#include "runtime/state_files_internal.h"
#include "runtime/systemd_scope_internal.h"

namespace pila::runtime {

static constexpr std::size_t largest_config = 4U << 20;

std::string_view status_name(Status status) {
    static constexpr std::array<std::string_view, 5> names = {"creating", "created", "running", "paused", "stopped"};
    return names[static_cast<std::size_t>(status)];
}

std::string encode_record(const Record& record) {
    json::object annotations;
    for (const auto& [key, value] : record.annotations) annotations[key] = value;
    json::array controllers(record.controllers.begin(), record.controllers.end());
    json::object object{{"id", record.id},
                        {"ociVersion", record.version},
                        {"bundle", record.bundle},
                        {"rootfs", record.root_path},
                        {"pid", record.pid},
                        {"started", record.started},
                        {"created", record.created.nanoseconds},
                        {"owner", record.owner},
                        {"annotations", std::move(annotations)},
                        {"cgroup", record.cgroup_path},
                        {"controllers", std::move(controllers)},
                        {"unit", record.unit},
                        {"mountNamespace", record.mount_namespace},
                        {"mountBefore", record.mount_before},
                        {"foreground", record.foreground},
                        {"ownProcesses", record.own_processes},
                        {"attendedStart", record.attended_start},
                        {"poststop", record.poststop}};
    return to_json(object) + "\n";
}

Result<Record> decode_record(std::string_view text) {
    using namespace oci;
    auto parsed = TRY(parse_json(text, {.max_bytes = largest_config}).in("state.json"));
    if (!parsed.is_object()) return Error(Errc::Invalid, "state.json: must be an object");
    const auto& object = parsed.get_object();
    Record record;
    record.id = TRY(text_member(object, "id"));
    record.version = TRY(text_member(object, "ociVersion"));
    record.bundle = TRY(text_member(object, "bundle"));
    record.root_path = TRY(text_member(object, "rootfs"));
    record.pid = TRY(number_member<pid_t>(object, "pid")).value_or(0);
    record.started = TRY(number_member<std::uint64_t>(object, "started")).value_or(0);
    record.created.nanoseconds = TRY(number_member<std::int64_t>(object, "created")).value_or(0);
    record.owner = TRY(number_member<uid_t>(object, "owner")).value_or(0);
    record.cgroup_path = TRY(text_member(object, "cgroup"));
    record.controllers = TRY(texts_member(object, "controllers"));
    record.unit = TRY(text_member(object, "unit"));
    record.mount_namespace = TRY(number_member<std::uint64_t>(object, "mountNamespace")).value_or(0);
    record.mount_before = TRY(number_member<std::uint64_t>(object, "mountBefore")).value_or(0);
    record.foreground = TRY(flag_member(object, "foreground"));
    record.own_processes = TRY(flag_member(object, "ownProcesses"));
    record.attended_start = TRY(flag_member(object, "attendedStart"));
    record.poststop = TRY(flag_member(object, "poststop"));
    if (const auto* annotations = TRY(object_member(object, "annotations")))
        for (const auto& [key, value] : *annotations)
            record.annotations.emplace_back(std::string(key.data(), key.size()), TRY(text_of(value, "annotations")));
    return record;
}

Result<void> ContainerDirectory::check_id(std::string_view id) {
    static constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-.";
    if (id.empty()) return Error(Errc::Invalid, "a container id is needed");
    if (id.size() > 1024 || id.find_first_not_of(allowed) != std::string::npos || id == "." || id == "..")
        return Error(Errc::Invalid, "invalid container id " + printable(id));
    return {};
}

Result<ContainerDirectory> ContainerDirectory::take(const std::string& root, const std::string& id) {
    TRY(check_id(id));
    auto path = root + "/" + id;
    for (;;) {
        auto made = os::make_directory(path, 0700);
        if (!made && made.error().code() == Errc::NotFound) {
            TRY(os::make_directories(root, 0711));
            made = os::make_directory(path, 0700);
        }
        if (!made && made.error().code() != Errc::AlreadyExists) return made.take_error();
        auto lock = os::lock_directory(path, os::LockWait::No);
        if (!lock && lock.error().code() == Errc::NotFound) continue;  // its last holder has just ended
        if (!lock && lock.error().code() != Errc::Conflict) return lock.take_error();
        Error taken(Errc::AlreadyExists, "container with id " + id + " already exists");
        if (!lock) return taken;
        ContainerDirectory directory(path, lock.take());
        if (made) return directory;
        auto record = directory.read();
        if (record && !record->foreground) return taken;
        auto cgroup = record ? cgroup_of(*record) : Result<os::Cgroup>(record.error());
        if (cgroup)
            ignore(destroy_container(directory, *record, *cgroup, true), "the rest is seen when it is made anew");
        TRY(directory.remove());
    }
}

Result<ContainerDirectory> ContainerDirectory::find(const std::string& root, const std::string& id) {
    TRY(check_id(id));
    ContainerDirectory directory(root + "/" + id);
    if (!os::exists(directory.path_)) return Error(Errc::NotFound, "container " + id + ": container does not exist");
    return directory;
}

Result<void> ContainerDirectory::write(const Record& record) const {
    return os::replace_file(path_ + "/state.json", encode_record(record), 0600, os::Sync::No);
}

Result<void> ContainerDirectory::write_config(std::string_view config) const {
    return os::replace_file(path_ + "/config.json", config, 0600, os::Sync::No);
}

Result<Record> ContainerDirectory::read() const {
    auto text = TRY(os::read_file(path_ + "/state.json", largest_config));
    return decode_record(text);
}

Result<Plan> ContainerDirectory::read_plan(const Record& record) const {
    auto text = TRY(os::read_file(path_ + "/config.json", largest_config));
    auto plan = TRY(oci::plan_of_config(text, record.bundle));
    plan.id = record.id;
    plan.cgroup_path = record.cgroup_path;
    return plan;
}

bool ContainerDirectory::locked() const {
    if (lock_) return true;
    auto lock = os::lock_directory(path_, os::LockWait::No);
    return !lock && lock.error().code() == Errc::Conflict;
}

Result<void> ContainerDirectory::remove() const { return os::remove_tree(path_); }

// A process that nobody has waited for yet is over all the same.
static bool is_alive(const Record& record) {
    if (record.pid <= 0 || !still_runs({record.pid, record.started})) return false;
    auto text = os::read_file(fmt::format("/proc/{}/stat", record.pid), 4096);
    auto end_of_name = text ? text->rfind(')') : std::string::npos;
    if (end_of_name == std::string::npos || end_of_name + 2 >= text->size()) return false;
    char state = (*text)[end_of_name + 2];
    return state != 'Z' && state != 'X';
}

Status ContainerDirectory::status(const Record& record) const {
    if (record.pid == 0) return locked() ? Status::Creating : Status::Stopped;
    if (!is_alive(record)) return Status::Stopped;
    if (auto cgroup = cgroup_of(record); cgroup && cgroup->is_frozen()) return Status::Paused;
    return os::exists(start_socket()) ? Status::Created : Status::Running;
}

Result<Fd> open_process(const Record& record) {
    Error ended(Errc::NotFound, "container not running");
    if (record.pid <= 0) return ended;
    Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0)));
    if (!pidfd && errno != ESRCH) return Error::from_errno(errno, fmt::format("open process {}", record.pid));
    // Checked with the process in hand: its number cannot be another's any more.
    if (!pidfd || !is_alive(record)) return ended;
    return pidfd;
}

Result<os::Cgroup> cgroup_of(const Record& record) {
    if (record.cgroup_path.empty()) return os::Cgroup();
    auto layout = TRY(os::probe_cgroup_layout());
    return os::Cgroup(layout, record.cgroup_path, record.controllers);
}

static Result<void> kill_and_wait(const Record& record, const os::Cgroup& cgroup) {
    auto process = open_process(record);
    if (process) ignore(os::send_signal(*process, SIGKILL), "it may just have ended");
    if (cgroup.valid()) ignore(cgroup.kill_all(), "the group may be gone");
    if (!process) return {};
    pollfd ended{process->get(), POLLIN, 0};
    constexpr int patience_ms = 10000;
    if (::poll(&ended, 1, patience_ms) > 0) return {};
    return Error(Errc::Timeout, fmt::format("kill process {}: it still runs after 10 s", record.pid));
}

static Result<std::uint64_t> own_mount_namespace() {
    auto opened = TRY(os::open("/proc/self/ns/mnt", O_RDONLY));
    return TRY(os::stat_of(opened)).st_ino;
}

Result<void> note_root(Record& record) {
    record.mount_before = TRY(os::mount_id(record.root_path));
    record.mount_namespace = TRY(own_mount_namespace());
    return {};
}

// What it mounted below its root goes with that. Elsewhere than where it was made nothing is to be seen of it.
static Result<void> unmount_root(const Record& record) {
    if (record.mount_namespace == 0 || TRY(own_mount_namespace()) != record.mount_namespace) return {};
    if (TRY(os::mount_id(record.root_path)) == record.mount_before) return {};
    if (::umount2(record.root_path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
        return Error::from_errno(errno, "unmount " + record.root_path);
    return {};
}

Result<void> destroy_container(const ContainerDirectory& directory, const Record& record, const os::Cgroup& cgroup,
                               bool force) {
    if (force)
        TRY(kill_and_wait(record, cgroup));
    else if (cgroup.valid() && !record.own_processes)
        ignore(cgroup.kill_all(), "the group may be gone");
    if (cgroup.valid()) TRY(cgroup.remove());
    TRY(unmount_root(record));
    if (!record.unit.empty()) ignore(stop_scope(record.unit), "it goes with its last process");
    std::vector<HookPlan> poststop;
    std::string state;
    if (record.poststop) {
        if (auto plan = directory.read_plan(record)) {
            poststop = plan->bundle.hooks.poststop;
            state = state_text(*plan, "stopped", 0);
        }
    }
    TRY(directory.remove());
    if (!poststop.empty() && ::chdir(record.bundle.c_str()) == 0) run_hooks_to_the_last(poststop, "poststop", state);
    return {};
}

}  // namespace pila::runtime

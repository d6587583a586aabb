// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the command line knows of a container that no process of ours attends: a directory ROOT/ID with state.json,
// a copy of the bundle's config.json, and between create and start the socket that its first process listens to.

#include <sys/types.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/time.h"
#include "os/cgroup.h"
#include "runtime/plan.h"

namespace pila::runtime {

struct Record {
    std::string id, version, bundle, root_path;
    pid_t pid = 0;              // 0: not made yet
    std::uint64_t started = 0;  // of that process, so that another with its number is not taken for it
    WallTime created;
    uid_t owner = 0;
    std::vector<std::pair<std::string, std::string>> annotations;
    std::string cgroup_path;               // "": none
    std::vector<std::string> controllers;  // of v1, where it has a group
    std::string unit;                      // of systemd, which made the group
    // Without a mount namespace of its own: where its root was mounted (inode), and what the root's path was on before.
    std::uint64_t mount_namespace = 0, mount_before = 0;
    bool foreground = false;      // `run` attends it, and its end is the container's
    bool own_processes = true;    // a pid namespace of its own: they end with the first
    bool attended_start = false;  // `start` has hooks to run or a listener to pass on
    bool poststop = false;
};

enum class Status : std::uint8_t { Creating, Created, Running, Paused, Stopped };
std::string_view status_name(Status status);

std::string encode_record(const Record& record);
Result<Record> decode_record(std::string_view text);

class ContainerDirectory {
public:
    static Result<void> check_id(std::string_view id);
    // A new one, locked as long as this object lives. What a killed `run` or `create` left behind is cleared first.
    static Result<ContainerDirectory> take(const std::string& root, const std::string& id);
    // NotFound: "container does not exist", which containerd and podman look for.
    static Result<ContainerDirectory> find(const std::string& root, const std::string& id);

    const std::string& path() const { return path_; }
    std::string start_socket() const { return path_ + "/start.sock"; }
    Result<void> write(const Record& record) const;
    Result<void> write_config(std::string_view config) const;
    Result<Record> read() const;
    Result<Plan> read_plan(const Record& record) const;
    Status status(const Record& record) const;
    // Somebody who still lives makes it or attends it.
    bool locked() const;
    Result<void> remove() const;

private:
    explicit ContainerDirectory(std::string path, Fd lock = {}) : path_(std::move(path)), lock_(std::move(lock)) {}
    std::string path_;
    Fd lock_;
};

// Of the process that the record means; NotFound once it has ended, if only somebody has not waited for it yet.
Result<Fd> open_process(const Record& record);
Result<os::Cgroup> cgroup_of(const Record& record);
// For a container without a mount namespace, before its root is mounted.
Result<void> note_root(Record& record);
// Hooks (poststop) included. `force`: whatever still runs is killed first.
Result<void> destroy_container(const ContainerDirectory& directory, const Record& record, const os::Cgroup& cgroup,
                               bool force);

}  // namespace pila::runtime

// SPDX-License-Identifier: Apache-2.0
#pragma once
// A container's root file system: image layers below, a writable directory of its own above, joined by overlay.
//
// Files: DATA_DIR/containers/ID/{upper,work}. Mounts are detached (fsmount(2), or mount(2) + open_tree(2) where overlay
// has no new mount API with long layer lists: Linux < 6.8): no entry in any mount table, gone with their last
// descriptor. A directory with the mount points every container gets (/proc, /dev, /etc/hosts, ...) is the lowest layer
// of all, so that making them is no change of the container. Threads: any.

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "os/user_namespace.h"

namespace pila::snapshot {

// Volatile: the kernel never syncs what the container writes (overlay's "volatile"), and taking the mount down does not
// sync the whole file system below. For containers whose changes are thrown away at their end (run --rm): after a power
// cut such a writable layer may hold anything.
enum class Writes : std::uint8_t { Durable, Volatile };

class Snapshots {
public:
    static Result<Snapshots> create(const std::string& data_directory);

    Result<void> prepare(const std::string& container_id);  // makes the writable layer
    Result<void> remove(const std::string& container_id);
    // Overlay of `layers` (uppermost first) under the writable layer; a descriptor for move_mount(2).
    // `ids`: of a container in a user namespace; what is on disk has the container's ids all the same.
    Result<Fd> mount(const std::string& container_id, const std::vector<std::string>& layers,
                     Writes writes = Writes::Durable, const os::UserNamespace* ids = nullptr);
    // The layers alone, read-only (create --read-only images, cp from stopped containers, ...).
    Result<Fd> mount_readonly(const std::vector<std::string>& layers, const os::UserNamespace* ids = nullptr);
    // Whether this kernel and the file system of the data directory can show ids through a user namespace.
    Result<void> check_mapping(const os::UserNamespace& ids);
    std::string upper_directory(const std::string& container_id) const;

private:
    explicit Snapshots(std::string data_directory) : data_directory_(std::move(data_directory)) {}
    std::string container_directory(const std::string& container_id) const;
    std::string data_directory_;
};

enum class ChangeKind : std::uint8_t { Modified = 0, Added = 1, Deleted = 2 };  // Docker's numbers
struct FileChange {
    std::string path;
    ChangeKind kind;
};
// What `docker diff` lists, sorted by path. `layers` as for mount().
Result<std::vector<FileChange>> changes(const std::string& upper_directory, const std::vector<std::string>& layers);
// Bytes in the writable layer (SizeRw).
Result<std::uint64_t> tree_size(const std::string& directory);

}  // namespace pila::snapshot

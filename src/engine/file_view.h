// SPDX-License-Identifier: Apache-2.0
#pragma once
// A container's files as the daemon may touch them: its root file system and what its owner mounted into it, nothing
// that a process inside has mounted, in a mount namespace in which nobody else ever is. Everything is reached from
// root() with openat2(RESOLVE_IN_ROOT); descriptors lead there from any namespace.
//
// The namespace lives as long as this object's descriptor of it: closing it, or the daemon's death, takes every mount
// away. Nothing appears in the host's mount table.

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"

namespace pila::engine {

struct ViewMount {
    std::string source;  // on the host; "": exists only while the container runs (tmpfs)
    std::string target;
    bool read_only = false;
};

struct ViewPlan {
    Fd root;                        // of a stopped container: its file system as a detached mount
    Fd process;                     // of a running one: the directory /proc/PID of its first process
    std::vector<ViewMount> mounts;  // what contains others before them
    bool root_read_only = false;
    std::string place;  // a directory of ours that the view may cover, in its own namespace
};

class FileView {
public:
    static Result<FileView> create(ViewPlan plan);
    FdView root() const { return root_; }
    // Runs `work` on a thread inside the namespace, with umask 0. Who removes or replaces anything must do it there:
    // elsewhere the kernel takes a mount point for an ordinary name and drops what is mounted on it, in the container
    // too (Linux 3.18: rename(2) and unlink(2) of mount points of other namespaces).
    Result<void> run_inside(const std::function<Result<void>()>& work) const;

private:
    FileView(Fd name_space, Fd root) : namespace_(std::move(name_space)), root_(std::move(root)) {}
    static Result<FileView> build(ViewPlan& plan);
    Fd namespace_, root_;
};

// A copy of the mount at `path` in a running process's mount namespace, to be attached anywhere.
Result<Fd> clone_mount_of_process(int pid, const std::string& path);

// Follows every link of `path` below `root`, the last one too, as far as there is something; what there is not stays as
// it is written. "/a/b", without a link. `path` is absolute and clean.
Result<std::string> resolve_links(FdView root, const std::string& path);

}  // namespace pila::engine

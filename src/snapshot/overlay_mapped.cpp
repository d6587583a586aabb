// SPDX-License-Identifier: Apache-2.0
// Overlay for a user namespace: each layer is a mount of its own that shows the ids on disk as the namespace has them.
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <cerrno>
#include <optional>
#include <thread>

#include "os/file.h"
#include "os/mount.h"
#include "snapshot/overlay_mount.h"

namespace pila::snapshot {

namespace {

// Places mapped copies of directories in a mount namespace that nobody else sees: overlay of Linux before 6.14 takes no
// layers from detached mounts. It keeps mounts of its own, so these may go with their namespace.
class MappedPlaces {
public:
    MappedPlaces(const OverlayPlan& plan, const os::UserNamespace& ids)
        : directory_(plan.scratch_directory), ids_(ids) {}

    Result<void> add(const std::string& path) {
        auto mount = TRY(os::clone_mount(os::current_directory, path, os::Recursive::No));
        TRY(os::map_mount_ids(mount, ids_.fd).in(path));
        mounts_.push_back(std::move(mount));
        return {};
    }
    // The places' paths, in the order of add().
    Result<std::vector<std::string>> attach() {
        auto room = TRY(os::new_mount("tmpfs", "tmpfs", "mode=700,size=64k", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
        auto onto = TRY(os::open(directory_, O_PATH | O_DIRECTORY));
        TRY(os::attach_mount(room, onto));
        std::vector<std::string> paths;
        for (const auto& mount : mounts_) {
            auto name = std::to_string(paths.size());
            if (::mkdirat(room.get(), name.c_str(), 0700) < 0) return Error::from_errno(errno, "make a mount point");
            auto place = TRY(os::open_at(room, name, O_PATH | O_DIRECTORY));
            TRY(os::attach_mount(mount, place));
            paths.push_back(directory_ + "/" + name);
        }
        return paths;
    }

private:
    const std::string directory_;
    const os::UserNamespace& ids_;
    std::vector<Fd> mounts_;
};

Result<Fd> mount_here(const OverlayPlan& asked, const os::UserNamespace& ids) {
    if (::unshare(CLONE_NEWNS) < 0) return Error::from_errno(errno, "make a mount namespace");
    TRY(os::set_propagation("/", MS_REC | MS_PRIVATE));
    MappedPlaces places(asked, ids);
    for (const auto& lower : without_repetitions(asked.lowers)) TRY(places.add(lower));
    auto base = asked.upper.substr(0, asked.upper.rfind('/'));
    if (!asked.upper.empty()) TRY(places.add(base));
    auto paths = TRY(places.attach());
    OverlayPlan plan = asked;
    if (!asked.upper.empty()) {
        plan.upper = paths.back() + asked.upper.substr(base.size());
        plan.work = paths.back() + asked.work.substr(base.size());
        paths.pop_back();
    }
    plan.lowers = std::move(paths);
    // Overlay makes its own files as whoever mounts it.
    TRY(os::make_files_as(ids.root_uid(), ids.root_gid()));
    return mount_overlay(plan);
}

}  // namespace

Result<Fd> mount_overlay_mapped(const OverlayPlan& plan, const os::UserNamespace& ids) {
    std::optional<Result<Fd>> outcome;
    std::thread builder([&] {
        ::pthread_setname_np(::pthread_self(), "mapped-overlay");
        outcome.emplace(mount_here(plan, ids));
    });
    builder.join();
    return std::move(*outcome).in("mount with mapped ids");
}

}  // namespace pila::snapshot

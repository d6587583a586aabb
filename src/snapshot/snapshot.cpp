// SPDX-License-Identifier: Apache-2.0
#include "snapshot/snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include "os/file.h"
#include "snapshot/init_layer.h"
#include "snapshot/overlay_mount.h"

namespace pila::snapshot {

// Names in containers/ that begin with a dot are ours, all others are containers.
static constexpr const char* init_name = "/containers/.init";
static constexpr const char* empty_name = "/containers/.empty";

static Result<void> check_id(const std::string& id) {
    bool good = !id.empty() && id.size() <= 255 && id.front() != '.' && id.find('/') == std::string::npos &&
                id.find('\0') == std::string::npos;
    if (!good) return Error(Errc::Invalid, "snapshot: \"" + id + "\" cannot name a container");
    return {};
}

Result<Snapshots> Snapshots::create(const std::string& data_directory) {
    Snapshots snapshots(data_directory);
    std::string containers = data_directory + "/containers";
    TRY(os::make_directories(containers, 0711));
    clean_mount_points(containers);
    TRY(ensure_init_layer(data_directory + init_name));
    TRY(os::make_directories(data_directory + empty_name));
    return snapshots;
}

std::string Snapshots::container_directory(const std::string& container_id) const {
    return data_directory_ + "/containers/" + container_id;
}

std::string Snapshots::upper_directory(const std::string& container_id) const {
    return container_directory(container_id) + "/upper";
}

Result<void> Snapshots::prepare(const std::string& container_id) {
    TRY(check_id(container_id));
    auto base = container_directory(container_id);
    auto made = os::make_directory(base, 0710);
    // The engine keeps other things of the container beside it and may have been first.
    if (!made && made.error().code() != Errc::AlreadyExists) return made;
    TRY(os::make_directory(base + "/work", 0700));
    TRY(os::make_directory(base + "/upper", 0755));
    // Overlay shows upper's mode as that of "/", whatever the daemon's umask.
    if (::chmod((base + "/upper").c_str(), 0755) < 0) return Error::from_errno(errno, "chmod " + base + "/upper");
    return {};
}

Result<void> Snapshots::remove(const std::string& container_id) {
    TRY(check_id(container_id));
    auto base = container_directory(container_id);
    // Overlay leaves work/work with mode 000: in the way of everybody but root.
    ::chmod((base + "/work/work").c_str(), 0700);
    TRY(os::remove_tree(base + "/upper"));
    TRY(os::remove_tree(base + "/work"));
    if (::rmdir(base.c_str()) < 0 && errno != ENOENT && errno != ENOTEMPTY)
        return Error::from_errno(errno, "remove " + base);
    return {};
}

Result<Fd> Snapshots::mount(const std::string& container_id, const std::vector<std::string>& layers, Writes writes,
                            const os::UserNamespace* ids) {
    TRY(check_id(container_id));
    auto base = container_directory(container_id);
    OverlayPlan plan{.lowers = layers,
                     .upper = base + "/upper",
                     .work = base + "/work",
                     .no_sync = writes == Writes::Volatile,
                     .scratch_directory = data_directory_ + "/containers"};
    plan.lowers.push_back(data_directory_ + init_name);
    // What a volatile mount leaves to refuse the next one (Documentation/filesystems/overlayfs.rst, "Volatile mount").
    TRY(os::remove_tree(plan.work + "/work/incompat"));
    return ids ? mount_overlay_mapped(plan, *ids) : mount_overlay(plan);
}

Result<Fd> Snapshots::mount_readonly(const std::vector<std::string>& layers, const os::UserNamespace* ids) {
    OverlayPlan plan{.lowers = layers, .scratch_directory = data_directory_ + "/containers"};
    plan.lowers.push_back(data_directory_ + init_name);
    if (layers.empty()) plan.lowers.push_back(data_directory_ + empty_name);  // overlay without upper wants two
    return ids ? mount_overlay_mapped(plan, *ids) : mount_overlay(plan);
}

Result<void> Snapshots::check_mapping(const os::UserNamespace& ids) {
    static constexpr const char* trial = "userns-check";
    TRY(remove(trial));
    TRY(prepare(trial));
    auto mounted = mount(trial, {}, Writes::Volatile, &ids);
    auto removed = remove(trial);
    if (!mounted)
        return mounted.take_error().in(
            "overlay on id-mapped layers (needs Linux 5.19 and ext4, xfs or btrfs; on tmpfs Linux 6.3)");
    return removed;
}

}  // namespace pila::snapshot

// SPDX-License-Identifier: Apache-2.0
// Mounts of a container that runs.
#include <fcntl.h>
#include <sys/stat.h>
#include <algorithm>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"
#include "engine/live_edit.h"
#include "engine/plan_builder.h"
#include "engine/user_remap.h"
#include "os/file.h"

namespace pila::engine {

static bool is_below(const std::string& path, const std::string& upper) {
    return path == upper || path.starts_with(upper + "/");
}

// With the volumes made that it names; they go again if anything fails.
Result<void> LiveEdit::resolve_mounts() {
    if (request_.add_mounts.empty()) return {};
    std::vector<std::string> hidden = old_spec_->masked_paths.value_or(std::vector<std::string>());
    for (const auto& path : old_spec_->readonly_paths.value_or(std::vector<std::string>())) hidden.push_back(path);
    ContainerSpec wanted;
    wanted.volume_driver = old_spec_->volume_driver;
    for (auto mount : request_.add_mounts) {
        for (const auto& path : hidden)
            if (is_below(clean_target(mount.target), path))
                return Error(Errc::Invalid, fmt::format("invalid mount path: '{}': it is masked", mount.target));
        wanted.mounts.push_back(std::move(mount));
    }
    added_mounts_ = TRY(engine_.resolve_volumes(context_, wanted, undo_));
    auto image = TRY(engine_.parts_.images.find(container_->identity().image_id.text()));
    auto layers = TRY(engine_.parts_.images.layer_directories(*image));
    auto users = TRY(engine_.user_namespace_of(*old_spec_));
    return engine_.fill_volumes(wanted, added_mounts_, layers, users ? &*users : nullptr);
}

// The one that it runs in, if that is not ours.
static Result<std::optional<os::UserNamespace>> users_of(FdView process) {
    auto map = TRY(map_of_process(process));
    std::optional<os::UserNamespace> none;
    if (map.empty()) return none;
    auto fd = TRY(os::open_at(process, "ns/user", O_RDONLY));
    return std::optional(os::UserNamespace{std::move(fd), std::move(map)});
}

static std::size_t depth(const std::string& path) {
    return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

Result<runtime::LiveMounts> LiveEdit::change_mounts(Engine& engine, const Container& container, const Change& change) {
    runtime::MountJob job;
    auto process = TRY(os::open(fmt::format("/proc/{}", container.state().pid), O_PATH | O_DIRECTORY));
    // It was there after the directory was opened, so that is its own.
    auto shim = container.shim();
    if (!shim) return Error(Errc::Conflict, "the container is ending");
    TRY(shim->kill("", 0));
    job.mount_namespace = TRY(os::open_at(process, "ns/mnt", O_RDONLY));
    auto users = TRY(users_of(process));
    auto detach = change.detach, attach = change.attach;
    std::stable_sort(detach.begin(), detach.end(),
                     [](const auto& a, const auto& b) { return depth(a.destination) > depth(b.destination); });
    sort_by_depth(attach);
    for (const auto& volume : detach) {
        runtime::MountStep step;
        step.kind = runtime::MountStep::Kind::Detach;
        step.mount = mount_plan_of(volume, -1);
        step.lazy = change.force;
        // Whatever the container may have put there instead is not for us to unmount.
        if (volume.type == "bind" || volume.type == "volume") {
            auto source = os::open(volume.source, O_PATH);
            if (source && !volume.subpath.empty()) source = os::open_in_root(*source, volume.subpath, O_PATH);
            if (source) {
                step.mount.source_fd = static_cast<int>(job.sources.size());
                job.sources.push_back(source.take());
            }
        }
        job.steps.push_back(std::move(step));
    }
    auto sources = TRY(engine.open_mount_sources(attach, users ? &*users : nullptr));
    auto first = static_cast<int>(job.sources.size());
    for (const auto& volume : attach) {
        int index = -1;
        for (std::size_t i = 0; i < sources.size(); ++i)
            if (sources[i].destination == volume.destination) index = first + static_cast<int>(i);
        runtime::MountStep step;
        step.mount = mount_plan_of(volume, index);
        step.if_missing = change.if_missing;
        job.steps.push_back(std::move(step));
    }
    for (auto& source : sources) job.sources.push_back(std::move(source.fd));
    // Held by whoever makes the mounts until it has ended: one that takes them back because its daemon was killed is
    // waited for by the next daemon.
    auto lock = TRY(os::open(engine.state_directory(container.id()), O_RDONLY | O_DIRECTORY));
    TRY(os::lock_exclusively(lock));
    job.sources.push_back(std::move(lock));
    if (users) job.user_namespace = std::move(users->fd);
    return runtime::LiveMounts::apply(engine.options_.runtime_exe, job);
}

Result<void> LiveEdit::apply_mounts() {
    if (!request_.touches_mounts()) return {};
    undo_.add([this] {
        for (const auto& mount : added_mounts_) {
            bool had = std::any_of(old_mounts_.begin(), old_mounts_.end(),
                                   [&](const auto& old) { return old.type == "volume" && old.name == mount.name; });
            if (mount.type == "volume" && !had) engine_.volumes_.release(mount.name, container_->id());
        }
    });
    TRY(engine_.use_volumes(*container_, added_mounts_));
    mounts_.emplace(
        TRY(change_mounts(engine_, *container_, {added_mounts_, plan_.gone_mounts, request_.force, false})));
    undo_.add([this] { mounts_.reset(); });
    return {};
}

void LiveEdit::release_gone() {
    auto now = container_->volumes();
    for (const auto& gone : plan_.gone_mounts) {
        bool stays = std::any_of(now.begin(), now.end(),
                                 [&](const auto& mount) { return mount.type == "volume" && mount.name == gone.name; });
        if (gone.type == "volume" && !stays) engine_.volumes_.release(gone.name, container_->id());
    }
}

}  // namespace pila::engine

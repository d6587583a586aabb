// SPDX-License-Identifier: Apache-2.0
#include "build/squash.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include <fmt/core.h>

#include "base/random.h"
#include "build/files.h"
#include "image/overlay_form.h"
#include "os/file.h"

namespace pila::build {

namespace {

// What a layer hides is deleted for good, below `merged`, before what it brings is copied there.
Result<void> delete_hidden(FdView layer, FdView merged, int depth) {
    if (depth > 1024) return Error(Errc::Exhausted, "directories nested too deep");
    for (const auto& name : TRY(os::list_directory(fmt::format("/proc/self/fd/{}", layer.get())))) {
        struct stat info {};
        if (::fstatat(layer.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
            return Error::from_errno(errno, "stat " + name);
        auto there = fmt::format("/proc/self/fd/{}/{}", merged.get(), name);
        if (image::is_whiteout(info)) {
            TRY(os::remove_tree(there));
            continue;
        }
        if (!S_ISDIR(info.st_mode)) continue;
        auto directory = TRY(os::open_at(layer, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        auto below = os::open_at(merged, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (!below) continue;
        if (image::is_opaque(directory)) {
            for (const auto& hidden : TRY(os::list_directory(there))) TRY(os::remove_tree(there + "/" + hidden));
            continue;
        }
        TRY(delete_hidden(directory, *below, depth + 1));
    }
    return {};
}

}  // namespace

Result<image::ImagePointer> squash(Job& job, const StageResult& built) {
    auto& parts = job.engine().parts();
    auto below = built.base ? built.base->layers.size() : 0;
    if (built.image->layers.size() <= below) return built.image;
    auto directories = TRY(parts.images.layer_directories(*built.image));
    std::vector<std::string> base_directories;
    if (built.base) base_directories = TRY(parts.images.layer_directories(*built.base));
    auto id = random_hex(64);
    TRY(parts.snapshots.prepare(id));
    struct Remove {
        snapshot::Snapshots& snapshots;
        const std::string& id;
        ~Remove() { ignore(snapshots.remove(id), "removed at the next start"); }
    } remove{parts.snapshots, id};
    {
        auto merged = TRY(parts.snapshots.mount(id, base_directories, snapshot::Writes::Volatile));
        auto root = TRY(os::open_at(merged, ".", O_RDONLY | O_DIRECTORY));
        // Uppermost first, equal layers once: what is not of the base is at the front.
        auto ours = directories.size() - base_directories.size();
        for (auto i = ours; i-- > 0;) {
            auto layer = TRY(os::open(directories[i], O_RDONLY | O_DIRECTORY));
            TRY(delete_hidden(layer, root, 0).in("squash"));
            auto object = TRY(os::open(directories[i], O_PATH | O_DIRECTORY));
            Source all{.path = ".", .base = {}, .object = std::move(object)};
            all.info = TRY(os::stat_of(all.object));
            CopyOptions options;
            options.keep_owner = true;
            options.skip_whiteouts = true;
            TRY(Copier(job.context(), merged, options).copy(all, "/").in("squash"));
        }
    }
    auto taken = fmt::format("{}/changes-{}", job.files().work().path(), random_hex(8));
    TRY(os::rename(parts.snapshots.upper_directory(id), taken));
    image::StepRequest step{.parent = built.base, .config = built.image->config, .history = built.image->history};
    auto of_base = built.base ? built.base->history.size() : 0;
    for (auto i = of_base; i < step.history.size(); ++i) step.history[i].empty_layer = true;
    step.config.created = rfc3339_nano(job.step_time());
    image::HistoryEntry entry;
    entry.created = step.config.created;
    entry.comment =
        fmt::format("merge {} to {}", built.image->id.text(), built.base ? built.base->id.text() : "scratch");
    step.history.push_back(std::move(entry));
    step.layer_directory = taken;
    step.newest = job.epoch();
    return parts.images.add_step(job.context(), std::move(step));
}

}  // namespace pila::build

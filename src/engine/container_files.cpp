// SPDX-License-Identifier: Apache-2.0
#include "engine/container_files.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include "base/text.h"
#include "engine/engine.h"
#include "engine/user_remap.h"
#include "image/tree_tar.h"
#include "os/cgroup.h"
#include "os/file.h"

namespace pila::engine {

namespace {

constexpr std::chrono::seconds exit_is_settled_within{5};
constexpr int most_attempts = 100;  // somebody may start and kill it all the time

bool names_itself(std::string_view path) { return path == "." || path.ends_with("/."); }

// Absolute and clean, but for what the end of it asks for: "/" a directory, "/." the directory itself.
Result<std::string> wanted_path(const std::string& path) {
    std::string_view meant = path;
    while (names_itself(meant) && meant.ends_with("/.")) meant.remove_suffix(1);
    auto without_slash = meant.substr(0, meant.find_last_not_of('/') + 1);
    auto clean = "/" + TRY(image::clean_path("/" + path));
    auto end = clean == "/" ? "" : "/";
    if (names_itself(path) || names_itself(without_slash)) return clean + end + ".";
    return path.ends_with('/') ? clean + end : clean;
}

// The last part, as Go's filepath.Base has it.
std::string base_of(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return path.size() == 1 ? std::string(path) : std::string(path.substr(path.rfind('/') + 1));
}

Error not_found(const std::string& path, std::string_view reference) {
    return Error(Errc::NotFound, fmt::format("Could not find the file {} in container {}", path, reference));
}

// Without where the container's root is on the host.
Error lookup_error(const Error& error, const std::string& path, std::string_view reference) {
    switch (error.os_errno()) {
        case ENOENT: return not_found(path, reference);
        case ENOTDIR: return Error(Errc::Invalid, fmt::format("lstat {}: not a directory", path), ENOTDIR);
        case ELOOP: return Error(Errc::Invalid, fmt::format("lstat {}: too many levels of symbolic links", path));
        default: return error;
    }
}

// /proc/PID of a container's first process, and no other that got its number since: the directory stays with the one
// process that it was opened for.
Result<Fd> process_directory(pid_t pid, const std::string& container_id) {
    auto directory = TRY(os::open(fmt::format("/proc/{}", pid), O_PATH | O_DIRECTORY));
    auto file = TRY(os::open_at(directory, "cgroup", O_RDONLY));
    auto groups = TRY(os::read_all(file, 1U << 20));
    if (groups.find(container_id) == std::string::npos && TRY(os::probe_cgroup_layout()).mode != os::CgroupMode::None)
        return Error(Errc::Unavailable, fmt::format("process {} is not that of container {}", pid, container_id));
    return directory;
}

// Context with one more reason to stop.
class Both {
public:
    Both(const Context& context, std::stop_token other)
        : context_(context), first_(context.stop, Stop{source_}), second_(std::move(other), Stop{source_}) {
        context_.stop = source_.get_token();
    }
    const Context& context() const { return context_; }

private:
    struct Stop {
        std::stop_source source;
        void operator()() { source.request_stop(); }
    };
    std::stop_source source_;
    Context context_;
    std::stop_callback<Stop> first_, second_;
};

class CheckedChunks final : public image::ChunkReader {
public:
    CheckedChunks(const Context& context, image::ChunkReader& from) : context_(context), from_(from) {}
    Result<image::Chunk> next() override {
        TRY(context_.check());
        return from_.next();
    }

private:
    const Context& context_;
    image::ChunkReader& from_;
};

}  // namespace

Result<void> FileArchive::write(const Context& context, http::BodyWriter& writer) const {
    Both both(context, hold_.stop());
    image::TreeTar tar(
        both.context(), [&](std::string_view bytes) { return writer.write(bytes); }, &ids_);
    TRY(object_ ? tar.add(object_, stat_.name) : tar.add_children(view_.root(), ""));
    return tar.finish();
}

void ContainerFiles::publish(const Context& context, const Container& container, const char* action) {
    engine_.publish(context, container, action);
}

// Others exist only while the container runs; a path inside a volume could lead anywhere by now.
static bool by_path(const VolumeMount& volume) {
    return volume.type != "tmpfs" && volume.type != "image" && volume.subpath.empty();
}

std::vector<ViewMount> ContainerFiles::mounts_of(const Container& container) const {
    std::vector<ViewMount> mounts;
    auto volumes = container.volumes().list();
    for (const auto* name : {"resolv.conf", "hostname", "hosts"}) {
        auto target = fmt::format("/etc/{}", name), source = engine_.container_directory(container.id()) + "/" + name;
        bool covered = std::any_of(volumes.begin(), volumes.end(),
                                   [&](const auto& volume) { return volume.destination == target; });
        if (!covered && os::exists(source)) mounts.push_back({source, target});
    }
    auto depth = [](const VolumeMount& volume) {
        return std::count(volume.destination.begin(), volume.destination.end(), '/');
    };
    std::stable_sort(volumes.begin(), volumes.end(),
                     [&](const auto& one, const auto& other) { return depth(one) < depth(other); });
    for (const auto& volume : volumes)
        mounts.push_back({by_path(volume) ? volume.source : "", volume.destination, !volume.writable});
    return mounts;
}

Result<FileView> ContainerFiles::view_of_running(const Container& container, Purpose purpose, os::IdMap& ids) {
    ViewPlan plan;
    plan.process = TRY(process_directory(container.state().pid, container.id()));
    ids = TRY(map_of_process(plan.process));
    if (purpose != Purpose::Export) plan.mounts = mounts_of(container);
    plan.place = engine_.options().data_directory + "/containers";
    return FileView::create(std::move(plan));
}

Result<FileView> ContainerFiles::view_of_stopped(const Container& container, Purpose purpose, os::IdMap& ids) {
    ViewPlan plan;
    // Who only reads leaves nothing behind that would have to reach the disk.
    auto writes = purpose == Purpose::Write ? snapshot::Writes::Durable : snapshot::Writes::Volatile;
    // Mapped as a start would: volumes and bind mounts have the host's ids, and then all of the view has.
    auto users = TRY(engine_.user_namespace_of(*container.spec()));
    plan.root = TRY(engine_.mount_root(container, writes, users ? &*users : nullptr));
    if (users) ids = std::move(users->map);
    if (purpose != Purpose::Export) plan.mounts = mounts_of(container);
    plan.root_read_only = purpose != Purpose::Write || container.spec()->read_only_root;
    plan.place = engine_.options().data_directory + "/containers";
    return FileView::create(std::move(plan));
}

Result<ContainerFiles::Opened> ContainerFiles::open(const Context& context, std::string_view reference,
                                                    Purpose purpose) {
    auto container = TRY(engine_.find(reference));
    for (int attempt = 0;; ++attempt) {
        bool running = container->state().is_running();
        auto use = !running                    ? FileAccess::Use::Alone
                   : purpose == Purpose::Write ? FileAccess::Use::Write
                                               : FileAccess::Use::Look;
        auto hold = TRY(access_.hold(context, container->id(), use));
        if (!engine_.containers().by_id(container->id()))
            return Error(Errc::NotFound, fmt::format("No such container: {}", reference));
        if (container->state().is_running() != running) continue;  // started or ended while we waited
        os::IdMap ids;
        auto view = running ? view_of_running(*container, purpose, ids) : view_of_stopped(*container, purpose, ids);
        if (view) return Opened{container, std::move(hold), view.take(), std::move(ids)};
        // Its process may be gone before its end is known here.
        bool ended =
            running && attempt < most_attempts && engine_.wait_stopped(context, container, exit_is_settled_within);
        if (!ended) return view.take_error().in("files of container " + container->name());
    }
}

Result<Fd> ContainerFiles::stat_in(const Opened& opened, std::string_view reference, const std::string& path,
                                   PathStat& stat) {
    auto wanted = TRY(wanted_path(path));
    auto object = os::open_in_root(opened.view.root(), wanted, O_PATH | O_NOFOLLOW);
    if (!object) return lookup_error(object.error(), path, reference);
    stat.name = base_of(wanted);
    stat.info = TRY(os::stat_of(*object));
    if (S_ISLNK(stat.info.st_mode)) stat.link_target = TRY(resolve_links(opened.view.root(), wanted));
    return object;
}

Result<PathStat> ContainerFiles::stat(const Context& context, std::string_view reference, const std::string& path) {
    auto opened = TRY(open(context, reference, Purpose::Read));
    PathStat stat;
    TRY(stat_in(opened, reference, path, stat));
    return stat;
}

Result<std::shared_ptr<FileArchive>> ContainerFiles::archive(const Context& context, std::string_view reference,
                                                             const std::string& path) {
    auto opened = TRY(open(context, reference, Purpose::Read));
    PathStat stat;
    auto object = TRY(stat_in(opened, reference, path, stat));
    std::shared_ptr<FileArchive> archive(new FileArchive(std::move(opened.hold), std::move(opened.view)));
    archive->object_ = std::move(object);
    archive->stat_ = std::move(stat);
    archive->ids_ = std::move(opened.ids);
    publish(context, *opened.container, "archive-path");
    return archive;
}

Result<std::shared_ptr<FileArchive>> ContainerFiles::everything(const Context& context, std::string_view reference) {
    auto opened = TRY(open(context, reference, Purpose::Export));
    std::shared_ptr<FileArchive> archive(new FileArchive(std::move(opened.hold), std::move(opened.view)));
    archive->ids_ = std::move(opened.ids);
    publish(context, *opened.container, "export");
    return archive;
}

// A directory that may be written to, by its path without links. Texts are dockerd's.
static Result<std::string> extraction_point(FdView root, const std::string& path, std::string_view reference) {
    auto wanted = TRY(wanted_path(path));
    auto place = os::open_in_root(root, wanted, O_PATH);
    if (!place) return lookup_error(place.error(), path, reference);
    auto info = TRY(os::stat_of(*place));
    if (!S_ISDIR(info.st_mode)) return Error(Errc::Invalid, "extraction point is not a directory");
    struct statvfs system {};
    if (::fstatvfs(place->get(), &system) < 0) return Error::from_errno(errno, "look at " + path);
    if ((system.f_flag & ST_RDONLY) != 0) {
        bool of_root = info.st_dev == TRY(os::stat_of(root)).st_dev;
        return Error(Errc::Invalid,
                     of_root ? "container rootfs is marked read-only" : "mounted volume is marked read-only", EROFS);
    }
    auto resolved = TRY(resolve_links(root, wanted));
    return resolved.substr(1);
}

Result<void> ContainerFiles::unpack(const Context& context, const Opened& opened, image::LayerExtractor::Options how,
                                    const std::optional<ResolvedUser>& owner, http::BodyReader& body) {
    auto root = TRY(os::open_at(opened.view.root(), ".", O_RDONLY | O_DIRECTORY));
    const auto& ids = opened.ids;
    if (!ids.empty())
        TRY(os::make_files_as(os::to_outside(ids.users, 0).value_or(os::overflow_id),
                              os::to_outside(ids.groups, 0).value_or(os::overflow_id)));
    how.context = &context;
    auto extractor = image::LayerExtractor::create_in(std::move(root), std::move(how));
    image::BodyChunks chunks(body);
    CheckedChunks checked(context, chunks);
    image::Decompressed plain(checked);
    image::TarReader reader(plain);
    image::TarEntry entry;
    while (TRY(reader.next(entry))) {
        if (owner) {
            entry.uid = owner->uid;
            entry.gid = owner->gid;
        }
        auto uid = os::to_outside(ids.users, entry.uid), gid = os::to_outside(ids.groups, entry.gid);
        if (!uid || !gid)
            return Error(Errc::Invalid, fmt::format("{}: Container ID {} cannot be mapped to a host ID",
                                                    printable(entry.path), uid ? entry.gid : entry.uid));
        entry.uid = *uid;
        entry.gid = *gid;
        TRY(extractor->extract(entry, reader));
    }
    TRY(extractor->finish());
    ignore(reader.drain(), "all there was to unpack is unpacked");
    return {};
}

Result<void> ContainerFiles::extract(const Context& context, std::string_view reference, const std::string& path,
                                     const ExtractOptions& options, http::BodyReader* body) {
    auto opened = TRY(open(context, reference, Purpose::Write));
    Both both(context, opened.hold.stop());
    image::LayerExtractor::Options how;
    how.form = image::LayerExtractor::Form::Files;
    how.below = TRY(extraction_point(opened.view.root(), path, reference));
    how.keep_kinds = options.keep_kinds;
    std::optional<ResolvedUser> owner;
    auto spec = opened.container->spec();
    if (options.own_as_user && !spec->user.empty()) owner = TRY(resolve_user_in(opened.view.root(), spec->user, {}));
    if (body) TRY(opened.view.run_inside([&] { return unpack(both.context(), opened, std::move(how), owner, *body); }));
    publish(context, *opened.container, "extract-to-dir");
    return {};
}

}  // namespace pila::engine

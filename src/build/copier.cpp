// SPDX-License-Identifier: Apache-2.0
// Files into the tree that a step works on.
#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "build/files.h"
#include "image/compression.h"
#include "image/layer_extractor.h"
#include "image/overlay_form.h"
#include "os/file.h"

namespace pila::build {

static constexpr int max_depth = 1024;

static Error failed(const std::string& what, const std::string& path) {
    return Error::from_errno(errno, fmt::format("{} {}", what, path));
}

static std::string parent_of(const std::string& path) {
    auto slash = path.rfind('/');
    return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

bool Copier::is_directory(const std::string& path) const {
    return os::open_in_root(root_, path, O_PATH | O_DIRECTORY).ok();
}

Result<void> Copier::own(FdView parent, const std::string& name, const struct stat* info) {
    auto uid = options_.keep_owner && info ? info->st_uid : options_.owner.uid;
    auto gid = options_.keep_owner && info ? info->st_gid : options_.owner.gid;
    if (::fchownat(parent.get(), name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) < 0) return failed("chown", name);
    return {};
}

Result<Fd> Copier::directory(const std::string& path) {
    auto opened = os::open_in_root(root_, path, O_RDONLY | O_DIRECTORY);
    if (opened || opened.error().os_errno() != ENOENT) return opened;
    auto parent = TRY(directory(parent_of(path)));
    auto name = path.substr(path.rfind('/') + 1);
    if (::mkdirat(parent.get(), name.c_str(), 0755) < 0) return failed("make directory", path);
    TRY(own(parent, name, nullptr));
    if (::fchmodat(parent.get(), name.c_str(), 0755, 0) < 0) return failed("chmod", path);
    return os::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Result<Copier::Place> Copier::place_of(const std::string& path) {
    auto parent = TRY(directory(parent_of(path)));
    FdView view(parent);
    return Place{view, path.substr(path.rfind('/') + 1), std::move(parent)};
}

// What is in the way of something that is no directory, or of a directory and is none.
Result<void> Copier::clear(const Place& place) {
    if (::unlinkat(place.parent.get(), place.name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR) return failed("replace", place.name);
    return os::remove_tree(fmt::format("/proc/self/fd/{}/{}", place.parent.get(), place.name));
}

Result<void> Copier::copy_content(FdView from, FdView to, std::uint64_t size) {
    for (std::uint64_t done = 0; done < size;) {
        auto moved = ::copy_file_range(from.get(), nullptr, to.get(), nullptr,
                                       static_cast<std::size_t>(std::min<std::uint64_t>(size - done, 64U << 20)), 0);
        if (moved < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
            moved = ::sendfile(to.get(), from.get(), nullptr, 1U << 20);
        if (moved < 0) return Error::from_errno(errno, "copy");
        if (moved == 0) break;  // it has become shorter
        done += static_cast<std::uint64_t>(moved);
        TRY(context_.check());
    }
    return {};
}

Result<void> Copier::set_attributes(FdView object, const struct stat& info, const Place& place) {
    TRY(own(place.parent, place.name, &info));
    bool link = S_ISLNK(info.st_mode);
    if (!link) {
        auto mode = info.st_mode & 07777;
        if (options_.mode) mode = options_.mode->apply(mode, S_ISDIR(info.st_mode));
        if (::fchmodat(place.parent.get(), place.name.c_str(), mode, 0) < 0) return failed("chmod", place.name);
    }
    if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) {
        auto xattrs = TRY(image::xattrs_of(object).in("attributes of " + place.name));
        if (!xattrs.empty()) TRY(image::set_xattrs_of_link(place.parent, place.name, xattrs));
    }
    timespec times[2] = {info.st_mtim, info.st_mtim};
    if (::utimensat(place.parent.get(), place.name.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0)
        return failed("set times of", place.name);
    return {};
}

// Anything but a directory. `object`: O_PATH.
Result<void> Copier::copy_object(FdView object, const struct stat& info, const Place& place, const std::string& path) {
    if (S_ISSOCK(info.st_mode)) return {};
    TRY(clear(place));
    if (info.st_nlink > 1) {
        auto [first, is_new] = linked_.emplace(std::pair(info.st_dev, info.st_ino), path);
        if (!is_new) {
            auto known = TRY(os::open_in_root(root_, first->second, O_PATH | O_NOFOLLOW));
            if (::linkat(known.get(), "", place.parent.get(), place.name.c_str(), AT_EMPTY_PATH) < 0)
                return failed("link", path);
            return {};
        }
    }
    if (S_ISLNK(info.st_mode)) {
        std::string target(static_cast<std::size_t>(info.st_size) + 1, '\0');
        auto length = ::readlinkat(object.get(), "", target.data(), target.size());
        if (length < 0) return failed("read link", path);
        target.resize(static_cast<std::size_t>(length));
        if (::symlinkat(target.c_str(), place.parent.get(), place.name.c_str()) < 0) return failed("link", path);
        return set_attributes(object, info, place);
    }
    if (!S_ISREG(info.st_mode)) {
        if (::mknodat(place.parent.get(), place.name.c_str(), info.st_mode, info.st_rdev) < 0)
            return failed("make", path);
        return set_attributes(object, info, place);
    }
    auto from = TRY(os::open(fmt::format("/proc/self/fd/{}", object.get()), O_RDONLY));
    auto to = TRY(os::open_at(place.parent, place.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    TRY(copy_content(from, to, static_cast<std::uint64_t>(info.st_size)).in(path));
    return set_attributes(from, info, place);
}

Result<void> Copier::copy_into(FdView source, FdView target, const std::string& relative, const std::string& path,
                               int depth) {
    if (depth > max_depth) return Error(Errc::Exhausted, "directories nested too deep");
    for (const auto& name : TRY(os::list_directory(fmt::format("/proc/self/fd/{}", source.get())))) {
        TRY(context_.check());
        auto below = relative.empty() ? name : relative + "/" + name;
        const auto* excluded = options_.excluded;
        bool is_excluded = excluded && excluded->ignores(below);
        if (is_excluded && !excluded->has_exceptions()) continue;
        auto object = TRY(os::open_at(source, name, O_PATH | O_NOFOLLOW));
        auto info = TRY(os::stat_of(object));
        if (options_.skip_whiteouts && image::is_whiteout(info)) continue;
        Place place{target, name, {}};
        auto where = path == "/" ? "/" + name : path + "/" + name;
        if (!S_ISDIR(info.st_mode)) {
            if (!is_excluded) TRY(copy_object(object, info, place, where));
            continue;
        }
        auto from = TRY(os::open(fmt::format("/proc/self/fd/{}", object.get()), O_RDONLY | O_DIRECTORY));
        auto to = os::open_at(place.parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (!to) {
            TRY(clear(place));
            if (::mkdirat(place.parent.get(), name.c_str(), 0700) < 0) return failed("make directory", where);
            to = os::open_at(place.parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            if (!to) return to.take_error();
        }
        TRY(copy_into(from, *to, below, where, depth + 1));
        TRY(set_attributes(from, info, place));
    }
    return {};
}

Result<void> Copier::copy(const Source& source, const std::string& path) {
    if (!S_ISDIR(source.info.st_mode)) {
        auto place = TRY(place_of(path));
        return copy_object(source.object, source.info, place, path);
    }
    bool made = !is_directory(path);
    if (made && path != "/") {
        // Something else of that name may be there.
        auto place = TRY(place_of(path));
        TRY(clear(place));
    }
    auto target = TRY(directory(path));
    auto from = TRY(os::open(fmt::format("/proc/self/fd/{}", source.object.get()), O_RDONLY | O_DIRECTORY));
    TRY(copy_into(from, target, "", path, 0));
    if (!made) return {};
    auto place = TRY(place_of(path));
    return set_attributes(from, source.info, place);
}

Result<void> Copier::write_file(const std::string& path, std::string_view content, mode_t mode,
                                std::optional<timespec> modified) {
    auto place = TRY(place_of(path));
    TRY(clear(place));
    auto file = TRY(os::open_at(place.parent, place.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    TRY(os::write_all(file, content).in("write " + path));
    TRY(own(place.parent, place.name, nullptr));
    if (options_.mode) mode = options_.mode->apply(mode, false);
    if (::fchmod(file.get(), mode) < 0) return failed("chmod", path);
    timespec times[2] = {modified.value_or(timespec{0, UTIME_NOW}), modified.value_or(timespec{0, UTIME_NOW})};
    if (::futimens(file.get(), times) < 0) return failed("set times of", path);
    return {};
}

Result<bool> Copier::unpack(FdView file, const std::string& path) {
    {
        image::FileChunks chunks(file);
        image::Decompressed plain(chunks);
        image::TarReader reader(plain);
        image::TarEntry entry;
        auto first = reader.next(entry);
        if (!first || !*first) return false;
    }
    if (::lseek(file.get(), 0, SEEK_SET) < 0) return failed("read", path);
    auto target = TRY(directory(path));
    image::DiskBudget budget(root_);
    image::FileChunks chunks(file);
    image::Decompressed plain(chunks);
    image::TarReader reader(plain);
    image::TarEntry entry;
    image::LayerExtractor::Options how;
    how.form = image::LayerExtractor::Form::Files;
    how.context = &context_;
    auto extractor = image::LayerExtractor::create_in(TRY(target.duplicate()), std::move(how));
    for (;;) {
        bool more = TRY(reader.next(entry));
        if (!more) break;
        if (!options_.keep_owner) {
            entry.uid = options_.owner.uid;
            entry.gid = options_.owner.gid;
        }
        if (options_.mode) entry.mode = options_.mode->apply(entry.mode, entry.type == image::TarType::Directory);
        TRY(budget.take(entry.size + 4096));
        TRY(extractor->extract(entry, reader));
    }
    TRY(extractor->finish());
    return true;
}

}  // namespace pila::build

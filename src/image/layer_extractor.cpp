// SPDX-License-Identifier: Apache-2.0
#include "image/layer_extractor.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "base/text.h"
#include "image/overlay_form.h"
#include "os/file.h"

namespace pila::image {

namespace {

constexpr std::string_view whiteout_prefix = ".wh.";
constexpr std::string_view opaque_name = ".wh..wh..opq";
constexpr std::string_view aufs_prefix = ".wh..wh.";
constexpr std::size_t max_cached_parents = 256;
constexpr int max_depth = 1024;
constexpr std::uint64_t reserved_bytes = 64U << 20;
constexpr std::uint64_t reserved_inodes = 1000;
constexpr std::uint64_t look_every = 32U << 20;

bool is_root() {
    static const bool answer = ::geteuid() == 0;
    return answer;
}

Error failed(int os_errno, const TarEntry& entry, std::string_view doing = "unpack") {
    return Error::from_errno(os_errno, fmt::format("{} {}", doing, printable(entry.path)));
}

}  // namespace

Result<void> DiskBudget::look() {
    struct statvfs info {};
    if (::fstatvfs(directory_.get(), &info) < 0) return Error::from_errno(errno, "see how much room is on the disk");
    std::uint64_t available = info.f_bavail * info.f_frsize;
    left_ = available > reserved_bytes ? available - reserved_bytes : 0;
    if (info.f_files > 0 && info.f_favail < reserved_inodes)
        return Error(Errc::Exhausted, "no room on the disk: it is about to run out of inodes", ENOSPC);
    return {};
}

Result<void> DiskBudget::take(std::uint64_t bytes) {
    // What others write meanwhile counts too.
    if (calls_++ % 4096 == 0 || bytes > left_) TRY(look());
    if (bytes > left_)
        return Error(Errc::Exhausted,
                     fmt::format("no room on the disk: {} more bytes do not fit in the {} left", bytes, left_), ENOSPC);
    left_ -= bytes;
    return {};
}

Result<std::string> clean_path(std::string_view path) {
    std::vector<std::string_view> parts;
    for (auto part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (part != "..") {
            parts.push_back(part);
        } else if (parts.empty()) {
            // An absolute path cannot climb: "/.." is "/".
            if (!path.starts_with('/'))
                return Error(Errc::Invalid, fmt::format("{} is outside of the layer", printable(path)));
        } else {
            parts.pop_back();
        }
    }
    std::string clean;
    for (auto part : parts) {
        if (!clean.empty()) clean += '/';
        clean += part;
    }
    if (clean.size() >= PATH_MAX)
        return Error(Errc::Invalid, fmt::format("a path of {} bytes", clean.size()), ENAMETOOLONG);
    return clean;
}

Result<std::unique_ptr<LayerExtractor>> LayerExtractor::create(const std::string& root, Options options) {
    auto directory = TRY(os::open(root, O_RDONLY | O_DIRECTORY));
    return create_in(std::move(directory), std::move(options));
}

Result<std::string> LayerExtractor::path_of(std::string_view name) const {
    auto cleaned = clean_path(name);
    if (!cleaned && is_files() && cleaned.error().os_errno() == 0)
        return Error(Errc::Invalid, fmt::format("\"{}\" is outside of \"/{}\"", printable(name), options_.below));
    auto path = TRY(std::move(cleaned));
    if (options_.below.empty() || path.empty()) return path;
    return options_.below + "/" + path;
}

// Parents that no entry names are made 0755, as Docker does.
Result<Fd> LayerExtractor::open_or_make_directory(const std::string& path, int depth) {
    if (path.empty()) return os::open_at(root_, ".", O_PATH | O_DIRECTORY);
    auto opened = os::open_in_root(root_, path, O_PATH | O_DIRECTORY);
    if (opened || opened.error().os_errno() != ENOENT) return opened;
    if (depth > max_depth) return Error(Errc::Invalid, fmt::format("directories nested deeper than {}", max_depth));
    auto slash = path.rfind('/');
    auto parent = TRY(open_or_make_directory(slash == std::string::npos ? "" : path.substr(0, slash), depth + 1));
    auto name = path.substr(slash == std::string::npos ? 0 : slash + 1);
    if (::mkdirat(parent.get(), name.c_str(), 0755) < 0 && errno != EEXIST)
        return Error::from_errno(errno, "make " + path);
    return os::open_in_root(root_, path, O_PATH | O_DIRECTORY);
}

Result<std::shared_ptr<const Fd>> LayerExtractor::directory_of(const std::string& path) {
    auto found = parents_.find(path);
    if (found != parents_.end()) return found->second;
    auto directory = open_or_make_directory(path, 0);
    if (!directory) {
        // ENOENT here: a symbolic link of the archive that leads nowhere.
        auto error = directory.take_error();
        bool theirs = error.os_errno() == ENOENT || error.os_errno() == ENOTDIR || error.os_errno() == ELOOP;
        return theirs ? std::move(error).with_code(Errc::Invalid) : std::move(error);
    }
    if (parents_.size() >= max_cached_parents) parents_.clear();
    auto shared = std::make_shared<const Fd>(directory.take());
    parents_.emplace(path, shared);
    return shared;
}

Result<LayerExtractor::Place> LayerExtractor::place_of(const std::string& path) {
    auto slash = path.rfind('/');
    auto parent = TRY(directory_of(slash == std::string::npos ? "" : path.substr(0, slash)));
    return Place{std::move(parent), path.substr(slash == std::string::npos ? 0 : slash + 1)};
}

Result<void> LayerExtractor::extract(const TarEntry& entry, TarReader& reader) {
    if (entries_++ % 256 == 0 && options_.context) TRY(options_.context->check());
    auto path = TRY(path_of(entry.path));
    if (path.empty()) {
        if (entry.type != TarType::Directory || is_files()) return {};
        return extract_directory(entry, path, Place{std::make_shared<const Fd>(TRY(root_.duplicate())), "."});
    }
    auto place = TRY(place_of(path).in("unpack " + printable(entry.path)));
    if (!is_files() && place.name.starts_with(whiteout_prefix))
        return extract_whiteout(entry, place,
                                path.substr(0, path.size() - std::min(path.size(), place.name.size() + 1)));
    switch (entry.type) {
        case TarType::File: return extract_file(entry, path, place, reader);
        case TarType::Directory: return extract_directory(entry, path, place);
        case TarType::HardLink: return extract_link(entry, path, place);
        case TarType::Other: return {};  // volume labels and the like
        default: return extract_special(entry, place);
    }
}

// OCI image layer specification, "Whiteouts". They speak of the layers below: what this layer itself has of that name
// stays.
Result<void> LayerExtractor::extract_whiteout(const TarEntry& entry, const Place& place, const std::string& directory) {
    if (place.name == opaque_name) return mark_opaque(*place.parent).in("unpack whiteout in " + printable(directory));
    if (place.name.starts_with(aufs_prefix)) return {};  // aufs' own bookkeeping
    auto name = place.name.substr(whiteout_prefix.size());
    if (name.empty() || name == "." || name == "..")
        return Error(Errc::Invalid, fmt::format("a whiteout of \"{}\"", printable(name)));
    TRY(take_room(4096));
    if (::mknodat(place.directory(), name.c_str(), S_IFCHR, makedev(0, 0)) == 0) {
        timespec times[2] = {entry.modified, entry.modified};
        ::utimensat(place.directory(), name.c_str(), times,
                    AT_SYMLINK_NOFOLLOW);  // nobody sees it but a tar made again
        return {};
    }
    if (errno != EEXIST) return Error::from_errno(errno, "unpack whiteout of " + printable(name));
    auto existing = os::open_at(*place.parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return existing ? mark_opaque(*existing) : Result<void>();
}

template <typename Call>
Result<int> LayerExtractor::make(const TarEntry& entry, const Place& place, Call call) {
    int made = call();
    if (made < 0 && errno == EEXIST) {
        struct stat info {};
        if (options_.keep_kinds && ::fstatat(place.directory(), place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(info.st_mode))
            return wrong_kind(entry.path, true);
        TRY(clear(place));
        made = call();
    }
    if (made < 0) return failed(errno, entry);
    return made;
}

Result<void> LayerExtractor::extract_file(const TarEntry& entry, const std::string& path, const Place& place,
                                          TarReader& reader) {
    auto size = entry.sparse ? entry.real_size : entry.size;
    TRY(take_room(entry.size + 4096));
    int made = TRY(make(entry, place, [&] {
        auto opened = os::open_at(FdView(place.directory()), place.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                                  static_cast<mode_t>(entry.mode));
        if (opened) return opened->release();
        errno = opened.error().os_errno();  // make() decides by it
        return -1;
    }));
    Fd file(made);
    size_ += size;
    if (entry.size > 0 && options_.recipe) {
        if (entry.sparse) {
            reader.tell_content();
        } else {
            auto ordinal = TRY(options_.recipe->file(path, entry.size));
            content_paths_.push_back(path);
            struct stat info {};
            if (indexed_ && ::fstat(file.get(), &info) == 0) content_of_inode_[info.st_ino] = ordinal;
        }
    }
    TRY(entry.sparse ? write_sparse(entry, file, reader) : write_content(entry, file, reader));
    bool owned = gives_away(entry.uid, entry.gid);
    if (owned && ::fchown(file.get(), entry.uid, entry.gid) < 0) return failed(errno, entry, "set owner of");
    // fchown(2) drops set-id bits.
    if ((!options_.own_umask || (owned && (entry.mode & 07000) != 0)) && ::fchmod(file.get(), entry.mode) < 0)
        return failed(errno, entry, "set mode of");
    if (!entry.xattrs.empty()) TRY(set_xattrs(file, entry.xattrs).in("unpack " + printable(entry.path)));
    timespec times[2] = {std::max(entry.accessed, entry.modified, earlier), entry.modified};
    if (::futimens(file.get(), times) < 0) return failed(errno, entry, "set times of");
    return {};
}

Result<void> LayerExtractor::write_content(const TarEntry& entry, FdView file, TarReader& reader) {
    for (;;) {
        auto chunk = TRY(reader.content());
        if (chunk.bytes.empty()) return {};
        auto written = os::write_all(file, chunk.bytes);
        if (!written) return written.take_error().in("unpack " + printable(entry.path));
    }
}

Result<void> LayerExtractor::write_sparse(const TarEntry& entry, FdView file, TarReader& reader) {
    if (::ftruncate(file.get(), static_cast<off_t>(entry.real_size)) < 0)
        return failed(errno, entry).with_code(Errc::Invalid);
    Chunk chunk;
    for (const auto& region : entry.regions) {
        if (::lseek(file.get(), static_cast<off_t>(region.offset), SEEK_SET) < 0) return failed(errno, entry);
        for (auto left = region.size; left > 0;) {
            if (chunk.bytes.empty()) chunk = TRY(reader.content());
            if (chunk.bytes.empty()) return Error(Errc::Invalid, "a sparse map larger than its content");
            auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk.bytes.size()));
            TRY(os::write_all(file, chunk.bytes.substr(0, part)).in("unpack " + printable(entry.path)));
            chunk.bytes.remove_prefix(part);
            left -= part;
        }
    }
    return {};
}

Result<void> LayerExtractor::extract_directory(const TarEntry& entry, const std::string& path, const Place& place) {
    TRY(take_room(4096));
    bool opaque = false;
    // Ordinary modes can be given at once; others would be in our own way (or hand their group down) until the end.
    bool plain = options_.own_umask && (entry.mode & 07700) == 0700;
    bool made = true;
    if (place.name == ".") {
        made = false;
    } else if (::mkdirat(place.directory(), place.name.c_str(), plain ? entry.mode : 0700) < 0) {
        made = false;
        if (errno != EEXIST) return failed(errno, entry);
        struct stat info {};
        if (::fstatat(place.directory(), place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
            return failed(errno, entry);
        if (!S_ISDIR(info.st_mode)) {
            if (options_.keep_kinds) return wrong_kind(entry.path, false);
            opaque = !is_files() &&
                     is_whiteout(info);  // what was deleted and comes back as a directory shows nothing from below
            TRY(clear(place));
            made = ::mkdirat(place.directory(), place.name.c_str(), plain ? entry.mode : 0700) == 0;
            if (!made) return failed(errno, entry);
        }
    }
    auto& attributes = directories_[path];
    attributes = {entry.mode,     entry.uid,    entry.gid,        std::max(entry.accessed, entry.modified, earlier),
                  entry.modified, entry.xattrs, !(made && plain), opaque || (attributes.opaque && !made)};
    if (!is_files()) return {};
    struct stat info {};
    if (::fstatat(place.directory(), place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) return failed(errno, entry);
    attributes.device = info.st_dev;
    attributes.inode = info.st_ino;
    return {};
}

// A new file of ours is root's already; in somebody's tree it may have its directory's group, or have been there.
bool LayerExtractor::gives_away(std::uint32_t uid, std::uint32_t gid) const {
    return is_root() && (is_files() || uid != 0 || gid != 0);
}

Error LayerExtractor::wrong_kind(const std::string& name, bool is_directory) const {
    auto path = path_of(name).value_or("");
    return Error(Errc::Invalid, fmt::format("cannot overwrite {} \"/{}\" with {} \"/{}\"",
                                            is_directory ? "directory" : "non-directory", printable(path),
                                            is_directory ? "non-directory" : "directory", printable(options_.below)));
}

Result<void> LayerExtractor::extract_link(const TarEntry& entry, const std::string& path, const Place& place) {
    auto target_path = TRY(path_of(entry.link).in("unpack hard link " + printable(entry.path)));
    if (target_path == path) return {};
    if (target_path.empty())
        return Error(Errc::Invalid, fmt::format("hard link {} to the root", printable(entry.path)));
    auto target = TRY(place_of(target_path).in("unpack hard link " + printable(entry.path)));
    TRY(take_room(256));
    auto linked = make(entry, place, [&] {
        return ::linkat(target.directory(), target.name.c_str(), place.directory(), place.name.c_str(), 0);
    });
    if (linked) return {};
    auto error = linked.take_error().in("hard link to " + printable(entry.link));
    bool theirs = error.os_errno() == ENOENT || error.os_errno() == EPERM || error.os_errno() == EMLINK;
    return theirs ? std::move(error).with_code(Errc::Invalid) : std::move(error);
}

Result<void> LayerExtractor::extract_special(const TarEntry& entry, const Place& place) {
    TRY(take_room(4096));
    if (entry.type == TarType::SymbolicLink) {
        if (entry.link.empty())
            return Error(Errc::Invalid, fmt::format("symbolic link {} to nothing", printable(entry.path)));
        TRY(make(entry, place, [&] { return ::symlinkat(entry.link.c_str(), place.directory(), place.name.c_str()); }));
    } else {
        mode_t kind = entry.type == TarType::Fifo ? S_IFIFO : entry.type == TarType::BlockDevice ? S_IFBLK : S_IFCHR;
        dev_t device = kind == S_IFIFO ? 0 : makedev(entry.device_major, entry.device_minor);
        TRY(make(entry, place, [&] {
            return ::mknodat(place.directory(), place.name.c_str(), kind | static_cast<mode_t>(entry.mode), device);
        }));
    }
    return set_attributes(entry, place);
}

// Of what cannot be opened.
Result<void> LayerExtractor::set_attributes(const TarEntry& entry, const Place& place) {
    int parent = place.directory();
    const char* name = place.name.c_str();
    bool owned = gives_away(entry.uid, entry.gid);
    if (owned && ::fchownat(parent, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(errno, entry, "set owner of");
    bool chmod = entry.type != TarType::SymbolicLink && (!options_.own_umask || (owned && (entry.mode & 07000) != 0));
    if (chmod && ::fchmodat(parent, name, entry.mode, 0) < 0) return failed(errno, entry, "set mode of");
    if (!entry.xattrs.empty())
        TRY(set_xattrs_of_link(*place.parent, place.name, entry.xattrs).in("unpack " + printable(entry.path)));
    timespec times[2] = {std::max(entry.accessed, entry.modified, earlier), entry.modified};
    if (::utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0) return failed(errno, entry, "set times of");
    return {};
}

Result<void> LayerExtractor::finish() {
    // Backwards, so that children come before a parent that may shut us out.
    for (auto entry = directories_.rbegin(); entry != directories_.rend(); ++entry)
        TRY(finish_directory(entry->first, entry->second).in("unpack " + printable(entry->first)));
    return {};
}

Result<void> LayerExtractor::finish_directory(const std::string& path, const DirectoryAttributes& attributes) {
    auto directory =
        path.empty() ? root_.duplicate() : os::open_in_root(root_, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) {
        int reason = directory.error().os_errno();
        // A later entry put something else there.
        if (reason == ENOENT || reason == ENOTDIR || reason == ELOOP) return {};
        return directory.take_error();
    }
    int fd = directory->get();
    if (is_files()) {
        // Who works in this tree may have moved another directory here, which is none of ours to hand out.
        auto info = TRY(os::stat_of(*directory));
        if (info.st_dev != attributes.device || info.st_ino != attributes.inode) return {};
    }
    bool owned = gives_away(attributes.uid, attributes.gid);
    if (owned && ::fchown(fd, attributes.uid, attributes.gid) < 0) return Error::from_errno(errno, "set owner");
    if (attributes.opaque) TRY(mark_opaque(*directory));
    if (!attributes.xattrs.empty()) TRY(set_xattrs(*directory, attributes.xattrs));
    bool chmod = attributes.chmod || (owned && (attributes.mode & 07000) != 0);
    if (chmod && ::fchmod(fd, attributes.mode) < 0) return Error::from_errno(errno, "set mode");
    timespec times[2] = {attributes.accessed, attributes.modified};
    if (::futimens(fd, times) < 0) return Error::from_errno(errno, "set times");
    return {};
}

// Rare: something of this very tar stands where the next entry wants to be.
Result<void> LayerExtractor::clear(const Place& place) {
    struct stat info {};
    if (::fstatat(place.directory(), place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? Result<void>() : Error::from_errno(errno, "replace " + place.name);
    parents_.clear();
    if (options_.recipe) {
        TRY(index_contents());
        TRY(keep_contents(*place.parent, place.name, 0));
    }
    return os::remove_tree(fmt::format("/proc/self/fd/{}/{}", place.directory(), place.name));
}

Result<void> LayerExtractor::index_contents() {
    if (indexed_) return {};
    indexed_ = true;
    for (std::uint64_t ordinal = 0; ordinal < content_paths_.size(); ++ordinal) {
        auto file = os::open_in_root(root_, content_paths_[ordinal], O_PATH | O_NOFOLLOW);
        struct stat info {};
        if (file && ::fstat(file->get(), &info) == 0) content_of_inode_[info.st_ino] = ordinal;
    }
    return os::make_directories(options_.kept_directory, 0700);
}

// Moves the contents that the recipe refers to out of the tree before they are replaced.
Result<void> LayerExtractor::keep_contents(FdView parent, const std::string& name, int depth) {
    struct stat info {};
    if (::fstatat(parent.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
        return Error::from_errno(errno, "keep " + name);
    if (S_ISREG(info.st_mode)) {
        auto found = content_of_inode_.find(info.st_ino);
        if (found == content_of_inode_.end()) return {};
        auto kept = fmt::format("{}/{}", options_.kept_directory, found->second);
        if (::renameat(parent.get(), name.c_str(), AT_FDCWD, kept.c_str()) < 0)
            return Error::from_errno(errno, "keep " + name);
        return {};
    }
    if (!S_ISDIR(info.st_mode)) return {};
    if (depth > max_depth) return Error(Errc::Invalid, fmt::format("directories nested deeper than {}", max_depth));
    auto directory = TRY(os::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    auto names = TRY(os::list_directory(fmt::format("/proc/self/fd/{}", directory.get())));
    for (const auto& child : names) TRY(keep_contents(directory, child, depth + 1));
    return {};
}

}  // namespace pila::image

// SPDX-License-Identifier: Apache-2.0
#include "image/tree_tar.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

#include <fmt/core.h>

#include "image/overlay_form.h"
#include "image/tar_writer.h"
#include "os/file.h"

namespace pila::image {

namespace {

constexpr int max_depth = 1024;  // each level holds a descriptor
constexpr std::size_t gather_bytes = 128U << 10;

std::string own_path(FdView file) { return fmt::format("/proc/self/fd/{}", file.get()); }

bool is_gone(const Error& error) { return error.code() == Errc::NotFound; }

}  // namespace

Result<void> TreeTar::add(FdView fd, const std::string& name) {
    Object object{fd, name};
    object.info = TRY(os::stat_of(fd).in("archive " + name));
    return add_object(object, 0);
}

Result<void> TreeTar::finish() {
    TRY(write(tar_end()));
    return flush();
}

Result<void> TreeTar::write(std::string_view bytes) {
    // Headers are gathered: a packet of its own for each would cost more than all the rest.
    if (gathered_.size() + bytes.size() > gather_bytes) TRY(flush());
    if (bytes.size() >= gather_bytes) return sink_(bytes);
    gathered_ += bytes;
    return {};
}

Result<void> TreeTar::flush() {
    if (gathered_.empty()) return {};
    auto sent = sink_(gathered_);
    gathered_.clear();
    return sent;
}

Result<void> TreeTar::header(TarEntry entry, const Object& object) {
    entry.mode = object.info.st_mode & 07777;
    entry.uid = object.info.st_uid;
    entry.gid = object.info.st_gid;
    if (ids_) {
        entry.uid = os::to_inside(ids_->users, entry.uid).value_or(os::overflow_id);
        entry.gid = os::to_inside(ids_->groups, entry.gid).value_or(os::overflow_id);
    }
    entry.modified.tv_sec = object.info.st_mtim.tv_sec;  // whole seconds, as dockerd: no extended header for the rest
    auto bytes = TRY(tar_header(entry));
    return write(bytes);
}

Result<void> TreeTar::add_object(const Object& object, int depth) {
    TRY(context_.check());
    const auto& info = object.info;
    if (S_ISDIR(info.st_mode)) return add_directory(object, depth);
    if (S_ISSOCK(info.st_mode)) return {};  // no archive has sockets
    if (info.st_nlink > 1) {
        auto [first, is_new] = linked_.emplace(std::pair(info.st_dev, info.st_ino), object.name);
        if (!is_new) return header({.path = object.name, .link = first->second, .type = TarType::HardLink}, object);
    }
    return S_ISREG(info.st_mode) ? add_file(object) : add_special(object);
}

Result<void> TreeTar::add_directory(const Object& object, int depth) {
    auto directory = TRY(os::open_at(object.fd, ".", O_RDONLY | O_DIRECTORY).in("archive " + object.name));
    auto prefix = object.name.ends_with('/') ? object.name : object.name + "/";
    TarEntry entry{.path = prefix, .type = TarType::Directory};
    entry.xattrs = TRY(xattrs_of(directory).in("archive " + object.name));
    TRY(header(std::move(entry), object));
    return walk(directory, prefix, depth);
}

Result<void> TreeTar::walk(FdView directory, const std::string& prefix, int depth) {
    if (depth > max_depth)
        return Error(Errc::Exhausted, fmt::format("archive: directories nested deeper than {}", max_depth));
    auto names = TRY(os::list_directory(own_path(directory)).in("archive " + prefix));
    for (const auto& name : names) {
        auto child = os::open_at(directory, name, O_PATH | O_NOFOLLOW);
        if (!child && is_gone(child.error())) continue;  // its owner removed it meanwhile
        auto fd = TRY(std::move(child).in("archive " + prefix));
        Object object{fd, prefix + name};
        object.info = TRY(os::stat_of(fd).in("archive " + object.name));
        TRY(add_object(object, depth + 1));
    }
    return {};
}

// As many bytes as the header promises, whatever happens to the file meanwhile.
Result<void> TreeTar::add_file(const Object& object) {
    // By its descriptor, so that it is this very file, and never a device or pipe, whose opening does something.
    auto file = TRY(os::open(own_path(object.fd), O_RDONLY | O_NONBLOCK).in("archive " + object.name));
    auto left = static_cast<std::uint64_t>(object.info.st_size);
    auto total = left;
    TarEntry entry{.path = object.name, .type = TarType::File};
    entry.size = total;
    entry.xattrs = TRY(xattrs_of(file).in("archive " + object.name));
    TRY(header(std::move(entry), object));
    std::unique_ptr<char[]> buffer(new char[std::min<std::uint64_t>(std::max<std::uint64_t>(left, 1), chunk_bytes)]);
    while (left > 0) {
        auto most = static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk_bytes));
        auto got = TRY(os::read_some(file, buffer.get(), most).in("archive " + object.name));
        if (got == 0) {
            got = most;
            std::fill_n(buffer.get(), most, '\0');
        }
        TRY(context_.check());
        TRY(write({buffer.get(), got}));
        left -= got;
    }
    return write(tar_padding(total));
}

Result<void> TreeTar::add_special(const Object& object) {
    TarEntry entry{.path = object.name};
    switch (object.info.st_mode & S_IFMT) {
        case S_IFLNK: {
            char target[PATH_MAX];
            auto length = ::readlinkat(object.fd.get(), "", target, sizeof target);
            if (length < 0) return Error::from_errno(errno, "archive " + object.name);
            entry.type = TarType::SymbolicLink;
            entry.link.assign(target, static_cast<std::size_t>(length));
            break;
        }
        case S_IFIFO: entry.type = TarType::Fifo; break;
        case S_IFBLK: entry.type = TarType::BlockDevice; break;
        default: entry.type = TarType::CharacterDevice; break;
    }
    if (entry.type == TarType::BlockDevice || entry.type == TarType::CharacterDevice) {
        entry.device_major = major(object.info.st_rdev);
        entry.device_minor = minor(object.info.st_rdev);
    }
    return header(std::move(entry), object);
}

}  // namespace pila::image

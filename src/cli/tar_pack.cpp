// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cli/tar.h"
#include "os/file.h"

namespace pila::cli {

Result<std::unique_ptr<TarSource>> TarSource::create(const std::string& path, const std::string& name,
                                                     Options options) {
    std::unique_ptr<TarSource> source(new TarSource());
    source->options_ = std::move(options);
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return Error::from_errno(errno, "lstat " + path);
    if (!name.empty()) {
        source->queue_.push_back({path, name});
        return source;
    }
    auto names = TRY(os::list_directory(path));
    for (auto child = names.rbegin(); child != names.rend(); ++child)
        source->queue_.push_back({path + "/" + *child, *child});
    return source;
}

Result<void> TarSource::add(const std::string& path, const std::string& name) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return Error::from_errno(errno, "lstat " + path);
    TarEntry entry;
    entry.name = name;
    entry.mode = status.st_mode & 07777;
    entry.uid = options_.owned_by_root ? 0 : status.st_uid;
    entry.gid = options_.owned_by_root ? 0 : status.st_gid;
    auto skip = options_.skip ? options_.skip(name, S_ISDIR(status.st_mode)) : Skip::No;
    if (skip == Skip::Yes) return {};
    entry.modified = status.st_mtime;
    if (S_ISDIR(status.st_mode)) {
        entry.type = TarEntry::Type::Directory;
        entry.name += '/';
        auto names = TRY(os::list_directory(path));
        for (auto child = names.rbegin(); child != names.rend(); ++child)
            queue_.push_back({path + "/" + *child, name + "/" + *child});
    } else if (S_ISLNK(status.st_mode)) {
        entry.type = TarEntry::Type::SymbolicLink;
        char target[4096];
        auto length = ::readlink(path.c_str(), target, sizeof target);
        if (length < 0) return Error::from_errno(errno, "readlink " + path);
        entry.link.assign(target, static_cast<std::size_t>(length));
    } else if (S_ISREG(status.st_mode)) {
        file_ = TRY(os::open(path, O_RDONLY | O_NOFOLLOW));
        entry.size = file_size_ = file_left_ = static_cast<std::uint64_t>(status.st_size);
    } else if (S_ISSOCK(status.st_mode)) {
        return {};  // an archive cannot hold one
    } else {
        entry.type = S_ISFIFO(status.st_mode)  ? TarEntry::Type::Fifo
                     : S_ISCHR(status.st_mode) ? TarEntry::Type::CharacterDevice
                                               : TarEntry::Type::BlockDevice;
        entry.device_major = major(status.st_rdev);
        entry.device_minor = minor(status.st_rdev);
    }
    if (skip == Skip::No) buffer_ += tar_header(entry);
    return {};
}

Result<void> TarSource::refill() {
    buffer_.clear();
    offset_ = 0;
    if (file_) {
        buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(file_left_, 64U << 10)));
        auto got = buffer_.empty() ? std::size_t{0} : TRY(os::read_some(file_, buffer_.data(), buffer_.size()));
        if (got == 0 && file_left_ > 0) return Error(Errc::Conflict, "a file became shorter while it was copied");
        buffer_.resize(got);
        file_left_ -= got;
        if (file_left_ == 0) {
            buffer_.append(tar_padding(file_size_), '\0');
            file_.reset();
        }
        return {};
    }
    if (!queue_.empty()) {
        auto item = std::move(queue_.back());
        queue_.pop_back();
        return add(item.path, item.name);
    }
    if (!ended_) buffer_.assign(1024, '\0');
    ended_ = true;
    return {};
}

Result<std::size_t> TarSource::read(char* buffer, std::size_t size) {
    while (offset_ == buffer_.size()) {
        if (ended_) return std::size_t{0};
        TRY(refill());
    }
    auto part = std::min(size, buffer_.size() - offset_);
    std::memcpy(buffer, buffer_.data() + offset_, part);
    offset_ += part;
    bytes_ += part;
    return part;
}

}  // namespace pila::cli

// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <optional>

#include "base/text.h"
#include "cli/tar.h"
#include "os/file.h"

namespace pila::cli {

namespace {

struct Place {
    Fd parent;
    std::string name;
};

class Extractor {
public:
    Extractor(http::BodyReader& source, FdView root, const Extraction& extraction)
        : reader_(source), root_(root), extraction_(extraction) {}

    Result<void> run() {
        TarEntry entry;
        while (TRY(reader_.next(entry))) {
            if (!root_name_) root_name_ = TRY(root_of(entry.name));
            auto name = TRY(renamed(entry.name));
            TRY(one(entry, name).in("extracting " + printable(entry.name)));
        }
        // Directories last: what is put into them changes their times, and their modes may forbid it.
        for (auto directory = directories_.rbegin(); directory != directories_.rend(); ++directory) {
            auto place =
                TRY(os::open_in_root(root_, directory->first.empty() ? "." : directory->first, O_RDONLY | O_DIRECTORY));
            finish(place, directory->second);
        }
        return {};
    }

private:
    // The name below the target directory, clean; "" for the directory itself.
    Result<std::string> renamed(std::string_view name) const {
        std::vector<std::string> parts;
        for (auto part : split(name, '/')) {
            if (part.empty() || part == ".") continue;
            if (part == "..") return Error(Errc::Denied, "name with .. in the archive: " + printable(name));
            parts.emplace_back(part);
        }
        if (!parts.empty() && parts.front() == *root_name_) parts.erase(parts.begin());
        if (!extraction_.name.empty()) parts.insert(parts.begin(), extraction_.name);
        return join(parts, "/");
    }

    // The first entry is what was asked for: "dir/", "file", or "./".
    static Result<std::string> root_of(std::string_view name) {
        for (auto part : split(name, '/'))
            if (!part.empty() && part != ".") return std::string(part);
        return std::string();
    }

    Result<Place> place_of(const std::string& name) const {
        auto slash = name.rfind('/');
        auto directory = slash == std::string::npos ? std::string(".") : name.substr(0, slash);
        auto parent = os::open_in_root(root_, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (!parent && parent.error().code() == Errc::NotFound) {
            TRY(make_parents(directory));
            parent = os::open_in_root(root_, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        }
        if (!parent) return parent.take_error();
        return Place{parent.take(), slash == std::string::npos ? name : name.substr(slash + 1)};
    }

    Result<void> make_parents(const std::string& directory) const {
        std::string so_far;
        for (auto part : split(directory, '/')) {
            auto parent = TRY(os::open_in_root(root_, so_far.empty() ? "." : so_far, O_RDONLY | O_DIRECTORY));
            std::string name(part);
            if (::mkdirat(parent.get(), name.c_str(), 0755) != 0 && errno != EEXIST)
                return Error::from_errno(errno, "mkdirat " + name);
            so_far += so_far.empty() ? name : "/" + name;
        }
        return {};
    }

    Result<void> one(const TarEntry& entry, const std::string& name) {
        using Type = TarEntry::Type;
        if (entry.type == Type::Directory) return directory(entry, name);
        if (name.empty()) return Error(Errc::Invalid, "entry without a name");
        auto place = TRY(place_of(name));
        if (entry.type == Type::File) return file(entry, place);
        if (::unlinkat(place.parent.get(), place.name.c_str(), 0) != 0 && errno != ENOENT)
            return Error::from_errno(errno, "unlinkat");
        if (entry.type == Type::SymbolicLink) {
            if (::symlinkat(entry.link.c_str(), place.parent.get(), place.name.c_str()) != 0)
                return Error::from_errno(errno, "symlinkat");
            return {};
        }
        if (entry.type == Type::HardLink) {
            auto link = TRY(renamed(entry.link));
            auto target = TRY(place_of(link));
            if (::linkat(target.parent.get(), target.name.c_str(), place.parent.get(), place.name.c_str(), 0) != 0)
                return Error::from_errno(errno, "linkat");
            return {};
        }
        mode_t kind = entry.type == Type::Fifo ? S_IFIFO : entry.type == Type::BlockDevice ? S_IFBLK : S_IFCHR;
        if (kind != S_IFIFO) return Error(Errc::Unsupported, "a device in the archive");
        if (::mknodat(place.parent.get(), place.name.c_str(), kind | entry.mode, 0) != 0)
            return Error::from_errno(errno, "mknodat");
        return {};
    }

    Result<void> directory(const TarEntry& entry, const std::string& name) {
        if (!name.empty()) {
            auto place = TRY(place_of(name));
            if (::mkdirat(place.parent.get(), place.name.c_str(), 0700) != 0 && errno != EEXIST)
                return Error::from_errno(errno, "mkdirat");
        }
        directories_.emplace_back(name, entry);
        return {};
    }

    Result<void> file(const TarEntry& entry, const Place& place) {
        struct stat status {};
        bool there = ::fstatat(place.parent.get(), place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
        if (there && S_ISDIR(status.st_mode)) return Error(Errc::Conflict, "cannot overwrite a directory with a file");
        if (there && ::unlinkat(place.parent.get(), place.name.c_str(), 0) != 0)
            return Error::from_errno(errno, "unlinkat");
        auto target = TRY(os::open_at(place.parent, place.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
        std::array<char, 64 << 10> buffer;
        while (auto got = TRY(reader_.read(buffer.data(), buffer.size()))) {
            TRY(os::write_all(target, std::string_view(buffer.data(), got)));
        }
        finish(target, entry);
        return std::move(target).close();
    }

    void finish(const Fd& fd, const TarEntry& entry) const {
        // Owner before mode: changing it clears set-user-id bits. Not allowed to everyone, and then not asked for
        // either.
        if (extraction_.keep_owner &&
            ::fchown(fd.get(), static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid)) != 0) {
        }
        ::fchmod(fd.get(), static_cast<mode_t>(entry.mode & 07777));
        timespec times[2] = {{entry.modified, 0}, {entry.modified, 0}};
        ::futimens(fd.get(), times);
    }

    TarReader reader_;
    FdView root_;
    const Extraction& extraction_;
    std::optional<std::string> root_name_;
    std::vector<std::pair<std::string, TarEntry>> directories_;
};

}  // namespace

Result<void> extract_tar(http::BodyReader& source, FdView directory, const Extraction& extraction) {
    return Extractor(source, directory, extraction).run();
}

}  // namespace pila::cli

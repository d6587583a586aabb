// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <set>
#include <unordered_set>

#include <fmt/core.h>

#include "os/file.h"
#include "snapshot/overlay_mount.h"
#include "snapshot/snapshot.h"

namespace pila::snapshot {

namespace {

// Containers own their upper directory and may nest it as deep as they like; beyond this we answer with an error
// instead of our stack.
constexpr int max_depth = 1024;

bool is_whiteout(const struct stat& info) { return S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0); }

bool is_opaque(FdView directory) {
    char value[4];
    const char* name = overlay_uses_user_xattrs() ? "user.overlay.opaque" : "trusted.overlay.opaque";
    return ::fgetxattr(directory.get(), name, value, sizeof value) == 1 && value[0] == 'y';
}

Result<std::vector<std::string>> names_in(FdView directory) {
    auto copy = TRY(os::open_at(directory, ".", O_RDONLY | O_DIRECTORY));
    DIR* stream = ::fdopendir(copy.release());
    std::vector<std::string> names;
    while (auto* entry = ::readdir(stream)) {
        std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(stream);
    return names;
}

Result<Fd> open_directory(FdView parent, const std::string& name) {
    return os::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

// A file's capabilities are the only extended attribute that docker diff looks at.
std::string capability_of(FdView directory, const std::string& name) {
    std::string path = fmt::format("/proc/self/fd/{}/{}", directory.get(), name);
    char value[64];
    auto size = ::lgetxattr(path.c_str(), "security.capability", value, sizeof value);
    return size > 0 ? std::string(value, static_cast<std::size_t>(size)) : std::string();
}

// File systems with whole seconds only must not make everything look modified.
bool same_time(const timespec& one, const timespec& other) {
    return one.tv_sec == other.tv_sec && (one.tv_nsec == other.tv_nsec || one.tv_nsec == 0 || other.tv_nsec == 0);
}

bool differs(const struct stat& before, const struct stat& after) {
    if (before.st_mode != after.st_mode || before.st_uid != after.st_uid || before.st_gid != after.st_gid) return true;
    if (before.st_rdev != after.st_rdev) return true;
    if (S_ISDIR(after.st_mode)) return false;  // its times and size follow from its children
    return !same_time(before.st_mtim, after.st_mtim) || before.st_size != after.st_size;
}

// One directory as all lower layers together show it: the same path in each, uppermost first, down to the layer that
// hides the rest.
struct LowerDirectory {
    std::vector<Fd> parts;

    struct Found {
        struct stat info {};
        const Fd* where = nullptr;
        std::vector<Fd> parts;  // when it is a directory
    };

    Result<std::optional<Found>> find(const std::string& name) const {
        std::optional<Found> found;
        for (const auto& part : parts) {
            struct stat info {};
            if (::fstatat(part.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno == ENOENT) continue;
                return Error::from_errno(errno, "look up " + name);
            }
            if (is_whiteout(info)) break;
            if (!found) {
                found.emplace();
                found->info = info;
                found->where = &part;
            } else if (!S_ISDIR(info.st_mode)) {
                break;
            }
            if (!S_ISDIR(info.st_mode)) break;
            auto directory = TRY(open_directory(part, name));
            bool last = is_opaque(directory);
            found->parts.push_back(std::move(directory));
            if (last) break;
        }
        return found;
    }

    Result<std::set<std::string>> names() const {
        std::set<std::string> all, hidden;
        for (const auto& part : parts) {
            auto names = TRY(names_in(part));
            for (auto& name : names) {
                struct stat info {};
                if (::fstatat(part.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) continue;
                if (is_whiteout(info))
                    hidden.insert(name);
                else if (!hidden.contains(name))
                    all.insert(std::move(name));
            }
        }
        return all;
    }
};

class Differ {
public:
    Result<void> walk(FdView upper, const std::string& path, const LowerDirectory& lower, int depth) {
        if (depth > max_depth)
            return Error(Errc::Exhausted, fmt::format("directories nested deeper than {}", max_depth));
        auto names = TRY(names_in(upper));
        if (!lower.parts.empty() && is_opaque(upper)) {
            auto before = TRY(lower.names());
            for (const auto& name : names) before.erase(name);
            for (const auto& name : before) changes_.push_back({path + "/" + name, ChangeKind::Deleted});
        }
        for (const auto& name : names) TRY(compare(upper, name, path + "/" + name, lower, depth));
        return {};
    }

    std::vector<FileChange> take() && {
        std::sort(changes_.begin(), changes_.end(),
                  [](const FileChange& one, const FileChange& other) { return one.path < other.path; });
        return std::move(changes_);
    }

private:
    Result<void> compare(FdView upper, const std::string& name, const std::string& path, const LowerDirectory& lower,
                         int depth) {
        struct stat after {};
        if (::fstatat(upper.get(), name.c_str(), &after, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT) return {};  // the container runs on while we look
            return Error::from_errno(errno, "look up " + path);
        }
        auto before = TRY(lower.find(name));
        if (is_whiteout(after)) {
            if (before) changes_.push_back({path, ChangeKind::Deleted});
            return {};
        }
        bool changed = !before || differs(before->info, after) ||
                       (S_ISREG(after.st_mode) && capability_of(*before->where, name) != capability_of(upper, name));
        auto kind = before ? ChangeKind::Modified : ChangeKind::Added;
        auto count = changes_.size();
        if (S_ISDIR(after.st_mode)) {
            auto directory = open_directory(upper, name);
            if (!directory && directory.error().code() == Errc::NotFound) return {};
            if (!directory) return directory.take_error();
            LowerDirectory below;
            if (before) below.parts = std::move(before->parts);
            TRY(walk(*directory, path, below, depth + 1));
        }
        // A directory with changes inside is listed as modified, as the way to them.
        if (changed || changes_.size() > count) changes_.push_back({path, kind});
        return {};
    }

    std::vector<FileChange> changes_;
};

Result<void> add_sizes(FdView directory, std::unordered_set<ino_t>& linked, std::uint64_t& total, int depth) {
    if (depth > max_depth) return Error(Errc::Exhausted, fmt::format("directories nested deeper than {}", max_depth));
    auto names = TRY(names_in(directory));
    for (const auto& name : names) {
        struct stat info {};
        if (::fstatat(directory.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) continue;
        if (S_ISDIR(info.st_mode)) {
            auto child = open_directory(directory, name);
            if (!child) continue;
            TRY(add_sizes(*child, linked, total, depth + 1));
        } else if (info.st_nlink < 2 || linked.insert(info.st_ino).second) {
            total += static_cast<std::uint64_t>(info.st_size);
        }
    }
    return {};
}

}  // namespace

Result<std::vector<FileChange>> changes(const std::string& upper_directory, const std::vector<std::string>& layers) {
    auto upper = TRY(os::open(upper_directory, O_RDONLY | O_DIRECTORY));
    LowerDirectory lower;
    for (const auto& layer : layers) lower.parts.push_back(TRY(os::open(layer, O_RDONLY | O_DIRECTORY)));
    // The init layer is below every container (CONTAINERS/ID/upper), though no caller needs to know of it.
    auto init = os::open(upper_directory + "/../../.init", O_RDONLY | O_DIRECTORY);
    if (init) lower.parts.push_back(init.take());
    Differ differ;
    TRY(differ.walk(upper, "", lower, 0).in("comparing " + upper_directory));
    return std::move(differ).take();
}

Result<std::uint64_t> tree_size(const std::string& directory) {
    auto root = TRY(os::open(directory, O_RDONLY | O_DIRECTORY));
    std::unordered_set<ino_t> linked;
    std::uint64_t total = 0;
    TRY(add_sizes(root, linked, total, 0).in("size of " + directory));
    return total;
}

}  // namespace pila::snapshot

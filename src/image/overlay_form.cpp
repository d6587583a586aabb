// SPDX-License-Identifier: Apache-2.0
#include "image/overlay_form.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cerrno>

#include <fmt/core.h>

#include "os/file.h"

namespace pila::image {

namespace {

// trusted.* can be written by CAP_SYS_ADMIN of the first user namespace only; elsewhere overlay is mounted with
// userxattr.
const char* opaque_attribute() {
    static const bool trusted = [] {
        auto map = os::read_file("/proc/self/uid_map", 4096);
        return ::geteuid() == 0 && map && map->find("4294967295") != std::string::npos;
    }();
    return trusted ? "trusted.overlay.opaque" : "user.overlay.opaque";
}

bool is_overlays_own(std::string_view name) {
    return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.");
}

std::string path_of(FdView directory, const std::string& name) {
    return fmt::format("/proc/self/fd/{}/{}", directory.get(), name);
}

template <typename Set>
Result<void> set_each(const Xattrs& xattrs, Set set) {
    for (const auto& [name, value] : xattrs) {
        if (is_overlays_own(name) || set(name.c_str(), value) == 0) continue;
        bool harmless = errno == EOPNOTSUPP || errno == EPERM || errno == EACCES;
        if (harmless && (name != "security.capability" || ::geteuid() != 0)) continue;
        return Error::from_errno(errno, "set attribute " + name);
    }
    return {};
}

}  // namespace

bool is_whiteout(const struct stat& info) { return S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0); }

Result<void> mark_opaque(FdView directory) {
    // An O_PATH descriptor takes no fsetxattr(2).
    auto path = fmt::format("/proc/self/fd/{}", directory.get());
    if (::setxattr(path.c_str(), opaque_attribute(), "y", 1, 0) < 0)
        return Error::from_errno(errno, "mark directory opaque");
    return {};
}

bool is_opaque(FdView directory) {
    char value[2];
    return ::fgetxattr(directory.get(), opaque_attribute(), value, sizeof value) == 1 && value[0] == 'y';
}

Result<void> set_xattrs(FdView file, const Xattrs& xattrs) {
    return set_each(xattrs, [&](const char* name, const std::string& value) {
        return ::fsetxattr(file.get(), name, value.data(), value.size(), 0);
    });
}

Result<void> set_xattrs_of_link(FdView directory, const std::string& file, const Xattrs& xattrs) {
    auto path = path_of(directory, file);
    return set_each(xattrs, [&](const char* name, const std::string& value) {
        return ::lsetxattr(path.c_str(), name, value.data(), value.size(), 0);
    });
}

// `list` and `get` as listxattr(2) and getxattr(2) without their first argument.
template <typename List, typename Get>
static Result<Xattrs> collect_xattrs(List list, Get get) {
    Xattrs found;
    char names[4096];
    auto size = list(names, sizeof names);
    if (size < 0 && (errno == EOPNOTSUPP || errno == ERANGE)) return found;
    if (size < 0) return Error::from_errno(errno, "list attributes");
    for (const char* name = names; name < names + size; name += std::string_view(name).size() + 1) {
        if (is_overlays_own(name)) continue;
        if (std::string_view(name) != "security.capability" && !std::string_view(name).starts_with("user.")) continue;
        std::string value(65536, '\0');
        auto length = get(name, value.data(), value.size());
        if (length < 0) continue;
        value.resize(static_cast<std::size_t>(length));
        found.emplace(name, std::move(value));
    }
    return found;
}

Result<Xattrs> xattrs_of(FdView file) {
    return collect_xattrs(
        [&](char* names, std::size_t size) { return ::flistxattr(file.get(), names, size); },
        [&](const char* name, char* value, std::size_t size) { return ::fgetxattr(file.get(), name, value, size); });
}

Result<Xattrs> xattrs_of_link(FdView directory, const std::string& file) {
    auto path = path_of(directory, file);
    return collect_xattrs(
        [&](char* names, std::size_t size) { return ::llistxattr(path.c_str(), names, size); },
        [&](const char* name, char* value, std::size_t size) { return ::lgetxattr(path.c_str(), name, value, size); });
}

}  // namespace pila::image

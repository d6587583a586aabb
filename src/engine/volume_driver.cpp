// SPDX-License-Identifier: Apache-2.0
#include "engine/volume_driver.h"

#include <fcntl.h>
#include <netdb.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include "base/text.h"

namespace pila::engine {

namespace {

struct Flag {
    std::string_view name;
    unsigned long flag;
    bool clear = false;
};
constexpr Flag flags[] = {{"defaults", 0},
                          {"ro", MS_RDONLY},
                          {"rw", MS_RDONLY, true},
                          {"suid", MS_NOSUID, true},
                          {"nosuid", MS_NOSUID},
                          {"dev", MS_NODEV, true},
                          {"nodev", MS_NODEV},
                          {"exec", MS_NOEXEC, true},
                          {"noexec", MS_NOEXEC},
                          {"sync", MS_SYNCHRONOUS},
                          {"async", MS_SYNCHRONOUS, true},
                          {"dirsync", MS_DIRSYNC},
                          {"mand", MS_MANDLOCK},
                          {"nomand", MS_MANDLOCK, true},
                          {"atime", MS_NOATIME, true},
                          {"noatime", MS_NOATIME},
                          {"diratime", MS_NODIRATIME, true},
                          {"nodiratime", MS_NODIRATIME},
                          {"relatime", MS_RELATIME},
                          {"norelatime", MS_RELATIME, true},
                          {"strictatime", MS_STRICTATIME},
                          {"nostrictatime", MS_STRICTATIME, true},
                          {"bind", MS_BIND},
                          {"rbind", MS_BIND | MS_REC}};

struct Parsed {
    unsigned long set = 0;
    std::string data;
};

Parsed parse_options(std::string_view text) {
    Parsed parsed;
    for (auto option : split(text, ',')) {
        if (option.empty()) continue;
        const Flag* known = nullptr;
        for (const auto& flag : flags)
            if (flag.name == option) known = &flag;
        if (known && known->clear)
            parsed.set &= ~known->flag;
        else if (known)
            parsed.set |= known->flag;
        else
            parsed.data += (parsed.data.empty() ? "" : ",") + std::string(option);
    }
    return parsed;
}

// The kernel's NFS and SMB want an address, not a name.
std::string with_address(std::string_view data) {
    std::string out;
    for (auto option : split(data, ',')) {
        std::string text(option);
        addrinfo hints{}, *found = nullptr;
        hints.ai_socktype = SOCK_STREAM;
        char address[NI_MAXHOST];
        if (option.starts_with("addr=") && ::getaddrinfo(text.c_str() + 5, nullptr, &hints, &found) == 0) {
            if (::getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, nullptr, 0, NI_NUMERICHOST) ==
                0)
                text = std::string("addr=") + address;
            ::freeaddrinfo(found);
        }
        out += (out.empty() ? "" : ",") + text;
    }
    return out;
}

std::string value_of(const DriverOptions& options, const char* key) {
    auto found = options.find(key);
    return found == options.end() ? std::string() : found->second;
}

}  // namespace

Result<void> check_driver_options(const DriverOptions& options) {
    if (options.contains("size")) return Error(Errc::Invalid, "quota size requested but no quota support");
    for (const auto& [key, value] : options)
        if (key != "type" && key != "device" && key != "o")
            return Error(Errc::Invalid, fmt::format("invalid option: {}", json_quote(key)));
    for (const char* needed : {"device", "type"})
        if (!options.empty() && !options.contains(needed))
            return Error(Errc::Invalid, fmt::format("missing required option: {}", json_quote(needed)));
    return {};
}

bool is_mount_point(const std::string& path) {
    struct statx info {};
    return ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0, &info) == 0 &&
           (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Result<void> mount_volume(const DriverOptions& options, const std::string& path) {
    auto parsed = parse_options(value_of(options, "o"));
    auto type = value_of(options, "type"), device = value_of(options, "device");
    auto data = type == "nfs" || type == "nfs4" || type == "cifs" ? with_address(parsed.data) : parsed.data;
    auto failed = [&](int reason) {
        std::string text = fmt::format("error while mounting volume '{}': failed to mount local volume: mount {}:{}",
                                       path, device, path);
        if (parsed.set) text += fmt::format(", flags: {:#x}", parsed.set);
        if (!data.empty()) text += ", data: " + printable(data);
        std::string why = std::strerror(reason);
        why[0] = static_cast<char>(why[0] | 0x20);
        return Error(Errc::Unavailable, text + ": " + why, reason);
    };
    bool is_bind = (parsed.set & MS_BIND) != 0;
    if (::mount(device.c_str(), path.c_str(), type.c_str(), parsed.set, data.c_str()) < 0) return failed(errno);
    // A bind mount takes its other flags only when it is mounted again.
    auto further = parsed.set & ~static_cast<unsigned long>(MS_BIND | MS_REC);
    if (is_bind && further && ::mount(nullptr, path.c_str(), nullptr, MS_REMOUNT | MS_BIND | further, nullptr) < 0) {
        int reason = errno;
        ::umount2(path.c_str(), MNT_DETACH);
        return failed(reason);
    }
    return {};
}

}  // namespace pila::engine

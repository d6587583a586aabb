// SPDX-License-Identifier: Apache-2.0
#include <sys/mount.h>
#include <algorithm>

#include "base/text.h"
#include "runtime/oci_internal.h"

namespace pila::runtime::oci {

namespace {

struct FlagOption {
    std::string_view name;
    std::uint64_t set, clear;
};
constexpr FlagOption flag_options[] = {
    {"defaults", 0, 0},
    {"bind", MS_BIND, 0},
    {"rbind", MS_BIND | MS_REC, 0},
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"sync", MS_SYNCHRONOUS, 0},
    {"async", 0, MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC, 0},
    {"mand", MS_MANDLOCK, 0},
    {"nomand", 0, MS_MANDLOCK},
    {"noatime", MS_NOATIME, 0},
    {"atime", 0, MS_NOATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"relatime", MS_RELATIME, 0},
    {"norelatime", 0, MS_RELATIME},
    {"strictatime", MS_STRICTATIME, 0},
    {"nostrictatime", 0, MS_STRICTATIME},
    {"nosymfollow", 256 /* MS_NOSYMFOLLOW */, 0},
    {"symfollow", 0, 256},
    {"lazytime", 1 << 25 /* MS_LAZYTIME */, 0},
    {"nolazytime", 0, 1 << 25},
    {"silent", MS_SILENT, 0},
    {"loud", 0, MS_SILENT},
    {"remount", MS_REMOUNT, 0},
    {"iversion", MS_I_VERSION, 0},
    {"noiversion", 0, MS_I_VERSION},
};

struct PropagationOption {
    std::string_view name;
    std::uint64_t propagation;
};
constexpr PropagationOption propagation_options[] = {
    {"private", MS_PRIVATE},       {"rprivate", MS_PRIVATE | MS_REC},
    {"shared", MS_SHARED},         {"rshared", MS_SHARED | MS_REC},
    {"slave", MS_SLAVE},           {"rslave", MS_SLAVE | MS_REC},
    {"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC},
};

// For the mount and everything below it (mount_setattr(2), Linux 5.12).
constexpr struct {
    std::string_view name;
    std::uint64_t set, clear;
} recursive_options[] = {
    {"rro", MOUNT_ATTR_RDONLY, 0},
    {"rrw", 0, MOUNT_ATTR_RDONLY},
    {"rnosuid", MOUNT_ATTR_NOSUID, 0},
    {"rsuid", 0, MOUNT_ATTR_NOSUID},
    {"rnodev", MOUNT_ATTR_NODEV, 0},
    {"rdev", 0, MOUNT_ATTR_NODEV},
    {"rnoexec", MOUNT_ATTR_NOEXEC, 0},
    {"rexec", 0, MOUNT_ATTR_NOEXEC},
    {"rnodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"rdiratime", 0, MOUNT_ATTR_NODIRATIME},
    {"rrelatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"rnorelatime", 0, MOUNT_ATTR__ATIME},
    {"rnoatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"ratime", 0, MOUNT_ATTR__ATIME},
    {"rstrictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"rnostrictatime", 0, MOUNT_ATTR__ATIME},
    {"rnosymfollow", 0x00200000 /* MOUNT_ATTR_NOSYMFOLLOW, Linux 5.14 */, 0},
    {"rsymfollow", 0, 0x00200000},
};

bool apply_recursive(std::string_view option, MountPlan& mount) {
    for (const auto& [name, set, clear] : recursive_options) {
        if (option != name) continue;
        mount.recursive_set = (mount.recursive_set & ~clear) | set;
        mount.recursive_clear = (mount.recursive_clear & ~set) | clear;
        return true;
    }
    return false;
}

}  // namespace

std::vector<std::string> mount_option_names() {
    std::vector<std::string> names{"idmap", "ridmap", "tmpcopyup"};
    for (const auto& option : flag_options) names.emplace_back(option.name);
    for (const auto& option : propagation_options) names.emplace_back(option.name);
    for (const auto& option : recursive_options) names.emplace_back(option.name);
    std::sort(names.begin(), names.end());
    return names;
}

Result<void> apply_mount_option(std::string_view option, MountPlan& mount) {
    for (const auto& [name, set, clear] : flag_options) {
        if (option != name) continue;
        mount.flags = (mount.flags | set) & ~clear;
        return {};
    }
    for (const auto& [name, propagation] : propagation_options) {
        if (option != name) continue;
        mount.propagation = propagation;
        return {};
    }
    if (apply_recursive(option, mount)) return {};
    if (option == "tmpcopyup")
        mount.copy_up = true;
    else if (option == "idmap" || option == "ridmap")
        (option == "idmap" ? mount.id_mapped : mount.id_mapped_recursively) = true;
    else if (!option.empty())
        mount.data += (mount.data.empty() ? "" : ",") + std::string(option);
    return {};
}

}  // namespace pila::runtime::oci

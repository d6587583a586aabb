// SPDX-License-Identifier: Apache-2.0
#include <sys/mount.h>

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
    {"nosymfollow", 256, 0},
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

}  // namespace

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
    if (option == "rro")
        mount.recursive_readonly = true;
    else if (option == "tmpcopyup")
        mount.copy_up = true;
    else if (option == "idmap" || option == "ridmap")
        return Error(Errc::Unsupported, "mount option " + std::string(option) + " is not supported yet");
    else if (!option.empty())
        mount.data += (mount.data.empty() ? "" : ",") + std::string(option);
    return {};
}

}  // namespace pila::runtime::oci

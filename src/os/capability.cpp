// SPDX-License-Identifier: Apache-2.0
#include "os/capability.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>

#include <fmt/core.h>

namespace pila::os {

static constexpr std::string_view names[] = {"CAP_CHOWN",
                                             "CAP_DAC_OVERRIDE",
                                             "CAP_DAC_READ_SEARCH",
                                             "CAP_FOWNER",
                                             "CAP_FSETID",
                                             "CAP_KILL",
                                             "CAP_SETGID",
                                             "CAP_SETUID",
                                             "CAP_SETPCAP",
                                             "CAP_LINUX_IMMUTABLE",
                                             "CAP_NET_BIND_SERVICE",
                                             "CAP_NET_BROADCAST",
                                             "CAP_NET_ADMIN",
                                             "CAP_NET_RAW",
                                             "CAP_IPC_LOCK",
                                             "CAP_IPC_OWNER",
                                             "CAP_SYS_MODULE",
                                             "CAP_SYS_RAWIO",
                                             "CAP_SYS_CHROOT",
                                             "CAP_SYS_PTRACE",
                                             "CAP_SYS_PACCT",
                                             "CAP_SYS_ADMIN",
                                             "CAP_SYS_BOOT",
                                             "CAP_SYS_NICE",
                                             "CAP_SYS_RESOURCE",
                                             "CAP_SYS_TIME",
                                             "CAP_SYS_TTY_CONFIG",
                                             "CAP_MKNOD",
                                             "CAP_LEASE",
                                             "CAP_AUDIT_WRITE",
                                             "CAP_AUDIT_CONTROL",
                                             "CAP_SETFCAP",
                                             "CAP_MAC_OVERRIDE",
                                             "CAP_MAC_ADMIN",
                                             "CAP_SYSLOG",
                                             "CAP_WAKE_ALARM",
                                             "CAP_BLOCK_SUSPEND",
                                             "CAP_AUDIT_READ",
                                             "CAP_PERFMON",
                                             "CAP_BPF",
                                             "CAP_CHECKPOINT_RESTORE"};

Result<CapabilitySets> capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    if (::syscall(SYS_capget, &header, data) < 0) return Error::from_errno(errno, "read capabilities");
    auto both = [](std::uint32_t low, std::uint32_t high) { return std::uint64_t{high} << 32 | low; };
    return CapabilitySets{both(data[0].effective, data[1].effective), both(data[0].permitted, data[1].permitted),
                          both(data[0].inheritable, data[1].inheritable)};
}

Result<void> set_capabilities(const CapabilitySets& sets) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2];
    for (int half = 0; half < 2; ++half) {
        auto part = [&](std::uint64_t set) { return static_cast<std::uint32_t>(set >> (32 * half)); };
        data[half] = {part(sets.effective), part(sets.permitted), part(sets.inheritable)};
    }
    if (::syscall(SYS_capset, &header, data) < 0) return Error::from_errno(errno, "set capabilities");
    return {};
}

int last_capability() {
    static const int last = [] {
        int number = 0;
        while (::prctl(PR_CAPBSET_READ, number + 1) >= 0) ++number;
        return number;
    }();
    return last;
}

std::uint64_t all_capabilities() { return (std::uint64_t{2} << last_capability()) - 1; }

Result<void> limit_bounding_set(std::uint64_t keep) {
    for (int number = 0; number <= last_capability(); ++number) {
        if ((keep >> number & 1) != 0) continue;
        if (::prctl(PR_CAPBSET_DROP, number) < 0)
            return Error::from_errno(errno, fmt::format("drop {} from the bounding set", capability_name(number)));
    }
    return {};
}

Result<void> set_ambient(std::uint64_t set) {
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return Error::from_errno(errno, "clear ambient capabilities");
    for (int number = 0; number <= last_capability(); ++number) {
        if ((set >> number & 1) == 0) continue;
        if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0 && errno != EPERM)
            return Error::from_errno(errno, fmt::format("raise ambient {}", capability_name(number)));
    }
    return {};
}

std::optional<int> capability_by_name(std::string_view name) {
    auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; };
    auto same = [&](std::string_view known) {
        if (known.size() != name.size()) return false;
        for (std::size_t i = 0; i < name.size(); ++i)
            if (upper(name[i]) != known[i]) return false;
        return true;
    };
    for (std::size_t number = 0; number < std::size(names); ++number)
        if (same(names[number]) || same(names[number].substr(4))) return static_cast<int>(number);
    return std::nullopt;
}

std::string_view capability_name(int number) {
    if (number < 0 || static_cast<std::size_t>(number) >= std::size(names)) return {};
    return names[number];
}

}  // namespace pila::os

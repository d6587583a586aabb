// SPDX-License-Identifier: Apache-2.0
#include "runtime/defaults.h"

#include <linux/capability.h>
#include <sys/mount.h>
#include <unordered_map>

#include "base/mutex.h"
#include "os/capability.h"
#include "runtime/defaults/seccomp.h"
#include "runtime/seccomp_profile.h"

namespace pila::runtime {

static constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

std::uint64_t default_capabilities() {
    return bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FSETID) | bit(CAP_FOWNER) | bit(CAP_MKNOD) |
           bit(CAP_NET_RAW) | bit(CAP_SETGID) | bit(CAP_SETUID) | bit(CAP_SETFCAP) | bit(CAP_SETPCAP) |
           bit(CAP_NET_BIND_SERVICE) | bit(CAP_SYS_CHROOT) | bit(CAP_KILL) | bit(CAP_AUDIT_WRITE);
}

CapabilityPlan capability_plan(std::uint64_t capabilities) {
    return {.bounding = capabilities, .effective = capabilities, .permitted = capabilities};
}

std::vector<DevicePlan> default_devices() {
    return {{"/dev/null", 'c', 1, 3},   {"/dev/zero", 'c', 1, 5},    {"/dev/full", 'c', 1, 7},
            {"/dev/random", 'c', 1, 8}, {"/dev/urandom", 'c', 1, 9}, {"/dev/tty", 'c', 5, 0}};
}

std::vector<DeviceRule> default_device_rules() {
    return {
        {false, 'a', -1, -1, "rwm"}, {true, 'c', -1, -1, "m"},  // making nodes is harmless, using them is not
        {true, 'b', -1, -1, "m"},    {true, 'c', 1, 3, "rwm"},  // null
        {true, 'c', 1, 5, "rwm"},                               // zero
        {true, 'c', 1, 7, "rwm"},                               // full
        {true, 'c', 1, 8, "rwm"},                               // random
        {true, 'c', 1, 9, "rwm"},                               // urandom
        {true, 'c', 5, 0, "rwm"},                               // tty
        {true, 'c', 5, 1, "rwm"},                               // console
        {true, 'c', 5, 2, "rwm"},                               // ptmx
        {true, 'c', 136, -1, "rwm"},                            // pts
    };
}

static std::vector<MountPlan> common_mounts(bool writable) {
    constexpr std::uint64_t strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    std::uint64_t readonly = writable ? 0 : std::uint64_t{MS_RDONLY};
    return {
        {.source = "proc", .target = "/proc", .type = "proc", .flags = strict},
        {.source = "tmpfs",
         .target = "/dev",
         .type = "tmpfs",
         .flags = MS_NOSUID | MS_STRICTATIME,
         .data = "mode=755,size=65536k"},
        {.source = "devpts",
         .target = "/dev/pts",
         .type = "devpts",
         .flags = MS_NOSUID | MS_NOEXEC,
         .data = "newinstance,ptmxmode=0666,mode=0620,gid=5"},
        {.source = "sysfs", .target = "/sys", .type = "sysfs", .flags = strict | readonly},
        {.source = "cgroup", .target = "/sys/fs/cgroup", .type = "cgroup", .flags = strict | readonly},
        {.source = "mqueue", .target = "/dev/mqueue", .type = "mqueue", .flags = strict},
        {.source = "shm", .target = "/dev/shm", .type = "tmpfs", .flags = strict, .data = "mode=1777,size=65536k"},
    };
}

static Plan base_plan(bool privileged) {
    Plan plan;
    for (auto type :
         {Namespace::Mount, Namespace::Pid, Namespace::Uts, Namespace::Ipc, Namespace::Network, Namespace::Cgroup})
        plan.namespaces.push_back({.type = type});
    plan.mounts = common_mounts(privileged);
    plan.devices = default_devices();
    plan.process.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    return plan;
}

Plan default_plan() {
    Plan plan = base_plan(false);
    // /proc/interrupts and powercap: side channels into what neighbours do (CVE-2020-8694 and its kin).
    plan.masked_paths = {"/proc/acpi",
                         "/proc/asound",
                         "/proc/interrupts",
                         "/proc/kcore",
                         "/proc/keys",
                         "/proc/latency_stats",
                         "/proc/sched_debug",
                         "/proc/scsi",
                         "/proc/timer_list",
                         "/proc/timer_stats",
                         "/sys/devices/virtual/powercap",
                         "/sys/firmware"};

    plan.readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    plan.resources.devices = default_device_rules();
    plan.process.capabilities = capability_plan(default_capabilities());
    return plan;
}

Plan privileged_plan() {
    Plan plan = base_plan(true);
    plan.resources.devices = {{true, 'a', -1, -1, "rwm"}};
    plan.process.capabilities = capability_plan(os::all_capabilities());
    return plan;
}

namespace {

Result<std::string> compile_default(std::uint64_t capabilities) {
    return seccomp::compile(seccomp::default_profile(capabilities));
}

}  // namespace

Result<std::string> compile_default_seccomp(std::uint64_t capabilities) {
    static Mutex mutex;
    static auto& compiled = *new std::unordered_map<std::uint64_t, std::string>;
    // Only what some group asks for tells filters apart: few programs, however many sets there are.
    std::uint64_t relevant = 0;
    for (const auto& group : defaults::syscall_groups) relevant |= (group.capabilities | group.unless) & capabilities;
    Lock lock(mutex);
    auto found = compiled.find(relevant);
    if (found == compiled.end()) found = compiled.emplace(relevant, TRY(compile_default(relevant))).first;
    return found->second;
}

}  // namespace pila::runtime

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything pila-runtime needs to know to start one container, decided beforehand: the child between clone and exec
// only walks this list. Two producers (the engine; runtime/oci from a bundle's config.json), one consumer (launch).
// Plain data, no behaviour. Fields follow the OCI runtime specification 1.2 where it has them.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/log_format.h"

namespace pila::runtime {

enum class Namespace : std::uint8_t { Mount, Pid, Uts, Ipc, Network, Cgroup, User, Time };

struct NamespacePlan {
    Namespace type;
    std::string path;      // "": a new one. Otherwise joined: /proc/PID/ns/... or a bind-mounted file
    int received_fd = -1;  // >= 0: joined; index into the descriptors that came with the plan (see ShimClient::start)
};

struct IdMapping {
    std::uint32_t container_id, host_id, size;
};

// One step of building the mount tree; in order. Target paths are resolved inside the root, links included.
struct MountPlan {
    std::string source;             // path on the host, or anything for a file system without one ("proc", "tmpfs")
    std::string target;             // absolute, in the container; made (directory, or file for a file bind) if missing
    std::string type;               // "proc", "tmpfs", ...; "bind" for bind mounts
    std::uint64_t flags = 0;        // MS_* of mount(2); MS_BIND | MS_REC for binds
    std::uint64_t propagation = 0;  // MS_PRIVATE, MS_SLAVE | MS_REC, ...; 0: as it comes
    std::string data;               // file system options, "size=64m,mode=1777"
    int source_fd = -1;             // >= 0: of a bind mount, index of a received descriptor, in place of `source`
    bool recursive_readonly = false;
    bool copy_up = false;  // tmpfs: filled with what the target held (tmpcopyup)
    // Of bundles only, not on the wire:
    std::uint64_t recursive_set = 0, recursive_clear = 0;   // MOUNT_ATTR_* for everything below as well (rnosuid, ...)
    std::vector<IdMapping> uid_mappings, gid_mappings;      // an id-mapped mount
    bool id_mapped = false, id_mapped_recursively = false;  // without mappings: the container's user namespace
};

struct DevicePlan {
    std::string path;
    char type = 'c';  // c, b, p
    std::uint32_t major = 0, minor = 0;
    std::uint32_t mode = 0666, uid = 0, gid = 0;
};

struct DeviceRule {  // of the device cgroup; in order
    bool allow = false;
    char type = 'a';                      // a, c, b
    std::int64_t major = -1, minor = -1;  // -1: any
    std::string access = "rwm";
};

// Of one block device: a weight, or bytes or operations a second (0: no limit).
struct DeviceLimit {
    std::uint32_t major = 0, minor = 0;
    std::uint64_t value = 0;
};

// Unset: the kernel's default. Memory in bytes, -1: unlimited. In the scales of cgroup v1, as the specification has
// them.
struct ResourcePlan {
    std::vector<DeviceRule> devices;
    std::optional<std::int64_t> memory_limit, memory_swap, memory_reservation;  // swap counts the memory, too
    std::optional<std::uint64_t> memory_swappiness;                             // v1 only
    std::optional<bool> oom_kill_disable;                                       // v1 only
    std::optional<std::uint64_t> cpu_shares;                                    // 2..262144
    std::optional<std::int64_t> cpu_quota_us;
    std::optional<std::uint64_t> cpu_period_us;
    std::optional<std::int64_t> cpu_realtime_runtime_us;  // v1 only
    std::optional<std::uint64_t> cpu_realtime_period_us;  // v1 only
    std::string cpuset_cpus, cpuset_mems;
    std::optional<std::uint16_t> block_weight;  // 10..1000
    std::vector<DeviceLimit> block_weight_devices, read_bytes_devices, write_bytes_devices;
    std::vector<DeviceLimit> read_operations_devices, write_operations_devices;
    std::optional<std::int64_t> pids_limit;                    // -1: unlimited
    std::vector<std::pair<std::string, std::string>> unified;  // cgroup v2 file -> value
    // Of bundles only, not on the wire:
    struct HugePages {
        std::string size;  // "2MB"
        std::uint64_t limit = 0;
    };
    struct Rdma {
        std::string device;
        std::optional<std::uint32_t> handles, objects;
    };
    std::vector<HugePages> huge_pages;
    std::vector<Rdma> rdma;
    std::optional<std::uint32_t> network_class;                             // v1 only
    std::vector<std::pair<std::string, std::uint32_t>> network_priorities;  // v1 only
    std::optional<std::uint64_t> cpu_burst_us;
    std::optional<std::int64_t> cpu_idle;
    bool memory_checked = false;  // refuse a limit below what is in use
};

struct RlimitPlan {
    int resource;              // RLIMIT_*
    std::uint64_t soft, hard;  // clamped to what this process may set
};

// Bit n = capability n (linux/capability.h).
struct CapabilityPlan {
    std::uint64_t bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;
};

// sched_setattr(2)
struct SchedulerPlan {
    std::uint32_t policy = 0;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0, deadline = 0, period = 0;
};

// What only bundles ask for; not on the wire.
struct ProcessExtras {
    std::optional<SchedulerPlan> scheduler;
    std::optional<int> io_priority;  // as ioprio_set(2) takes it
    std::optional<std::uint32_t> personality;
    std::vector<std::uint64_t> initial_cpus,
        final_cpus;                 // of exec, bit n = CPU n; before and after the cgroup is entered
    unsigned preserved_fds = 0;     // 3, 4, ... stay open
    std::string keyring;            // of a new session; "": the caller's stays
    bool seccomp_listener = false;  // the filter notifies: a listener goes to the launcher
};

struct ProcessPlan {
    std::vector<std::string> args;  // args[0] is looked up in PATH of `environment` inside the container
    std::vector<std::string> environment;
    std::string working_directory = "/";  // made if missing
    std::uint32_t uid = 0, gid = 0;
    std::vector<std::uint32_t> additional_gids;
    std::optional<std::uint32_t> umask;
    bool terminal = false;
    std::uint16_t terminal_rows = 0, terminal_columns = 0;
    bool keep_stdin_open = false;  // false: /dev/null
    CapabilityPlan capabilities;
    std::vector<RlimitPlan> rlimits;
    bool no_new_privileges = false;
    std::optional<int> oom_score_adj;
    std::string apparmor_profile, selinux_label;
    std::string seccomp_bpf;  // struct sock_filter[]; "" : none
    std::uint32_t seccomp_flags = 0;
    ProcessExtras extras;
};

struct LogPlan {
    std::string path;  // "": nothing is kept
    LogFormat format = LogFormat::Json;
    std::string attributes;       // of every entry: `"attrs":{...},` (json) or nothing
    std::uint64_t max_bytes = 0;  // rotate when larger; 0: never
    std::uint32_t max_files = 1;  // the current one included
    bool tell_rotation = false;   // a report to the daemon, which compresses
};

// A published port that the kernel cannot rewrite (IPv6 loopback, or no nftables): the shim accepts and relays.
struct RelayPlan {
    int listen_fd = -1;   // index of a received listening TCP socket
    std::string address;  // numeric, of the container
    std::uint16_t port = 0;
};

// A program that takes part in a container's life, with the container's state as its input.
struct HookPlan {
    std::string path;
    std::vector<std::string> args, environment;
    int timeout_seconds = 0;  // 0: none
};

struct HooksPlan {
    std::vector<HookPlan> prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct ClockOffset {
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
};

// What only bundles ask for; not on the wire.
struct BundlePlan {
    std::string version, directory;
    std::vector<std::pair<std::string, std::string>> annotations;
    HooksPlan hooks;
    std::vector<std::pair<std::string, ClockOffset>> time_offsets;  // "monotonic", "boottime"
    std::string seccomp_listener, seccomp_metadata;                 // socket on the host, text for who listens there
    std::string mount_label;
    bool no_pivot = false;
};

struct Plan {
    std::string id;         // 64 hex digits for the engine's containers
    std::string root_path;  // host path of the root file system, or
    int root_fd = -1;       // index of a received detached mount (fsmount(2), open_tree(2))
    bool root_readonly = false;
    std::uint64_t root_propagation = 0;  // of the container's whole tree; 0: private (MS_REC | MS_PRIVATE)
    std::string hostname, domainname;
    std::vector<NamespacePlan> namespaces;
    std::vector<IdMapping> uid_mappings, gid_mappings;
    std::vector<MountPlan> mounts;
    std::vector<DevicePlan> devices;
    std::vector<std::string> masked_paths, readonly_paths;
    std::vector<std::pair<std::string, std::string>> sysctl;
    std::string cgroup_path;  // below each hierarchy's root, e.g. "/pila/<id>"; "": none
    ResourcePlan resources;
    ProcessPlan process;
    bool init = false;            // --init: pila-runtime itself is PID 1, reaps and forwards signals
    std::string state_directory;  // shim only: exit record, socket (see shim.h)
    LogPlan log;
    std::vector<int> held_fds;  // shim only: received descriptors kept open while it lives (taken host ports)
    std::vector<RelayPlan> relays;
    BundlePlan bundle;
};

// Flat binary form, for a message to pila-runtime of the same build (a leading version guards against others).
std::string serialize(const Plan& plan);
Result<Plan> deserialize_plan(std::string_view bytes);
std::string serialize(const ProcessPlan& process);
Result<ProcessPlan> deserialize_process(std::string_view bytes);

}  // namespace pila::runtime

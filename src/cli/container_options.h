// SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything `run` and `create` can be told about a container, and the API's JSON for it.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/json.h"
#include "base/result.h"
#include "cli/flags.h"
#include "cli/network_options.h"

namespace pila::cli {

using Texts = std::vector<std::string>;
struct Ulimit {
    std::string name;
    std::int64_t soft = 0, hard = 0;
};
struct DeviceRate {
    std::string path;
    std::uint64_t rate = 0;
};

struct ContainerOptions {
    // streams
    Texts attach;  // "stdin", "stdout", "stderr"
    bool interactive = false, tty = false;
    // process
    Texts environment, environment_files, labels, label_files, group_add;
    std::string entrypoint, user, working_directory, stop_signal;
    std::int64_t stop_timeout = 0;
    bool init = false;
    // host name and network
    std::string hostname, domainname, mac_address, ip, ip6;
    std::vector<NetworkAttachment> networks;
    Texts network_aliases, link_local_ips, links, extra_hosts, dns, dns_search, dns_options, publish, expose;
    bool publish_all = false;
    // file systems
    Texts volumes, volumes_from, tmpfs, storage_options, devices, device_cgroup_rules;
    std::vector<std::string> mounts;  // each the JSON of one mount
    std::string volume_driver;
    bool read_only = false;
    std::int64_t shm_size = 0;
    // namespaces and security
    std::string pid, ipc, uts, userns, cgroupns, cgroup_parent, isolation, runtime, gpus;
    Texts cap_add, cap_drop, security_options, sysctls, annotations;
    bool privileged = false;
    // resources
    std::int64_t memory = 0, memory_reservation = 0, memory_swap = 0, memory_swappiness = -1, kernel_memory = 0;
    std::int64_t cpu_shares = 0, cpu_period = 0, cpu_quota = 0, cpu_rt_period = 0, cpu_rt_runtime = 0, nano_cpus = 0;
    std::int64_t cpu_count = 0, cpu_percent = 0, io_max_bandwidth = 0, io_max_iops = 0;
    std::string cpuset_cpus, cpuset_mems;
    std::int64_t pids_limit = 0, oom_score = 0;
    std::uint64_t blkio_weight = 0;
    bool oom_kill_disable = false;
    std::vector<Ulimit> ulimits;
    std::vector<DeviceRate> blkio_weight_devices, read_bps, write_bps, read_iops, write_iops;
    // life
    std::string restart = "no", log_driver, health_command, cid_file, platform, pull = "missing", name;
    Texts log_options;
    std::int64_t health_interval = 0, health_timeout = 0, health_start_period = 0, health_start_interval = 0,
                 health_retries = 0;
    bool no_healthcheck = false, remove = false, quiet = false, distrust = true;
    // not flags of a container
    bool detach = false;
    bool has_entrypoint = false, has_stop_timeout = false, has_init = false, has_rm = false;
};

// The flags that `run` and `create` share. `options` must outlive `flags`.
void add_container_flags(Flags& flags, ContainerOptions& options);

// The flags that `update` and `set` share, and the body of POST /containers/{id}/update.
void add_update_flags(Flags& flags, ContainerOptions& options);
Result<json::object> update_body(const ContainerOptions& options, const Flags& flags);

// The body of POST /containers/create. Errors are the user's (exit 125).
Result<json::object> container_body(const ContainerOptions& options, const std::string& image, const Texts& command,
                                    int api_minor);

// Pieces shared with `update` and `exec`.
FlagSetter ram_size(std::int64_t& target);
FlagSetter cpu_number(std::int64_t& nano_cpus);
FlagSetter environment_variable(Texts& target);
Result<std::pair<std::string, std::int64_t>> parse_restart_policy(std::string_view text);

}  // namespace pila::cli

// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a container was asked to be: Docker's Config, HostConfig and NetworkingConfig. Its persistent form is that JSON
// (defaults and image's settings filled in), kept as text and shown by inspect; the typed fields are what the engine
// acts on.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/health.h"
#include "engine/resources.h"
#include "image/image_store.h"
#include "network/network.h"

namespace pila::engine {

struct RestartPolicy {
    std::string name = "no";  // no, always, unless-stopped, on-failure
    std::int64_t maximum_retry_count = 0;
};

struct DeviceMapping {
    std::string host_path, container_path, permissions;
};

struct DeviceRequest {  // --gpus, CDI
    std::string driver;
    std::vector<std::string> ids;
    std::vector<std::vector<std::string>> capabilities;
};

struct UlimitSpec {
    std::string name;
    std::int64_t soft, hard;
};

struct MountSpec {
    std::string type;    // bind, volume, tmpfs, image
    std::string source;  // host path, volume name ("" : anonymous), image
    std::string target;
    bool read_only = false;
    std::string propagation;  // "", "rprivate", ...
    bool no_copy = false;
    bool create_source = false;  // -v makes a missing host directory, --mount does not
    bool recursive = true;       // what is mounted below the source, too
    bool recursive_read_only = true;
    std::string mode;  // of -v, as it was written
    std::string subpath;
    std::string driver;  // of a volume that is made
    std::map<std::string, std::string> driver_options, labels;
    std::string tmpfs_options;   // each with a comma before it
    bool is_tmpfs_flag = false;  // --tmpfs: inspect does not list it among the mounts
};

struct ContainerSpec {
    std::string config_json, host_config_json, networking_json;

    // Config
    std::string image, hostname, domainname, user, working_directory, stop_signal, mac_address;
    std::vector<std::string> environment, command, entrypoint;
    bool tty = false, open_stdin = false, stdin_once = false;
    bool attach_stdin = false, attach_stdout = false, attach_stderr = false;
    std::map<std::string, std::string> labels;
    std::vector<std::string> exposed_ports, anonymous_volumes;
    std::optional<std::int64_t> stop_timeout;
    HealthSettings health;

    // HostConfig
    std::string network_mode = "default", ipc_mode, pid_mode, uts_mode, userns_mode, cgroupns_mode, cgroup_parent;
    bool auto_remove = false, privileged = false, publish_all = false, read_only_root = false, init = false;
    RestartPolicy restart;
    std::vector<std::string> cap_add, cap_drop, security_options, group_add, dns, dns_options, dns_search, extra_hosts;
    std::vector<MountSpec> mounts;
    std::string volume_driver;  // for -v
    std::vector<std::string> volumes_from;
    std::vector<DeviceMapping> devices;
    std::vector<DeviceRequest> device_requests;
    std::vector<std::string> device_cgroup_rules, links;
    std::vector<UlimitSpec> ulimits;
    std::map<std::string, std::string> sysctls;
    std::vector<network::PortRequest> ports;
    std::int64_t shm_size = 64 << 20;
    std::optional<int> oom_score_adj;
    Resources resources;
    std::uint16_t console_rows = 0, console_columns = 0;
    std::string log_driver = "json-file";
    std::map<std::string, std::string> log_options;
    std::optional<std::vector<std::string>> masked_paths, readonly_paths;

    std::vector<network::EndpointRequest> endpoints;

    bool shares_network_of_container() const { return network_mode.starts_with("container:"); }
    std::vector<std::string> full_command() const;  // entrypoint + command
};
using SpecPointer = std::shared_ptr<const ContainerSpec>;

// The body of POST /containers/create over the image's configuration. Invalid: what is wrong, in which field.
// `id` names the container when no Hostname is given.
Result<ContainerSpec> make_spec(const json::object& body, const image::ImageConfig& image, const std::string& id);
// From the persistent form. Invalid: a damaged record.
Result<ContainerSpec> load_spec(std::string_view config, std::string_view host_config, std::string_view networking);

}  // namespace pila::engine

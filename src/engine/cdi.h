// SPDX-License-Identifier: Apache-2.0
#pragma once
// The Container Device Interface (CDI specification 0.3 to 1.0): files in which vendors say what of the machine a
// container gets with "vendor.com/class=name". Read anew at each start that asks for a device. Threads: any.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/spec.h"
#include "runtime/plan.h"

namespace pila::engine {

struct CdiDeviceNode {
    std::string path, host_path, type, permissions;
    std::optional<std::int64_t> major, minor, mode, uid, gid;
};
struct CdiMount {
    std::string host_path, container_path, type;
    std::vector<std::string> options;
};
struct CdiEdits {
    std::vector<std::string> environment;
    std::vector<CdiDeviceNode> nodes;
    std::vector<CdiMount> mounts;
    std::vector<std::uint32_t> groups;
    std::vector<std::string> unsupported;  // what is asked for and cannot be had: "hooks", ...
};
struct CdiDevice {
    std::string name;
    CdiEdits edits;
};
struct CdiSpec {
    std::string kind;
    CdiEdits edits;  // for each of the devices
    std::vector<CdiDevice> devices;
};

// YAML, of which JSON is a part. Bounded: 1 MiB, 1,024 devices, 4,096 items in all. Invalid: what is wrong.
Result<CdiSpec> parse_cdi_spec(std::string_view text);
bool is_cdi_name(std::string_view text);  // "vendor.com/class=name"

// What `names` stand for in `directories` (later ones win) becomes part of the plan. Invalid, in dockerd's words:
// "CDI device injection failed: unresolvable CDI devices ...".
Result<void> inject_cdi_devices(const std::vector<std::string>& directories, const std::vector<std::string>& names,
                                runtime::Plan& plan);

// DeviceRequests of a container: --gpus, and devices by CDI name. Nobody here drives GPUs without a CDI file.
Result<void> apply_device_requests(const ContainerSpec& spec, const std::vector<std::string>& directories,
                                   runtime::Plan& plan);

}  // namespace pila::engine

// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "runtime/device_filter_internal.h"
#include "runtime/launch_internal.h"
#include "runtime/limit_writer_internal.h"

namespace pila::runtime {

using os::Cgroup;
using os::CgroupMode;

Result<void> set_rdma(LimitWriter& writer, const ResourcePlan::Rdma& device) {
    auto number = [](std::optional<std::uint32_t> value) {
        return value ? std::to_string(*value) : std::string("max");
    };
    return writer.set_over(
        "rdma", "rdma.max",
        fmt::format("{} hca_handle={} hca_object={}", device.device, number(device.handles), number(device.objects)),
        device.device + " hca_handle=max hca_object=max");
}

static Result<void> set_limits(LimitWriter& writer, const ResourcePlan& resources) {
    TRY(writer.cgroup().mode() == CgroupMode::V1 ? set_limits_v1(writer, resources) : set_limits_v2(writer, resources));
    if (resources.pids_limit && *resources.pids_limit != 0)
        TRY(writer.set("pids", "pids.max", *resources.pids_limit < 0 ? "max" : std::to_string(*resources.pids_limit)));
    return {};
}

Result<void> update_resources(const Cgroup& cgroup, const ResourcePlan& resources) {
    LimitWriter writer(cgroup, LimitWriter::Remember::Yes);
    TRY(set_limits(writer, resources));
    writer.keep();
    return {};
}

Result<void> apply_resources(const Cgroup& cgroup, const ResourcePlan& resources) {
    LimitWriter writer(cgroup, LimitWriter::Remember::No);
    TRY(set_limits(writer, resources));
    if (resources.devices.empty()) return {};
    if (cgroup.mode() == CgroupMode::V2) return attach_device_filter(cgroup, resources.devices);
    return write_device_rules(cgroup, resources.devices);
}

}  // namespace pila::runtime

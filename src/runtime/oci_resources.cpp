// SPDX-License-Identifier: Apache-2.0
// linux.resources of a bundle's config.json.
#include "runtime/defaults.h"
#include "runtime/oci_internal.h"
#include "runtime/oci_json_internal.h"

namespace pila::runtime::oci {

namespace {

Result<void> read_device_rules(const json::object& resources, Plan& plan) {
    const auto* rules = TRY(array_member(resources, "devices"));
    for (const auto& value : *rules) {
        const auto* entry = TRY(element(value, "linux.resources.devices"));
        DeviceRule rule;
        rule.allow = TRY(flag_member(*entry, "allow"));
        auto type = TRY(text_member(*entry, "type"));
        rule.type = type.empty() ? 'a' : type[0];
        rule.major = TRY(number_member<std::int64_t>(*entry, "major")).value_or(-1);
        rule.minor = TRY(number_member<std::int64_t>(*entry, "minor")).value_or(-1);
        auto access = TRY(text_member(*entry, "access"));
        rule.access = access.empty() ? "rwm" : access;
        if (std::string_view("acb").find(rule.type) == std::string_view::npos ||
            rule.access.find_first_not_of("rwm") != std::string::npos)
            return wrong_type("linux.resources.devices", "rules with type a, b or c and access of r, w and m");
        plan.resources.devices.push_back(std::move(rule));
    }
    // As runc does: what every container needs is allowed whatever the bundle denies.
    auto defaults = default_device_rules();
    plan.resources.devices.insert(plan.resources.devices.end(), defaults.begin() + 1, defaults.end());
    return {};
}

Result<std::vector<DeviceLimit>> read_device_limits(const json::object& block, std::string_view key,
                                                    std::string_view field) {
    std::vector<DeviceLimit> limits;
    const auto* list = TRY(array_member(block, key));
    for (const auto& value : *list) {
        const auto* entry = TRY(element(value, key));
        DeviceLimit limit;
        limit.major = TRY(number_member<std::uint32_t>(*entry, "major")).value_or(0);
        limit.minor = TRY(number_member<std::uint32_t>(*entry, "minor")).value_or(0);
        auto number = TRY(number_member<std::uint64_t>(*entry, field));
        if (!number) continue;  // a leafWeight alone, which kernels no longer know
        limit.value = *number;
        limits.push_back(limit);
    }
    return limits;
}

Result<void> read_block_limits(const json::object& block, ResourcePlan& into) {
    into.block_weight = TRY(number_member<std::uint16_t>(block, "weight"));
    into.block_weight_devices = TRY(read_device_limits(block, "weightDevice", "weight"));
    into.read_bytes_devices = TRY(read_device_limits(block, "throttleReadBpsDevice", "rate"));
    into.write_bytes_devices = TRY(read_device_limits(block, "throttleWriteBpsDevice", "rate"));
    into.read_operations_devices = TRY(read_device_limits(block, "throttleReadIOPSDevice", "rate"));
    into.write_operations_devices = TRY(read_device_limits(block, "throttleWriteIOPSDevice", "rate"));
    return {};
}

}  // namespace

Result<void> read_resources(const json::object& linux_section, Plan& plan) {
    const auto* resources = TRY(object_member(linux_section, "resources"));
    static const json::object& none = *new json::object;
    if (!resources) resources = &none;
    auto& into = plan.resources;
    TRY(read_device_rules(*resources, plan));
    if (const auto* memory = TRY(object_member(*resources, "memory"))) {
        into.memory_limit = TRY(number_member<std::int64_t>(*memory, "limit"));
        into.memory_swap = TRY(number_member<std::int64_t>(*memory, "swap"));
        into.memory_reservation = TRY(number_member<std::int64_t>(*memory, "reservation"));
        into.memory_swappiness = TRY(number_member<std::uint64_t>(*memory, "swappiness"));
        if (member(*memory, "disableOOMKiller")) into.oom_kill_disable = TRY(flag_member(*memory, "disableOOMKiller"));
    }
    if (const auto* cpu = TRY(object_member(*resources, "cpu"))) {
        into.cpu_shares = TRY(number_member<std::uint64_t>(*cpu, "shares"));
        into.cpu_quota_us = TRY(number_member<std::int64_t>(*cpu, "quota"));
        into.cpu_period_us = TRY(number_member<std::uint64_t>(*cpu, "period"));
        into.cpu_realtime_runtime_us = TRY(number_member<std::int64_t>(*cpu, "realtimeRuntime"));
        into.cpu_realtime_period_us = TRY(number_member<std::uint64_t>(*cpu, "realtimePeriod"));
        into.cpuset_cpus = TRY(text_member(*cpu, "cpus"));
        into.cpuset_mems = TRY(text_member(*cpu, "mems"));
    }
    if (const auto* pids = TRY(object_member(*resources, "pids")))
        into.pids_limit = TRY(number_member<std::int64_t>(*pids, "limit"));
    if (const auto* block = TRY(object_member(*resources, "blockIO"))) TRY(read_block_limits(*block, into));
    if (const auto* unified = TRY(object_member(*resources, "unified"))) {
        for (const auto& [key, value] : *unified) {
            std::string name(key.data(), key.size());
            if (name.find('/') != std::string::npos)
                return wrong_type("linux.resources.unified", "keyed by file names");
            auto text = TRY(text_of(value, "linux.resources.unified"));
            into.unified.emplace_back(name, text);
        }
    }
    return {};
}

}  // namespace pila::runtime::oci

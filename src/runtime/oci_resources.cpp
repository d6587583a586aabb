// SPDX-License-Identifier: Apache-2.0
// linux.resources of a bundle's config.json.
#include "base/json.h"
#include "base/text.h"
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

Result<void> read_memory(const json::object& resources, ResourcePlan& into) {
    const auto* memory = TRY(object_member(resources, "memory"));
    if (!memory) return {};
    into.memory_limit = TRY(number_member<std::int64_t>(*memory, "limit"));
    into.memory_swap = TRY(number_member<std::int64_t>(*memory, "swap"));
    into.memory_reservation = TRY(number_member<std::int64_t>(*memory, "reservation"));
    // Written by callers for "not set".
    for (auto* value : {&into.memory_limit, &into.memory_swap, &into.memory_reservation})
        if (*value == 0) value->reset();
    into.memory_swappiness = TRY(number_member<std::uint64_t>(*memory, "swappiness"));
    into.memory_checked = TRY(flag_member(*memory, "checkBeforeUpdate"));
    if (member(*memory, "disableOOMKiller")) into.oom_kill_disable = TRY(flag_member(*memory, "disableOOMKiller"));
    return {};
}

Result<void> read_cpu(const json::object& resources, ResourcePlan& into) {
    const auto* cpu = TRY(object_member(resources, "cpu"));
    if (!cpu) return {};
    into.cpu_shares = TRY(number_member<std::uint64_t>(*cpu, "shares"));
    into.cpu_quota_us = TRY(number_member<std::int64_t>(*cpu, "quota"));
    into.cpu_period_us = TRY(number_member<std::uint64_t>(*cpu, "period"));
    into.cpu_burst_us = TRY(number_member<std::uint64_t>(*cpu, "burst"));
    into.cpu_idle = TRY(number_member<std::int64_t>(*cpu, "idle"));
    into.cpu_realtime_runtime_us = TRY(number_member<std::int64_t>(*cpu, "realtimeRuntime"));
    into.cpu_realtime_period_us = TRY(number_member<std::uint64_t>(*cpu, "realtimePeriod"));
    into.cpuset_cpus = TRY(text_member(*cpu, "cpus"));
    into.cpuset_mems = TRY(text_member(*cpu, "mems"));
    return {};
}

// It becomes part of a file's name.
Result<void> check_name(std::string_view name, std::string_view key) {
    bool good = !name.empty() && name.find('/') == std::string_view::npos && name.find('\n') == std::string_view::npos;
    return good ? Result<void>{} : Result<void>(wrong_type(key, "a name"));
}

Result<void> read_huge_pages(const json::object& resources, ResourcePlan& into) {
    const auto* list = TRY(array_member(resources, "hugepageLimits"));
    for (const auto& value : *list) {
        const auto* entry = TRY(element(value, "linux.resources.hugepageLimits"));
        ResourcePlan::HugePages pages;
        pages.size = TRY(text_member(*entry, "pageSize"));
        TRY(check_name(pages.size, "linux.resources.hugepageLimits.pageSize"));
        pages.limit = TRY(number_member<std::uint64_t>(*entry, "limit")).value_or(0);
        into.huge_pages.push_back(std::move(pages));
    }
    return {};
}

Result<void> read_network(const json::object& resources, ResourcePlan& into) {
    const auto* network = TRY(object_member(resources, "network"));
    if (!network) return {};
    into.network_class = TRY(number_member<std::uint32_t>(*network, "classID"));
    const auto* priorities = TRY(array_member(*network, "priorities"));
    for (const auto& value : *priorities) {
        const auto* entry = TRY(element(value, "linux.resources.network.priorities"));
        auto name = TRY(text_member(*entry, "name"));
        TRY(check_name(name, "linux.resources.network.priorities.name"));
        into.network_priorities.emplace_back(name, TRY(number_member<std::uint32_t>(*entry, "priority")).value_or(0));
    }
    return {};
}

Result<void> read_rdma(const json::object& resources, ResourcePlan& into) {
    const auto* devices = TRY(object_member(resources, "rdma"));
    if (!devices) return {};
    for (const auto& [key, value] : *devices) {
        const auto* entry = TRY(element(value, "linux.resources.rdma"));
        ResourcePlan::Rdma device{std::string(key.data(), key.size()), {}, {}};
        TRY(check_name(device.device, "linux.resources.rdma"));
        device.handles = TRY(number_member<std::uint32_t>(*entry, "hcaHandles"));
        device.objects = TRY(number_member<std::uint32_t>(*entry, "hcaObjects"));
        into.rdma.push_back(std::move(device));
    }
    return {};
}

Result<void> read_unified(const json::object& resources, ResourcePlan& into) {
    const auto* unified = TRY(object_member(resources, "unified"));
    if (!unified) return {};
    for (const auto& [key, value] : *unified) {
        std::string name(key.data(), key.size());
        if (name.find('/') != std::string::npos)
            return wrong_type("linux.resources.unified: " + printable(name), "the name of a file");
        auto text = TRY(text_of(value, "linux.resources.unified"));
        into.unified.emplace_back(name, text);
    }
    return {};
}

Result<void> read_limits(const json::object& resources, ResourcePlan& into) {
    TRY(read_memory(resources, into));
    TRY(read_cpu(resources, into));
    if (const auto* pids = TRY(object_member(resources, "pids")))
        into.pids_limit = TRY(number_member<std::int64_t>(*pids, "limit"));
    if (const auto* block = TRY(object_member(resources, "blockIO"))) TRY(read_block_limits(*block, into));
    TRY(read_huge_pages(resources, into));
    TRY(read_network(resources, into));
    TRY(read_rdma(resources, into));
    return read_unified(resources, into);
}

}  // namespace

Result<void> read_resources(const json::object& linux_section, Plan& plan) {
    const auto* resources = TRY(object_member(linux_section, "resources"));
    static const json::object& none = *new json::object;
    if (!resources) resources = &none;
    TRY(read_device_rules(*resources, plan));
    return read_limits(*resources, plan.resources);
}

Result<ResourcePlan> limits_of_json(std::string_view text) {
    auto parsed = TRY(parse_json(text, {.max_bytes = 4U << 20}).in("resources"));
    if (!parsed.is_object()) return Error(Errc::Invalid, "resources: must be an object");
    ResourcePlan limits;
    TRY(read_limits(parsed.get_object(), limits));
    return limits;
}

}  // namespace pila::runtime::oci

// SPDX-License-Identifier: Apache-2.0
#include "engine/devices.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <optional>

#include <fmt/core.h>

#include "base/text.h"
#include "engine/spec_internal.h"
#include "os/file.h"

namespace pila::engine {

static constexpr int deepest = 8;

static std::optional<runtime::DevicePlan> device_at(const std::string& host_path, std::string container_path) {
    struct stat info {};
    if (::lstat(host_path.c_str(), &info) < 0 || (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode))) return {};
    runtime::DevicePlan device;
    device.path = std::move(container_path);
    device.type = S_ISBLK(info.st_mode) ? 'b' : 'c';
    device.major = major(info.st_rdev);
    device.minor = minor(info.st_rdev);
    device.mode = info.st_mode & 07777;
    device.uid = info.st_uid;
    device.gid = info.st_gid;
    return device;
}

// Below a directory; links are left out: what they lead to is there too, or is nobody's business.
static void collect(const std::string& host, const std::string& container, int depth,
                    std::vector<runtime::DevicePlan>& found) {
    auto names = os::list_directory(host);
    for (const auto& name : names ? *names : std::vector<std::string>{}) {
        struct stat info {};
        auto path = host + "/" + name;
        if (::lstat(path.c_str(), &info) < 0) continue;
        if (S_ISDIR(info.st_mode) && depth < deepest) collect(path, container + "/" + name, depth + 1, found);
        if (auto device = device_at(path, container + "/" + name)) found.push_back(std::move(*device));
    }
}

// What of the host's /dev a container has of its own.
static bool is_private(std::string_view path) {
    static constexpr std::array<std::string_view, 10> names = {
        "/dev/pts/",  "/dev/shm/",         "/dev/fd/",    "/dev/mqueue/", "/dev/hugepages/",
        "/dev/.lxc/", "/dev/.lxd-mounts/", "/dev/.udev/", "/dev/console", "/dev/ptmx"};
    return std::any_of(names.begin(), names.end(), [&](auto name) { return path.starts_with(name); });
}

static void add_all_of_the_host(runtime::Plan& plan) {
    plan.resources.devices.push_back({true, 'a', -1, -1, "rwm"});
    std::vector<runtime::DevicePlan> found;
    collect("/dev", "/dev", 0, found);
    for (auto& device : found) {
        bool there = std::any_of(plan.devices.begin(), plan.devices.end(),
                                 [&](const auto& other) { return other.path == device.path; });
        if (!there && !is_private(device.path)) plan.devices.push_back(std::move(device));
    }
}

Result<runtime::DeviceRule> parse_device_rule(std::string_view text) {
    auto invalid = [&] { return Error(Errc::Invalid, fmt::format("invalid device cgroup rule format: '{}'", text)); };
    auto fields = split(text, ' ');
    if (fields.size() != 3 || fields[0].size() != 1 || fields[2].empty() || fields[2].size() > 3) return invalid();
    auto colon = fields[1].find(':');
    if (std::string_view("acb").find(fields[0]) == std::string_view::npos || colon == std::string_view::npos ||
        fields[2].find_first_not_of("rwm") != std::string_view::npos)
        return invalid();
    runtime::DeviceRule rule{true, fields[0][0], -1, -1, std::string(fields[2])};
    for (auto [number, target] :
         {std::pair{fields[1].substr(0, colon), &rule.major}, std::pair{fields[1].substr(colon + 1), &rule.minor}}) {
        if (number == "*") continue;
        auto value = parse_uint(number);
        if (!value || *value > 0xffffffffU) return invalid();
        *target = static_cast<std::int64_t>(*value);
    }
    return rule;
}

Result<void> add_devices(const ContainerSpec& spec, runtime::Plan& plan) {
    for (const auto& rule : spec.device_cgroup_rules) plan.resources.devices.push_back(TRY(parse_device_rule(rule)));
    if (spec.privileged) add_all_of_the_host(plan);
    for (const auto& mapping : spec.devices) {
        auto target = mapping.container_path.empty() ? mapping.host_path : mapping.container_path;
        std::unique_ptr<char, decltype(&std::free)> host(::realpath(mapping.host_path.c_str(), nullptr), &std::free);
        std::vector<runtime::DevicePlan> found;
        // Links are fine: /dev/disk/by-id/... is what people write.
        if (auto device = host ? device_at(host.get(), target) : std::nullopt)
            found.push_back(std::move(*device));
        else if (host)
            collect(host.get(), target, 0, found);
        if (found.empty())
            return Error(Errc::Invalid, fmt::format("error gathering device information while adding custom device {}: "
                                                    "{}",
                                                    json_quote(mapping.host_path),
                                                    host ? "not a device node" : "no such file or directory"));
        for (auto& device : found) {
            plan.resources.devices.push_back({true, device.type, device.major, device.minor,
                                              mapping.permissions.empty() ? "rwm" : mapping.permissions});
            auto same = std::find_if(plan.devices.begin(), plan.devices.end(),
                                     [&](const auto& other) { return other.path == device.path; });
            if (same == plan.devices.end())
                plan.devices.push_back(std::move(device));
            else
                *same = std::move(device);
        }
    }
    return {};
}

}  // namespace pila::engine

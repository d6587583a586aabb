// SPDX-License-Identifier: Apache-2.0
#include "engine/cdi.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <algorithm>
#include <map>
#include <set>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"
#include "os/file.h"

namespace pila::engine {

namespace {

constexpr std::size_t max_file = 1U << 20;

struct Found {
    CdiSpec spec;
    std::size_t directory = 0;  // its place in the order of priority
    std::string file;
};

std::vector<Found> read_specs(const std::vector<std::string>& directories) {
    std::vector<Found> specs;
    for (std::size_t i = 0; i < directories.size(); ++i) {
        auto names = os::list_directory(directories[i]);
        if (!names) continue;
        std::sort(names->begin(), names->end());
        for (const auto& name : *names) {
            if (!name.ends_with(".json") && !name.ends_with(".yaml")) continue;
            auto path = directories[i] + "/" + name;
            auto text = os::read_file(path, max_file);
            auto spec = text ? parse_cdi_spec(*text) : Result<CdiSpec>(text.take_error());
            if (spec)
                specs.push_back({spec.take(), i, path});
            else
                log::warning("{}: {}", path, spec.error().message());
        }
    }
    return specs;
}

struct Match {
    const Found* file = nullptr;
    const CdiDevice* device = nullptr;
};

// One of the highest priority. Two of the same: nobody knows which is meant, so it is none.
std::optional<Match> find_device(const std::vector<Found>& specs, std::string_view kind, std::string_view name) {
    std::vector<Match> matches;
    for (const auto& found : specs) {
        if (found.spec.kind != kind) continue;
        for (const auto& device : found.spec.devices)
            if (device.name == name) matches.push_back({&found, &device});
    }
    if (matches.empty()) return std::nullopt;
    auto best = matches.back();
    for (const auto& match : matches)
        if (match.file != best.file && match.file->directory == best.file->directory) return std::nullopt;
    return best;
}

Result<void> add_node(const CdiDeviceNode& node, runtime::Plan& plan) {
    runtime::DevicePlan device;
    device.path = node.path;
    auto host = node.host_path.empty() ? node.path : node.host_path;
    struct stat info {};
    bool exists = ::stat(host.c_str(), &info) == 0;
    bool complete = !node.type.empty() && (node.type == "p" || (node.major && node.minor));
    bool is_device = exists && (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode) || S_ISFIFO(info.st_mode));
    if (!complete && !is_device)
        return Error(Errc::Invalid,
                     fmt::format("CDI device injection failed: failed to stat CDI host device {}: {}", json_quote(host),
                                 exists ? "not a device node" : "no such file or directory"));
    if (is_device) {
        device.type = S_ISBLK(info.st_mode) ? 'b' : S_ISFIFO(info.st_mode) ? 'p' : 'c';
        device.major = major(info.st_rdev);
        device.minor = minor(info.st_rdev);
        device.mode = info.st_mode & 07777;
        device.uid = info.st_uid;
        device.gid = info.st_gid;
    }
    if (!node.type.empty()) device.type = node.type == "u" ? 'c' : node.type[0];
    auto take = [](std::uint32_t& target, const std::optional<std::int64_t>& value) {
        if (value) target = static_cast<std::uint32_t>(*value);
    };
    take(device.major, node.major);
    take(device.minor, node.minor);
    take(device.mode, node.mode);
    take(device.uid, node.uid);
    take(device.gid, node.gid);
    device.mode &= 07777;
    if (device.type != 'p')
        plan.resources.devices.push_back(
            {true, device.type, device.major, device.minor, node.permissions.empty() ? "rwm" : node.permissions});
    std::erase_if(plan.devices, [&](const auto& other) { return other.path == device.path; });
    plan.devices.push_back(std::move(device));
    return {};
}

void add_mount(const CdiMount& mount, runtime::Plan& plan) {
    runtime::MountPlan bind;
    bind.source = mount.host_path;
    bind.target = mount.container_path;
    bind.type = "bind";
    bind.flags = MS_BIND | MS_REC;
    bind.propagation = MS_PRIVATE | MS_REC;
    static constexpr std::pair<std::string_view, unsigned long> flags[] = {
        {"ro", MS_RDONLY}, {"nosuid", MS_NOSUID}, {"nodev", MS_NODEV}, {"noexec", MS_NOEXEC}};
    for (const auto& option : mount.options) {
        if (option == "bind") bind.flags &= ~std::uint64_t{MS_REC};
        for (const auto& [name, flag] : flags)
            if (option == name) bind.flags |= flag;
    }
    plan.mounts.push_back(std::move(bind));
}

Result<void> apply_edits(const CdiEdits& edits, const std::string& name, runtime::Plan& plan) {
    if (!edits.unsupported.empty())
        return Error(Errc::Unsupported,
                     fmt::format("CDI device injection failed: {} asks for {}, which pila does not have", name,
                                 join(edits.unsupported, ", ")));
    auto& environment = plan.process.environment;
    for (const auto& variable : edits.environment) {
        auto key = variable.substr(0, variable.find('=') + 1);
        std::erase_if(environment, [&](const auto& other) { return other.starts_with(key); });
        environment.push_back(variable);
    }
    for (const auto& node : edits.nodes) TRY(add_node(node, plan));
    for (const auto& mount : edits.mounts) add_mount(mount, plan);
    for (auto group : edits.groups) plan.process.additional_gids.push_back(group);
    return {};
}

// As Go prints a list of lists.
std::string capabilities_text(const std::vector<std::vector<std::string>>& sets) {
    std::vector<std::string> texts;
    for (const auto& set : sets) texts.push_back("[" + join(set, " ") + "]");
    return "[" + join(texts, " ") + "]";
}

}  // namespace

Result<void> inject_cdi_devices(const std::vector<std::string>& directories, const std::vector<std::string>& names,
                                runtime::Plan& plan) {
    auto specs = read_specs(directories);
    std::vector<std::string> unknown;
    std::vector<std::pair<Match, std::string>> matches;
    for (const auto& name : names) {
        auto equals = name.find('=');
        auto match = is_cdi_name(name) ? find_device(specs, std::string_view(name).substr(0, equals),
                                                     std::string_view(name).substr(equals + 1))
                                       : std::nullopt;
        if (match)
            matches.emplace_back(*match, name);
        else
            unknown.push_back(name);
    }
    if (!unknown.empty())
        return Error(Errc::Invalid, "CDI device injection failed: unresolvable CDI devices " + join(unknown, ", "));
    std::set<const Found*> done;
    for (const auto& [match, name] : matches) {
        if (done.insert(match.file).second) TRY(apply_edits(match.file->spec.edits, name, plan));
        TRY(apply_edits(match.device->edits, name, plan));
    }
    return {};
}

Result<void> apply_device_requests(const ContainerSpec& spec, const std::vector<std::string>& directories,
                                   runtime::Plan& plan) {
    std::vector<std::string> names;
    for (const auto& request : spec.device_requests) {
        if (request.driver != "cdi")
            return Error(Errc::Invalid,
                         fmt::format("could not select device driver {} with capabilities: {}",
                                     json_quote(request.driver), capabilities_text(request.capabilities)));
        names.insert(names.end(), request.ids.begin(), request.ids.end());
    }
    return names.empty() ? Result<void>{} : inject_cdi_devices(directories, names, plan);
}

}  // namespace pila::engine

// SPDX-License-Identifier: Apache-2.0
#include <sys/mount.h>
#include <sys/personality.h>
#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "os/capability.h"
#include "runtime/defaults.h"
#include "runtime/oci_internal.h"
#include "runtime/oci_json_internal.h"

namespace pila::runtime::oci {

namespace {

std::string absolute(const std::string& path, const std::string& bundle) {
    return !path.empty() && path[0] != '/' ? bundle + "/" + path : path;
}

Result<void> read_root(const json::object& config, const std::string& bundle, Plan& plan) {
    const auto* root = TRY(object_member(config, "root"));
    auto path = root ? TRY(text_member(*root, "path")) : std::string();
    if (path.empty()) return Error(Errc::Invalid, "config.json: root.path: is missing");
    plan.root_path = absolute(path, bundle);
    plan.root_readonly = TRY(flag_member(*root, "readonly"));
    return {};
}

Result<std::vector<IdMapping>> read_mappings(const json::object& linux_section, std::string_view key) {
    std::vector<IdMapping> mappings;
    const auto* entries = TRY(array_member(linux_section, key));
    for (const auto& value : *entries) {
        const auto* entry = TRY(element(value, key));
        auto inside = TRY(number_member<std::uint32_t>(*entry, "containerID")),
             outside = TRY(number_member<std::uint32_t>(*entry, "hostID"));
        auto size = TRY(number_member<std::uint32_t>(*entry, "size"));
        mappings.push_back({inside.value_or(0), outside.value_or(0), size.value_or(0)});
    }
    return mappings;
}

Result<void> read_mounts(const json::object& config, const std::string& bundle, Plan& plan) {
    const auto* mounts = TRY(array_member(config, "mounts"));
    for (const auto& value : *mounts) {
        const auto* entry = TRY(element(value, "mounts"));
        MountPlan mount;
        mount.target = TRY(text_member(*entry, "destination"));
        // Version 1.0.0 allowed relative ones; runc reads them as relative to the root.
        if (mount.target.empty()) return Error(Errc::Invalid, "config.json: mounts.destination: is missing");
        if (mount.target[0] != '/') mount.target.insert(0, "/");
        mount.type = TRY(text_member(*entry, "type"));
        mount.source = TRY(text_member(*entry, "source"));
        auto options = TRY(texts_member(*entry, "options"));
        for (const auto& option : options) TRY(apply_mount_option(option, mount));
        mount.uid_mappings = TRY(read_mappings(*entry, "uidMappings"));
        mount.gid_mappings = TRY(read_mappings(*entry, "gidMappings"));
        if (mount.uid_mappings.empty() != mount.gid_mappings.empty())
            return Error(Errc::Invalid, "config.json: mounts: uidMappings and gidMappings need each other");
        if (!mount.uid_mappings.empty()) mount.id_mapped = true;
        if (mount.type == "bind" || (mount.flags & MS_BIND) != 0) {
            mount.type = "bind";
            mount.flags |= MS_BIND;
            mount.source = absolute(mount.source, bundle);
        } else if (mount.id_mapped) {
            return Error(Errc::Invalid,
                         "config.json: mounts: " + printable(mount.target) + ": only bind mounts can be id-mapped");
        }
        if (mount.source.empty()) mount.source = mount.type;
        plan.mounts.push_back(std::move(mount));
    }
    return {};
}

Result<void> read_namespaces(const json::object& linux_section, Plan& plan) {
    static constexpr struct {
        std::string_view name;
        Namespace type;
    } types[] = {{"mount", Namespace::Mount}, {"pid", Namespace::Pid},         {"uts", Namespace::Uts},
                 {"ipc", Namespace::Ipc},     {"network", Namespace::Network}, {"cgroup", Namespace::Cgroup},
                 {"user", Namespace::User},   {"time", Namespace::Time}};
    const auto* namespaces = TRY(array_member(linux_section, "namespaces"));
    for (const auto& value : *namespaces) {
        const auto* entry = TRY(element(value, "linux.namespaces"));
        auto name = TRY(text_member(*entry, "type"));
        auto known = std::find_if(std::begin(types), std::end(types), [&](auto& type) { return type.name == name; });
        if (known == std::end(types))
            return Error(Errc::Invalid, "config.json: linux.namespaces: unknown type " + printable(name));
        for (const auto& other : plan.namespaces)
            if (other.type == known->type)
                return Error(Errc::Invalid, "config.json: linux.namespaces: " + name + " is there twice");
        auto path = TRY(text_member(*entry, "path"));
        plan.namespaces.push_back({.type = known->type, .path = path});
    }
    return {};
}

Result<void> read_devices(const json::object& linux_section, Plan& plan) {
    plan.devices = default_devices();
    const auto* devices = TRY(array_member(linux_section, "devices"));
    for (const auto& value : *devices) {
        const auto* entry = TRY(element(value, "linux.devices"));
        DevicePlan device;
        device.path = TRY(text_member(*entry, "path"));
        auto type = TRY(text_member(*entry, "type"));
        if (device.path.empty() || type.size() != 1 || std::string_view("cubp").find(type[0]) == std::string_view::npos)
            return wrong_type("linux.devices", "devices with path and type c, u, b or p");
        device.type = type[0] == 'u' ? 'c' : type[0];
        device.major = TRY(number_member<std::uint32_t>(*entry, "major")).value_or(0);
        device.minor = TRY(number_member<std::uint32_t>(*entry, "minor")).value_or(0);
        device.mode = TRY(number_member<std::uint32_t>(*entry, "fileMode")).value_or(0666) & 07777;
        device.uid = TRY(number_member<std::uint32_t>(*entry, "uid")).value_or(0);
        device.gid = TRY(number_member<std::uint32_t>(*entry, "gid")).value_or(0);
        auto same = std::find_if(plan.devices.begin(), plan.devices.end(),
                                 [&](auto& other) { return other.path == device.path; });
        if (same != plan.devices.end())
            *same = device;
        else
            plan.devices.push_back(device);
    }
    return {};
}

Result<void> read_propagation(const json::object& section, Plan& plan) {
    auto propagation = TRY(text_member(section, "rootfsPropagation"));
    if (propagation.empty()) return {};
    MountPlan parsed;
    TRY(apply_mount_option(propagation, parsed));
    if (parsed.propagation == 0)
        return Error(Errc::Invalid, "config.json: linux.rootfsPropagation: unknown: " + printable(propagation));
    plan.root_propagation = parsed.propagation;
    return {};
}

Result<void> read_personality(const json::object& section, Plan& plan) {
    const auto* personality = TRY(object_member(section, "personality"));
    if (!personality) return {};
    auto domain = TRY(text_member(*personality, "domain"));
    if (domain != "LINUX" && domain != "LINUX32")
        return Error(Errc::Invalid, "config.json: linux.personality.domain: unknown: " + printable(domain));
    const auto* flags = TRY(array_member(*personality, "flags"));
    if (!flags->empty()) return Error(Errc::Unsupported, "config.json: linux.personality.flags: there are none");
    plan.process.extras.personality = domain == "LINUX" ? PER_LINUX : PER_LINUX32;
    return {};
}

Result<void> read_time_offsets(const json::object& section, Plan& plan) {
    const auto* offsets = TRY(object_member(section, "timeOffsets"));
    if (!offsets || offsets->empty()) return {};
    auto own = std::any_of(plan.namespaces.begin(), plan.namespaces.end(),
                           [](const auto& entry) { return entry.type == Namespace::Time && entry.path.empty(); });
    if (!own) return Error(Errc::Invalid, "config.json: linux.timeOffsets: needs a new time namespace");
    for (const auto& [key, value] : *offsets) {
        std::string clock(key.data(), key.size());
        if (clock != "monotonic" && clock != "boottime")
            return Error(Errc::Invalid, "config.json: linux.timeOffsets: unknown clock " + printable(clock));
        const auto* entry = TRY(element(value, "linux.timeOffsets"));
        ClockOffset offset;
        offset.seconds = TRY(number_member<std::int64_t>(*entry, "secs")).value_or(0);
        offset.nanoseconds = TRY(number_member<std::uint32_t>(*entry, "nanosecs")).value_or(0);
        plan.bundle.time_offsets.emplace_back(clock, offset);
    }
    return {};
}

// What is never done silently by halves.
Result<void> refuse_others(const json::object& section) {
    for (auto [key, why] : {std::pair{"intelRdt", "cache and memory bandwidth allocation is not supported"},
                            std::pair{"netDevices", "moving network devices is not supported"}})
        if (const auto* value = member(section, key); value && value->is_object() && !value->get_object().empty())
            return Error(Errc::Unsupported, fmt::format("config.json: linux.{}: {}", key, why));
    return {};
}

Result<void> read_seccomp(const json::object& section, Plan& plan) {
    const auto* filter = TRY(object_member(section, "seccomp"));
    if (!filter) return {};
    auto profile = TRY(seccomp_profile(*filter));
    plan.process.seccomp_bpf = TRY(seccomp::compile(profile));
    return read_seccomp_options(*filter, profile, plan);
}

Result<void> read_linux(const json::object& config, Plan& plan) {
    static const json::object& none = *new json::object;
    const auto* section = TRY(object_member(config, "linux"));
    if (!section) section = &none;
    TRY(refuse_others(*section));
    TRY(read_namespaces(*section, plan));
    plan.uid_mappings = TRY(read_mappings(*section, "uidMappings"));
    plan.gid_mappings = TRY(read_mappings(*section, "gidMappings"));
    TRY(read_devices(*section, plan));
    TRY(read_resources(*section, plan));
    plan.masked_paths = TRY(texts_member(*section, "maskedPaths"));
    plan.readonly_paths = TRY(texts_member(*section, "readonlyPaths"));
    plan.cgroup_path = TRY(text_member(*section, "cgroupsPath"));
    if (const auto* sysctl = TRY(object_member(*section, "sysctl"))) {
        for (const auto& [key, value] : *sysctl) {
            auto text = TRY(text_of(value, "linux.sysctl"));
            plan.sysctl.emplace_back(std::string(key.data(), key.size()), text);
        }
    }
    TRY(read_propagation(*section, plan));
    TRY(read_personality(*section, plan));
    TRY(read_time_offsets(*section, plan));
    plan.bundle.mount_label = TRY(text_member(*section, "mountLabel"));
    return read_seccomp(*section, plan);
}

Result<HookPlan> read_hook(const json::object& entry, std::string_view kind) {
    HookPlan hook;
    auto name = fmt::format("hooks.{}", kind);
    hook.path = TRY(text_member(entry, "path").in(name));
    if (hook.path.empty() || hook.path[0] != '/') return wrong_type(name + ".path", "an absolute path");
    hook.args = TRY(texts_member(entry, "args").in(name));
    hook.environment = TRY(texts_member(entry, "env").in(name));
    auto timeout = TRY(number_member<int>(entry, "timeout").in(name));
    if (timeout && *timeout <= 0) return wrong_type(name + ".timeout", "more than 0");
    hook.timeout_seconds = timeout.value_or(0);
    if (hook.args.empty()) hook.args.push_back(hook.path);
    return hook;
}

Result<void> read_hooks(const json::object& config, HooksPlan& into) {
    const auto* hooks = TRY(object_member(config, "hooks"));
    if (!hooks) return {};
    for (auto [kind, list] :
         {std::pair{"prestart", &into.prestart}, std::pair{"createRuntime", &into.create_runtime},
          std::pair{"createContainer", &into.create_container}, std::pair{"startContainer", &into.start_container},
          std::pair{"poststart", &into.poststart}, std::pair{"poststop", &into.poststop}}) {
        const auto* entries = TRY(array_member(*hooks, kind).in("hooks"));
        for (const auto& value : *entries) {
            const auto* entry = TRY(element(value, fmt::format("hooks.{}", kind)));
            list->push_back(TRY(read_hook(*entry, kind)));
        }
    }
    return {};
}

Result<void> read_annotations(const json::object& config, Plan& plan) {
    const auto* annotations = TRY(object_member(config, "annotations"));
    if (!annotations) return {};
    for (const auto& [key, value] : *annotations) {
        auto text = TRY(text_of(value, "annotations"));
        plan.bundle.annotations.emplace_back(std::string(key.data(), key.size()), text);
    }
    return {};
}

}  // namespace

Result<Plan> plan_of_config(std::string_view text, const std::string& bundle) {
    auto parsed = TRY(parse_json(text, {.max_bytes = 4U << 20}).in("config.json"));
    if (!parsed.is_object()) return Error(Errc::Invalid, "config.json: must be an object");
    const auto& config = parsed.get_object();
    auto version = TRY(text_member(config, "ociVersion"));
    if (version.compare(0, 2, "1.") != 0)
        return Error(Errc::Unsupported, "config.json: ociVersion \"" + printable(version) + "\": 1.x is supported");
    Plan plan;
    plan.bundle.version = version;
    plan.bundle.directory = bundle;
    TRY(read_hooks(config, plan.bundle.hooks));
    TRY(read_annotations(config, plan));
    TRY(read_root(config, bundle, plan));
    const auto* process = TRY(object_member(config, "process"));
    if (!process) return Error(Errc::Invalid, "config.json: process: is missing");
    TRY(read_process(*process, plan.process));
    TRY(read_mounts(config, bundle, plan));
    plan.hostname = TRY(text_member(config, "hostname"));
    plan.domainname = TRY(text_member(config, "domainname"));
    TRY(read_linux(config, plan));
    return plan;
}

}  // namespace pila::runtime::oci

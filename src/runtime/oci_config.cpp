// SPDX-License-Identifier: Apache-2.0
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "os/capability.h"
#include "runtime/defaults.h"
#include "runtime/oci_internal.h"
#include "runtime/oci_json_internal.h"

namespace pila::runtime::oci {

namespace {

constexpr struct {
    std::string_view name;
    int number;
} resource_limits[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK}};

Result<std::uint64_t> capability_set(const json::object& object, std::string_view key) {
    std::uint64_t set = 0;
    auto names = TRY(texts_member(object, key));
    for (const auto& name : names) {
        auto number = os::capability_by_name(name);
        // Newer than this program or this kernel: the specification asks for a warning at most, it cannot be granted.
        if (number) set |= std::uint64_t{1} << *number;
    }
    return set;
}

Result<void> read_capabilities(const json::object& process, ProcessPlan& plan) {
    const auto* sets = TRY(object_member(process, "capabilities"));
    if (!sets) return {};
    plan.capabilities.bounding = TRY(capability_set(*sets, "bounding"));
    plan.capabilities.effective = TRY(capability_set(*sets, "effective"));
    plan.capabilities.permitted = TRY(capability_set(*sets, "permitted"));
    plan.capabilities.inheritable = TRY(capability_set(*sets, "inheritable"));
    plan.capabilities.ambient = TRY(capability_set(*sets, "ambient"));
    return {};
}

Result<void> read_rlimits(const json::object& process, ProcessPlan& plan) {
    const auto* limits = TRY(array_member(process, "rlimits"));
    for (const auto& value : *limits) {
        const auto* entry = TRY(element(value, "process.rlimits"));
        auto type = TRY(text_member(*entry, "type"));
        auto known = std::find_if(std::begin(resource_limits), std::end(resource_limits),
                                  [&](auto& limit) { return limit.name == type; });
        if (known == std::end(resource_limits))
            return Error(Errc::Invalid, "config.json: process.rlimits: unknown type " + printable(type));
        auto soft = TRY(number_member<std::uint64_t>(*entry, "soft")),
             hard = TRY(number_member<std::uint64_t>(*entry, "hard"));
        plan.rlimits.push_back({known->number, soft.value_or(0), hard.value_or(0)});
    }
    return {};
}

Result<void> read_user(const json::object& process, ProcessPlan& plan) {
    const auto* user = TRY(object_member(process, "user"));
    if (!user) return {};
    plan.uid = TRY(number_member<std::uint32_t>(*user, "uid")).value_or(0);
    plan.gid = TRY(number_member<std::uint32_t>(*user, "gid")).value_or(0);
    plan.umask = TRY(number_member<std::uint32_t>(*user, "umask"));
    const auto* groups = TRY(array_member(*user, "additionalGids"));
    for (const auto& group : *groups) {
        if (!group.is_int64() || group.get_int64() < 0 || group.get_int64() > UINT32_MAX)
            return wrong_type("process.user.additionalGids", "numbers");
        plan.additional_gids.push_back(static_cast<std::uint32_t>(group.get_int64()));
    }
    return {};
}

Result<void> read_process(const json::object& config, Plan& plan) {
    const auto* process = TRY(object_member(config, "process"));
    if (!process) return Error(Errc::Invalid, "config.json: process: is missing");
    auto& into = plan.process;
    into.args = TRY(texts_member(*process, "args"));
    if (into.args.empty()) return Error(Errc::Invalid, "config.json: process.args: must not be empty");
    into.environment = TRY(texts_member(*process, "env"));
    into.working_directory = TRY(text_member(*process, "cwd"));
    into.terminal = TRY(flag_member(*process, "terminal"));
    if (const auto* size = TRY(object_member(*process, "consoleSize"))) {
        into.terminal_rows = TRY(number_member<std::uint16_t>(*size, "height")).value_or(0);
        into.terminal_columns = TRY(number_member<std::uint16_t>(*size, "width")).value_or(0);
    }
    into.no_new_privileges = TRY(flag_member(*process, "noNewPrivileges"));
    into.apparmor_profile = TRY(text_member(*process, "apparmorProfile"));
    into.selinux_label = TRY(text_member(*process, "selinuxLabel"));
    into.oom_score_adj = TRY(number_member<int>(*process, "oomScoreAdj"));
    into.keep_stdin_open = true;
    TRY(read_user(*process, into));
    TRY(read_rlimits(*process, into));
    return read_capabilities(*process, into);
}

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
        if (mount.type == "bind" || (mount.flags & MS_BIND) != 0) {
            mount.type = "bind";
            mount.flags |= MS_BIND;
            mount.source = absolute(mount.source, bundle);
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

Result<void> read_linux(const json::object& config, Plan& plan) {
    static const json::object& none = *new json::object;
    const auto* section = TRY(object_member(config, "linux"));
    if (!section) section = &none;
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
    auto propagation = TRY(text_member(*section, "rootfsPropagation"));
    if (!propagation.empty()) {
        MountPlan parsed;
        TRY(apply_mount_option(propagation, parsed));
        if (parsed.propagation == 0)
            return Error(Errc::Invalid, "config.json: linux.rootfsPropagation: unknown: " + printable(propagation));
        plan.root_propagation = parsed.propagation;
    }
    if (const auto* filter = TRY(object_member(*section, "seccomp"))) {
        auto profile = TRY(seccomp_profile(*filter));
        plan.process.seccomp_bpf = TRY(seccomp::compile(profile));
    }
    return {};
}

Result<void> refuse_hooks(const json::object& config) {
    const auto* hooks = TRY(object_member(config, "hooks"));
    if (!hooks) return {};
    for (const auto& [kind, list] : *hooks)
        if (list.is_array() && !list.get_array().empty())
            return Error(Errc::Unsupported, fmt::format("config.json: hooks.{}: hooks are not supported yet",
                                                        printable(std::string_view(kind.data(), kind.size()))));
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
    TRY(refuse_hooks(config));
    TRY(read_root(config, bundle, plan));
    TRY(read_process(config, plan));
    TRY(read_mounts(config, bundle, plan));
    plan.hostname = TRY(text_member(config, "hostname"));
    plan.domainname = TRY(text_member(config, "domainname"));
    TRY(read_linux(config, plan));
    return plan;
}

}  // namespace pila::runtime::oci

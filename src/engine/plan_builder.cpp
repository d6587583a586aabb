// SPDX-License-Identifier: Apache-2.0
#include "engine/plan_builder.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "engine/cdi.h"
#include "engine/devices.h"
#include "engine/security.h"
#include "os/file.h"
#include "runtime/defaults.h"

namespace pila::engine {

static constexpr std::string_view default_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static void set_default(std::vector<std::string>& environment, std::string_view assignment) {
    auto name = assignment.substr(0, assignment.find('=') + 1);
    bool there =
        std::any_of(environment.begin(), environment.end(), [&](const auto& item) { return item.starts_with(name); });
    if (!there) environment.emplace_back(assignment);
}

// Docker's order: PATH, HOSTNAME, TERM, then the container's own (which may replace the three), HOME last.
static std::vector<std::string> environment_of(const ContainerSpec& spec, bool tty, const std::string& home) {
    std::vector<std::string> environment{std::string(default_path), "HOSTNAME=" + spec.hostname};
    if (tty) environment.emplace_back("TERM=xterm");
    for (const auto& variable : spec.environment) {
        auto equals = variable.find('=');
        auto name = variable.substr(0, equals) + "=";
        auto same = std::find_if(environment.begin(), environment.end(),
                                 [&](const auto& item) { return item.starts_with(name); });
        if (equals == std::string::npos) {  // a name alone removes
            if (same != environment.end()) environment.erase(same);
        } else if (same != environment.end()) {
            *same = variable;
        } else {
            environment.push_back(variable);
        }
    }
    set_default(environment, "HOME=" + home);
    return environment;
}

static Result<void> apply_limits(const ContainerSpec& spec, runtime::ProcessPlan& process) {
    struct NamedLimit {
        std::string_view name;
        int resource;
    };
    static constexpr NamedLimit limits[] = {
        {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
        {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
        {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
        {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
        {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
        {"stack", RLIMIT_STACK},
    };
    for (const auto& asked : spec.ulimits) {
        auto found = std::find_if(std::begin(limits), std::end(limits),
                                  [&](const auto& item) { return item.name == asked.name; });
        if (found == std::end(limits)) return Error(Errc::Invalid, "invalid ulimit type: " + asked.name);
        auto as_limit = [](std::int64_t value) {
            return value < 0 ? RLIM_INFINITY : static_cast<std::uint64_t>(value);
        };
        process.rlimits.push_back({found->resource, as_limit(asked.soft), as_limit(asked.hard)});
    }
    return {};
}

static std::uint64_t propagation_flag(const std::string& name) {
    if (name == "shared") return MS_SHARED;
    if (name == "rshared") return MS_SHARED | MS_REC;
    if (name == "slave") return MS_SLAVE;
    if (name == "rslave") return MS_SLAVE | MS_REC;
    if (name == "private") return MS_PRIVATE;
    return MS_PRIVATE | MS_REC;
}

static void apply_tmpfs_option(std::string_view option, runtime::MountPlan& mount) {
    static constexpr struct {
        std::string_view name;
        std::uint64_t flag;
        bool clear;
    } flags[] = {{"", 0, false},
                 {"defaults", 0, false},
                 {"ro", MS_RDONLY, false},
                 {"rw", MS_RDONLY, true},
                 {"suid", MS_NOSUID, true},
                 {"nosuid", MS_NOSUID, false},
                 {"dev", MS_NODEV, true},
                 {"nodev", MS_NODEV, false},
                 {"exec", MS_NOEXEC, true},
                 {"noexec", MS_NOEXEC, false},
                 {"sync", MS_SYNCHRONOUS, false},
                 {"async", MS_SYNCHRONOUS, true},
                 {"dirsync", MS_DIRSYNC, false},
                 {"atime", MS_NOATIME, true},
                 {"noatime", MS_NOATIME, false},
                 {"diratime", MS_NODIRATIME, true},
                 {"nodiratime", MS_NODIRATIME, false},
                 {"relatime", MS_RELATIME, false},
                 {"strictatime", MS_STRICTATIME, false}};
    for (const auto& [name, flag, clear] : flags) {
        if (option != name) continue;
        mount.flags = clear ? mount.flags & ~flag : mount.flags | flag;
        return;
    }
    mount.data += (mount.data.empty() ? "" : ",") + std::string(option);
}

// Shared memory goes with the IPC namespace.
static void place_shared_memory(const PlanInputs& inputs, const ContainerSpec& spec, runtime::Plan& plan) {
    auto is_shm = [](const auto& mount) { return mount.target == "/dev/shm" && mount.type == "tmpfs"; };
    if (spec.ipc_mode == "none") {
        std::erase_if(plan.mounts, is_shm);
        return;
    }
    for (auto& mount : plan.mounts) {
        if (!is_shm(mount)) continue;
        auto donors = inputs.source_indices.find(shared_memory_of_donor);
        if (spec.ipc_mode != "host" && donors == inputs.source_indices.end()) {
            mount.data = fmt::format("mode=1777,size={}", spec.shm_size);
            continue;
        }
        mount.type = "bind";
        mount.source = "/dev/shm";
        mount.flags = MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC;
        mount.propagation = MS_PRIVATE;
        mount.data.clear();
        if (donors != inputs.source_indices.end()) mount.source_fd = donors->second;
    }
}

// Parents before what is mounted inside them.
void sort_by_depth(std::vector<VolumeMount>& volumes) {
    std::stable_sort(volumes.begin(), volumes.end(), [](const auto& a, const auto& b) {
        return std::count(a.destination.begin(), a.destination.end(), '/') <
               std::count(b.destination.begin(), b.destination.end(), '/');
    });
}

runtime::MountPlan mount_plan_of(const VolumeMount& volume, int source_fd) {
    runtime::MountPlan mount;
    mount.target = volume.destination;
    if (volume.type == "tmpfs") {
        mount.source = mount.type = "tmpfs";
        mount.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | (volume.writable ? 0 : MS_RDONLY);
        for (auto option : split(volume.mode, ',')) apply_tmpfs_option(option, mount);
        return mount;
    }
    mount.source = volume.source;
    mount.type = "bind";
    mount.flags = MS_BIND | (volume.recursive ? MS_REC : 0) | (volume.writable ? 0 : MS_RDONLY);
    mount.propagation = propagation_flag(volume.propagation);
    mount.recursive_readonly = !volume.writable && volume.recursive_read_only;
    mount.source_fd = source_fd;
    return mount;
}

static void add_mounts(const PlanInputs& inputs, const ContainerSpec& spec, runtime::Plan& plan) {
    auto bind = [&](std::string source, std::string target, bool read_only, std::uint64_t propagation) {
        runtime::MountPlan mount;
        mount.source = std::move(source);
        mount.target = std::move(target);
        mount.type = "bind";
        mount.flags = MS_BIND | MS_REC | (read_only ? MS_RDONLY : 0);
        mount.propagation = propagation;
        plan.mounts.push_back(std::move(mount));
    };
    auto volumes = inputs.container->volumes().list();
    auto covered = [&](const std::string& target) {
        return std::any_of(volumes.begin(), volumes.end(),
                           [&](const auto& volume) { return volume.destination == target; });
    };
    for (const auto* name : {"resolv.conf", "hostname", "hosts"}) {
        auto target = fmt::format("/etc/{}", name);
        if (!covered(target))
            bind(inputs.files_directory + "/" + name, target, spec.read_only_root, MS_PRIVATE | MS_REC);
    }
    place_shared_memory(inputs, spec, plan);
    sort_by_depth(volumes);
    for (const auto& volume : volumes) {
        auto source = inputs.source_indices.find(volume.destination);
        plan.mounts.push_back(mount_plan_of(volume, source == inputs.source_indices.end() ? -1 : source->second));
    }
}

static void choose_namespaces(const PlanInputs& inputs, const ContainerSpec& spec, runtime::Plan& plan) {
    using runtime::Namespace;
    plan.namespaces.clear();
    plan.namespaces.push_back({Namespace::Mount, "", -1});
    if (!inputs.pid_path.empty())
        plan.namespaces.push_back({Namespace::Pid, inputs.pid_path, -1});
    else if (spec.pid_mode != "host")
        plan.namespaces.push_back({Namespace::Pid, "", -1});
    if (spec.uts_mode != "host") plan.namespaces.push_back({Namespace::Uts, "", -1});
    if (!inputs.ipc_path.empty())
        plan.namespaces.push_back({Namespace::Ipc, inputs.ipc_path, -1});
    else if (spec.ipc_mode != "host")
        plan.namespaces.push_back({Namespace::Ipc, "", -1});
    if (spec.cgroupns_mode != "host") plan.namespaces.push_back({Namespace::Cgroup, "", -1});
    if (!inputs.network_path.empty())
        plan.namespaces.push_back({Namespace::Network, inputs.network_path, -1});
    else if (inputs.own_network)
        plan.namespaces.push_back({Namespace::Network, "", inputs.network_index});
    if (!inputs.ids) return;
    plan.namespaces.push_back({Namespace::User, "", inputs.user_index});
    for (const auto& range : inputs.ids->map.users)
        plan.uid_mappings.push_back({range.inside, range.outside, range.count});
    for (const auto& range : inputs.ids->map.groups)
        plan.gid_mappings.push_back({range.inside, range.outside, range.count});
}

Result<runtime::Plan> build_plan(const PlanInputs& inputs) {
    auto spec = inputs.container->spec();
    auto plan = spec->privileged ? runtime::privileged_plan() : runtime::default_plan();
    plan.id = inputs.container->id();
    plan.root_fd = inputs.root_index;
    plan.root_readonly = spec->read_only_root;
    plan.hostname = spec->uts_mode == "host" ? "" : spec->hostname;
    plan.domainname = spec->domainname;
    choose_namespaces(inputs, *spec, plan);
    add_mounts(inputs, *spec, plan);
    if (spec->masked_paths) plan.masked_paths = *spec->masked_paths;
    if (spec->readonly_paths) plan.readonly_paths = *spec->readonly_paths;
    for (const auto& [key, value] : spec->sysctls) plan.sysctl.emplace_back(key, value);
    plan.cgroup_path = inputs.cgroup_path;
    TRY(plan_resources(spec->resources, plan.resources));
    TRY(add_devices(*spec, plan));
    plan.init = spec->init;
    plan.state_directory = inputs.state_directory;

    for (auto& mount : plan.mounts)
        if (mount.type == "cgroup" && TRY(read_security_options(spec->security_options)).writable_cgroups)
            mount.flags &= ~std::uint64_t{MS_RDONLY};

    auto& process = plan.process;
    process.args = spec->full_command();
    if (process.args.empty()) return Error(Errc::Invalid, "No command specified");
    process.environment = environment_of(*spec, spec->tty, inputs.user.home);
    process.working_directory = spec->working_directory.empty() ? "/" : spec->working_directory;
    process.uid = inputs.user.uid;
    process.gid = inputs.user.gid;
    process.additional_gids = inputs.user.additional_gids;
    process.terminal = spec->tty;
    process.terminal_rows = spec->console_rows;
    process.terminal_columns = spec->console_columns;
    process.keep_stdin_open = spec->open_stdin;
    process.oom_score_adj = spec->oom_score_adj;
    auto capabilities = TRY(capabilities_of(*spec));
    process.capabilities = {};
    process.capabilities.bounding = capabilities;
    if (process.uid == 0) process.capabilities.effective = process.capabilities.permitted = capabilities;
    TRY(apply_security(*spec, capabilities, inputs.security, process));
    TRY(apply_limits(*spec, process));
    TRY(apply_device_requests(*spec, inputs.cdi_directories, plan));
    return plan;
}

static Result<runtime::ProcessPlan> exec_process_of(const ContainerSpec& spec, const ExecSpec& exec,
                                                    const ResolvedUser& user, const SecurityDefaults& security) {
    runtime::ProcessPlan process;
    process.args = exec.command;
    process.environment = environment_of(spec, exec.tty, user.home);
    for (const auto& variable : exec.environment) {
        auto name = variable.substr(0, variable.find('=')) + "=";
        std::erase_if(process.environment, [&](const auto& item) { return item.starts_with(name); });
        if (variable.find('=') != std::string::npos) process.environment.push_back(variable);
    }
    process.working_directory = !exec.working_directory.empty()  ? exec.working_directory
                                : spec.working_directory.empty() ? "/"
                                                                 : spec.working_directory;
    process.uid = user.uid;
    process.gid = user.gid;
    process.additional_gids = user.additional_gids;
    process.terminal = exec.tty;
    process.terminal_rows = exec.rows;
    process.terminal_columns = exec.columns;
    process.keep_stdin_open = exec.attach_stdin;
    auto privileged = spec;
    privileged.privileged = spec.privileged || exec.privileged;
    auto capabilities = TRY(capabilities_of(privileged));
    process.capabilities.bounding = capabilities;
    if (process.uid == 0) process.capabilities.effective = process.capabilities.permitted = capabilities;
    TRY(apply_security(spec, capabilities, security, process));
    TRY(apply_limits(spec, process));
    return process;
}

Result<runtime::ProcessPlan> build_exec_process(const Container& container, const ExecSpec& exec,
                                                const SecurityDefaults& security) {
    auto spec = container.spec();
    auto root = TRY(os::open(fmt::format("/proc/{}/root", container.state().pid), O_PATH | O_DIRECTORY));
    auto user = TRY(resolve_user_in(root, exec.user.empty() ? spec->user : exec.user, spec->group_add));
    return exec_process_of(*spec, exec, user, security);
}

}  // namespace pila::engine

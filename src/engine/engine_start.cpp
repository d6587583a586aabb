// SPDX-License-Identifier: Apache-2.0
// Starting a container: network, files, root, plan, shim.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/container_files.h"
#include "engine/engine.h"
#include "engine/etc_files.h"
#include "engine/file_view.h"
#include "engine/health_checks.h"
#include "engine/lingering_roots.h"
#include "engine/plan_builder.h"
#include "engine/spec_internal.h"
#include "os/file.h"

namespace pila::engine {

Result<Changed> Engine::start(const Context& context, std::string_view reference) {
    auto [container, guard] = TRY(hold(reference));
    auto state = container->state();
    if (state.status == Status::Paused)
        return Error(Errc::Conflict, "cannot start a paused container, try unpause instead");
    if (state.is_running()) return Changed::No;
    container->update([](ContainerState& current) {
        current.stopped_by_user = false;
        current.restart_count = current.quick_restarts = 0;
    });
    TRY(start_locked(context, container));
    return Changed::Yes;
}

Result<network::Sandbox> Engine::attach_networks(const Context& context, const Container& container,
                                                 const os::UserNamespace* ids) {
    auto spec = container.spec();
    network::AttachRequest request;
    request.container_id = container.id();
    request.container_name = container.name();
    request.hostname = spec->hostname;
    request.dns_servers = spec->dns;
    if (ids) request.user_namespace = ids->fd;
    const auto& mode = spec->network_mode;
    if (mode != "none") {
        // The default network answers to both names.
        auto real_name = [](const std::string& name) { return name.empty() || name == "default" ? "bridge" : name; };
        network::EndpointRequest first;
        for (const auto& endpoint : spec->endpoints)
            if (real_name(endpoint.network) == real_name(mode)) first = endpoint;
        first.network = real_name(mode);
        if (first.mac_address.empty()) first.mac_address = spec->mac_address;
        request.endpoints.push_back(first);
        for (const auto& endpoint : spec->endpoints)
            if (real_name(endpoint.network) != first.network) request.endpoints.push_back(endpoint);
        request.ports = spec->ports;
        if (spec->publish_all) {
            for (const auto& exposed : spec->exposed_ports) {
                auto port = TRY(parse_container_port(exposed));
                bool bound = false;
                for (const auto& one : spec->ports)
                    bound |= one.container_port == port.port && one.protocol == port.protocol;
                if (!bound) request.ports.push_back({port.protocol, port.port, "", 0, 0});
            }
        }
    }
    return parts_.networks.attach(context, request);
}

// Path of a namespace of another, running container: "container:NAME".
static Result<std::string> namespace_of(ContainerTable& table, const std::string& mode, const char* which) {
    if (!mode.starts_with("container:")) return std::string();
    auto other = TRY(table.find(std::string_view(mode).substr(10)));
    auto state = other->state();
    if (!state.is_running())
        return Error(Errc::Conflict,
                     fmt::format("cannot join {} namespace of a non running container: container {} is {}", which,
                                 other->id(), name_of(state.status)));
    return fmt::format("/proc/{}/ns/{}", state.pid, which);
}

// Without "shareable", and with it the default, a container's IPC is its own.
static Result<void> check_donor(ContainerTable& table, const std::string& mode) {
    auto donor = TRY(table.find(std::string_view(mode).substr(10)));
    if (donor->spec()->ipc_mode == "shareable") return {};
    return Error(Errc::Invalid, fmt::format("can't join IPC of container {}: non-shareable IPC (hint: use "
                                            "IpcMode:shareable for the donor container)",
                                            donor->id()));
}

// --link, as far as it is about names: lines for /etc/hosts.
static Result<std::string> linked_hosts(ContainerTable& table, const Container& container) {
    std::string lines;
    for (const auto& link : container.spec()->links) {
        auto colon = link.find(':');
        auto other = TRY(table.find(std::string_view(link).substr(0, colon)));
        auto alias = colon == std::string::npos ? other->name() : link.substr(colon + 1);
        auto state = other->state();
        if (!state.is_running())
            return Error(Errc::Conflict, fmt::format("Cannot link to a non running container: /{} AS /{}/{}",
                                                     other->name(), container.name(), alias));
        for (const auto& endpoint : state.endpoints)
            if (!endpoint.ipv4.empty())
                lines += fmt::format("{}\t{} {} {}\n", endpoint.ipv4, alias, other->id().substr(0, 12), other->name());
    }
    return lines;
}

static Result<void> write_etc_files(const std::string& directory, const ContainerSpec& spec,
                                    const network::Sandbox& sandbox, const std::string& linked,
                                    const os::UserNamespace* ids) {
    bool on_host = spec.network_mode == "host";
    auto write = [&](const char* name, const std::string& text) -> Result<void> {
        // In place: what a crash leaves half-written is written again by the next start.
        auto file = TRY(os::open(directory + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0644));
        if (::fchmod(file.get(), 0644) < 0) return Error::from_errno(errno, fmt::format("mode of {}", name));
        if (ids && ::fchown(file.get(), ids->root_uid(), ids->root_gid()) < 0)
            return Error::from_errno(errno, fmt::format("chown {}", name));
        return os::write_all(file, text);
    };
    std::string gateway = sandbox.endpoints.empty() ? "" : sandbox.endpoints[0].gateway;
    auto hosts = hosts_text(spec, sandbox.endpoints, gateway);
    if (on_host) hosts = os::read_file("/etc/hosts", 1U << 20).value_or(hosts);
    hosts += linked;
    TRY(write("hosts", hosts));
    TRY(write("hostname", spec.hostname + "\n"));
    return write("resolv.conf", resolv_conf_text(spec, host_resolv_conf(), sandbox.embedded_dns, on_host));
}

Result<Fd> Engine::mount_root(const Container& container, snapshot::Writes writes, const os::UserNamespace* ids) {
    auto image = TRY(parts_.images.find(container.identity().image_id.text()));
    auto layers = TRY(parts_.images.layer_directories(*image));
    lingering_->let_go(container.id());
    return parts_.snapshots.mount(container.id(), layers, writes, ids);
}

// A failure is kept for the error of a program that cannot run: the image may say something else than what is in it.
Result<void> Engine::prepare_emulation(const Container& container) {
    auto image = TRY(parts_.images.find(container.identity().image_id.text()));
    if (Emulation::is_native(image->config.architecture)) return {};
    TRY(emulation_.enable(image->config.architecture));
    return {};
}

Result<void> Engine::launch(const Context& context, const ContainerPointer& container, network::Sandbox& sandbox,
                            runtime::LogPlan log, const os::UserNamespace* ids) {
    auto spec = container->spec();
    auto directory = container_directory(container->id());
    auto cgroup_path = groups_.path(container->id(), spec->cgroup_parent);
    auto prepared = TRY(supervisor_->prepare(cgroup_path));  // beside what follows, on another processor
    // Until it counts as running: whoever has its files mounted must be done first.
    auto files = TRY(files_->access().hold(context, container->id(), FileAccess::Use::Alone));
    // What a container that goes with its end has written need never reach the disk.
    bool thrown_away = spec->auto_remove || container->identity().transient;
    auto writes = thrown_away ? snapshot::Writes::Volatile : snapshot::Writes::Durable;
    auto root = TRY(mount_root(*container, writes, ids));
    auto emulated = prepare_emulation(*container);
    auto linked = TRY(linked_hosts(table_, *container));
    TRY(write_etc_files(directory, *spec, sandbox, linked, ids));

    PlanInputs inputs;
    inputs.container = container.get();
    inputs.files_directory = directory;
    inputs.state_directory = state_directory(container->id());
    inputs.cgroup_path = cgroup_path;
    inputs.security = security_;
    inputs.user = TRY(resolve_user_in(root, spec->user, spec->group_add));
    inputs.own_network = sandbox.network_namespace.valid();
    inputs.ids = ids;
    inputs.user_index = inputs.own_network ? 2 : 1;
    if (spec->shares_network_of_container()) inputs.network_path = TRY(namespace_of(table_, spec->network_mode, "net"));
    inputs.pid_path = TRY(namespace_of(table_, spec->pid_mode, "pid"));
    inputs.ipc_path = TRY(namespace_of(table_, spec->ipc_mode, "ipc"));
    if (spec->ipc_mode.starts_with("container:")) TRY(check_donor(table_, spec->ipc_mode));
    inputs.cdi_directories = options_.cdi_directories;
    auto sources = TRY(open_mount_sources(container->volumes().list(), ids));
    if (spec->ipc_mode.starts_with("container:")) {
        auto donor = TRY(table_.find(std::string_view(spec->ipc_mode).substr(10)));
        auto memory = TRY(clone_mount_of_process(donor->state().pid, "/dev/shm"));
        sources.push_back({shared_memory_of_donor, std::move(memory)});
    }
    auto first_source = 1 + (inputs.own_network ? 1 : 0) + (ids ? 1 : 0);
    for (std::size_t i = 0; i < sources.size(); ++i)
        if (!sources[i].destination.empty())
            inputs.source_indices[sources[i].destination] = first_source + static_cast<int>(i);
    auto plan = TRY(build_plan(inputs));
    plan.log = std::move(log);

    std::vector<Fd> fds;
    fds.push_back(std::move(root));
    if (sandbox.network_namespace) fds.push_back(std::move(sandbox.network_namespace));
    if (ids) fds.push_back(TRY(ids->fd.duplicate()));
    for (auto& source : sources) fds.push_back(std::move(source.fd));
    auto first_held = static_cast<int>(fds.size());
    for (std::size_t i = 0; i < sandbox.held.size(); ++i) {
        plan.held_fds.push_back(first_held + static_cast<int>(i));
        fds.push_back(std::move(sandbox.held[i]));
    }
    for (const auto& relay : sandbox.relays)
        plan.relays.push_back({first_held + static_cast<int>(relay.listen_fd), relay.address, relay.port});

    PILA_FAILPOINT("engine.start.before-shim");
    auto started = supervisor_->start(context, plan, std::move(fds), container->take_pending(), std::move(prepared));
    if (!started) {
        auto error = started.take_error();
        if (!emulated) error = Error(error.code(), error.message() + ": " + emulated.error().message());
        note_failed_start(*container, error,
                          error.code() == Errc::NotFound ? 127
                          : error.code() == Errc::Denied ? 126
                                                         : 128);
        // A missing program is the request's fault, not an unknown container: 400, as Docker answers.
        bool of_request = error.code() == Errc::NotFound || error.code() == Errc::Denied;
        if (of_request) error = std::move(error).with_code(Errc::Invalid);
        return std::move(error).in("failed to start container");
    }
    auto shim = started.take();
    PILA_FAILPOINT("engine.start.after-shim");
    container->set_shim(shim);
    container->started();
    container->update([&](ContainerState& state) {
        state.status = Status::Running;
        state.pid = shim->started().pid;
        state.exit_code = 0;
        state.oom_killed = false;
        state.error.clear();
        state.started_at = now_wall();
        state.endpoints = std::move(sandbox.endpoints);
        state.ports = std::move(sandbox.ports);
    });
    return table_.save_state(*container);
}

void Engine::note_failed_start(Container& container, const Error& error, int exit_code) {
    container.update([&](ContainerState& state) {
        state.exit_code = exit_code;
        state.error = error.message();
    });
    ignore(table_.save_state(container), "the start's own error matters more");
}

Result<void> Engine::start_locked(const Context& context, const ContainerPointer& container) {
    TRY(context.check());
    // Before the lock, which an arriving stream takes. A client that never comes to read must not hold a start up.
    container->await_expected(std::chrono::seconds(2));
    auto transition = transitions_.lock(container->id());
    TRY(os::make_directories(state_directory(container->id()), 0700));
    auto spec = container->spec();
    network::Sandbox sandbox;
    bool own_network = spec->network_mode != "host" && !spec->shares_network_of_container();
    auto log = plan_log(*spec, {container->id(), container->name(), container->identity().image_id.text()},
                        container_directory(container->id()));
    auto launched = [&]() -> Result<void> {
        if (!log) return log.error();
        TRY(use_volumes(*container, container->volumes().list()));
        auto users = TRY(user_namespace_of(*spec));
        const auto* ids = users ? &*users : nullptr;
        if (own_network) sandbox = TRY(attach_networks(context, *container, ids));
        PILA_FAILPOINT("engine.start.after-networks");
        return launch(context, container, sandbox, log.take(), ids);
    }();
    if (own_network) parts_.networks.start_ended();
    if (launched) {
        health_->running(container, HealthChecks::From::Start);
        publish_networks(context, *container, "connect", container->state().endpoints);
        publish_volumes(context, *container, container->volumes().list(), "mount");
        publish(context, *container, "start");
        return {};
    }
    groups_.clear(container->id(), spec->cgroup_parent);  // a shim that was killed meanwhile left its own
    release_volumes(*container);
    if (own_network) parts_.networks.detach(container->id());
    ignore(os::remove_tree(state_directory(container->id())), "swept at the next start of the daemon");
    auto error = launched.take_error();
    auto noted = container->state().error;
    if (noted.empty() || !error.message().ends_with(noted)) note_failed_start(*container, error, 128);
    container->take_pending();  // their clients see the end
    if (spec->auto_remove) {
        background_->post([this, context, id = container->id()] {
            ignore(remove(context, id, {true, true}), "somebody else removed it");
        });
    }
    return error;
}

}  // namespace pila::engine

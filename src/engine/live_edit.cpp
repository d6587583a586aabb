// SPDX-License-Identifier: Apache-2.0
#include "engine/live_edit.h"

#include <netinet/in.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/failpoint.h"
#include "base/json_reader.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/record.h"

namespace pila::engine {

Result<std::vector<std::string>> Engine::set(const Context& context, std::string_view reference,
                                             const json::object& body) {
    auto [container, guard] = TRY(hold(reference));
    auto request = TRY(read_set_request(body));
    if (request.empty()) return Error(Errc::Invalid, "nothing to set");
    return LiveEdit(*this, context, container, std::move(request)).run();
}

runtime::HeldPort held_port(const network::PublishedPort& port) {
    std::uint8_t protocol = port.protocol == "udp" ? IPPROTO_UDP : port.protocol == "sctp" ? IPPROTO_SCTP : IPPROTO_TCP;
    return {protocol, port.host_ip, port.host_port};
}

std::vector<runtime::RelayMove> relay_moves(const std::vector<network::MovedRelay>& relays, bool back) {
    std::vector<runtime::RelayMove> moves;
    for (const auto& relay : relays)
        moves.push_back(
            {{IPPROTO_TCP, relay.host_ip, relay.host_port}, relay.address, back ? relay.former_port : relay.port});
    return moves;
}

// Of `ports` those whose sockets do not just lead elsewhere.
static std::vector<runtime::HeldPort> to_let_go(const std::vector<network::PublishedPort>& ports,
                                                const std::vector<network::PublishedPort>& moved) {
    std::vector<runtime::HeldPort> held;
    for (const auto& port : ports) {
        bool stays = std::any_of(moved.begin(), moved.end(), [&](const auto& one) {
            return one.protocol == port.protocol && one.host_port == port.host_port && one.host_ip == port.host_ip;
        });
        if (!stays) held.push_back(held_port(port));
    }
    return held;
}

LiveEdit::LiveEdit(Engine& engine, const Context& context, ContainerPointer container, SetRequest request)
    : engine_(engine),
      context_(context),
      container_(std::move(container)),
      request_(std::move(request)),
      old_spec_(container_->spec()),
      old_mounts_(container_->volumes()) {}

Result<std::vector<std::string>> LiveEdit::run() {
    TRY(context_.check());
    // Nobody settles its end meanwhile.
    auto transition = engine_.transitions_.lock(container_->id());
    running_ = container_->state().is_running();
    TRY(check());
    TRY(resolve_mounts());
    if (running_) TRY(apply());
    TRY(store());
    undo_.release();
    finish();
    tell();
    return std::move(warnings_);
}

// A new memory limit alone: twice as much with swap, as at creation; /update makes people say it where it was less.
void LiveEdit::choose_swap() {
    JsonReader in(request_.limits);
    auto memory = in.integer("Memory");
    if (memory <= 0 || in.integer("MemorySwap") != 0) return;
    auto now = old_spec_->resources.memory_swap;
    if (now >= 0 && memory > now) request_.limits["MemorySwap"] = memory * 2;
}

Result<void> LiveEdit::check() {
    auto status = container_->state().status;
    if (status == Status::Removing || status == Status::Dead)
        return Error(Errc::Conflict, fmt::format("container {} is being removed", container_->id()));
    choose_swap();
    warnings_ = TRY(settle_resources(request_.limits, engine_.groups_.limits(), LimitsFor::Update));
    TRY(check_restart_policy(request_.limits));
    TRY(check_networks());
    auto image = engine_.parts_.images.find(container_->identity().image_id.text());
    std::vector<std::string> ports_of_image;
    if (image) ports_of_image = (*image)->config.exposed_ports;
    plan_ = TRY(plan_set(request_, {*old_spec_, old_mounts_.list(), container_->state().ports, ports_of_image}));
    if (!running_) return {};
    for (const auto& mount : plan_.gone_mounts)
        for (const auto* own : {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"})
            if (mount.destination == own)
                return Error(Errc::Conflict, fmt::format("{} cannot be unmounted while the container runs", own));
    return {};
}

// By their own names from here on, as the record has them.
Result<void> LiveEdit::check_networks() {
    auto& networks = engine_.parts_.networks;
    json::object settings;
    auto is_connected = [&](const std::string& id, const std::string& name) {
        auto state = container_->state();
        if (running_)
            return std::any_of(state.endpoints.begin(), state.endpoints.end(),
                               [&](const auto& endpoint) { return endpoint.network_id == id; });
        auto mode = old_spec_->network_mode == "default" ? "bridge" : old_spec_->network_mode;
        return name == mode || std::any_of(old_spec_->endpoints.begin(), old_spec_->endpoints.end(),
                                           [&](const auto& endpoint) { return endpoint.network == name; });
    };
    for (auto& endpoint : request_.add_networks) {
        auto network = TRY(networks.find(endpoint.network));
        const auto& name = network.spec.name;
        if (name == "host" || name == "none")
            return Error(Errc::Denied, "a container that exists cannot be moved to the network " + name);
        if (is_connected(network.id, name))
            return Error(Errc::Denied,
                         fmt::format("endpoint with name {} already exists in network {}", container_->name(), name));
        settings[name] = request_.networks[endpoint.network];
        endpoint.network = name;
    }
    request_.networks = std::move(settings);
    for (auto& wanted : request_.remove_networks) {
        auto network = TRY(networks.find(wanted));
        wanted = network.spec.name;
        if (!is_connected(network.id, wanted))
            return Error(Errc::Invalid,
                         fmt::format("container {} is not connected to network {}", container_->id(), wanted));
    }
    return {};
}

// What a daemon that comes after this one's sudden end has to look at.
std::string LiveEdit::intent() const {
    json::array networks;
    for (const auto& endpoint : request_.add_networks) networks.emplace_back(endpoint.network);
    for (const auto& name : request_.remove_networks) networks.emplace_back(name);
    return to_json(json::object{{"attached", mounts_record(added_mounts_)},
                                {"detached", mounts_record(plan_.gone_mounts)},
                                {"networks", std::move(networks)},
                                {"ports", request_.touches_ports()},
                                {"movesPorts", !request_.add_ports.empty() && !plan_.gone_ports.empty()},
                                {"limits", request_.limits}});
}

Result<void> LiveEdit::apply() {
    TRY(engine_.table_.save_intent(*container_, intent()));
    undo_.add([this] { ignore(engine_.table_.save_intent(*container_, ""), "it does no harm"); });
    PILA_FAILPOINT("engine.set.begun");
    TRY(apply_mounts());
    TRY(connect_networks());
    TRY(apply_ports());
    TRY(apply_limits());
    return disconnect_networks();
}

Result<void> LiveEdit::apply_ports() {
    if (!request_.touches_ports()) return {};
    auto shim = container_->shim();
    if (!shim) return Error(Errc::Conflict, "the container is ending");
    auto& networks = engine_.parts_.networks;
    const auto& id = container_->id();
    ports_ = TRY(networks.change_ports(context_, id, request_.add_ports, plan_.gone_ports));
    undo_.add([&networks, id] { networks.settle_ports(id, network::NetworkManager::Settle::TakeBack); });
    PILA_FAILPOINT("engine.set.before-shim");
    runtime::PortHold hold;
    hold.sockets = std::move(ports_->held);
    for (const auto& relay : ports_->relays)
        hold.relays.push_back({static_cast<int>(relay.listen_fd), relay.address, relay.port});
    hold.moves = relay_moves(ports_->moved_relays, false);
    TRY(shim->hold_ports(hold));
    undo_.add([shim, added = to_let_go(ports_->added, ports_->moved), back = relay_moves(ports_->moved_relays, true)] {
        runtime::PortHold let_go;
        let_go.ports = added;
        let_go.moves = back;
        if (auto gone = shim->hold_ports(let_go); !gone) log::warning("{}", gone.error().message());
    });
    PILA_FAILPOINT("engine.set.after-shim");
    return {};
}

Result<void> LiveEdit::apply_limits() {
    auto shim = container_->shim();
    if (request_.limits.empty() || !shim) return {};
    JsonReader in(request_.limits);
    auto wanted = read_resources(in);
    TRY(in.check());
    auto live = TRY(plan_update(wanted, plan_.spec->resources));
    TRY(shim->update(live));
    undo_.add([this, shim, wanted] {
        auto back = plan_restore(wanted, old_spec_->resources);
        auto restored = back ? shim->update(*back) : Result<void>(back.take_error());
        if (!restored) log::warning("limits of container {}: {}", container_->name(), restored.error().message());
    });
    return {};
}

Result<void> LiveEdit::connect_networks() {
    auto& networks = engine_.parts_.networks;
    for (const auto& endpoint : request_.add_networks) {
        connected_.push_back(TRY(networks.connect(context_, container_->id(), endpoint)));
        undo_.add([this, &networks, name = endpoint.network] {
            auto gone = networks.disconnect(Context{}, container_->id(), name);
            if (!gone) log::warning("{}", gone.error().message());
        });
    }
    return {};
}

Result<void> LiveEdit::disconnect_networks() {
    auto& networks = engine_.parts_.networks;
    auto endpoints = container_->state().endpoints;
    for (const auto& name : request_.remove_networks) {
        TRY(networks.disconnect(context_, container_->id(), name));
        for (const auto& endpoint : endpoints)
            if (endpoint.network_name == name) disconnected_.push_back(endpoint);
        undo_.add([this, &networks, name] {
            network::EndpointRequest again;
            for (const auto& endpoint : old_spec_->endpoints)
                if (endpoint.network == name) again = endpoint;
            again.network = name;
            auto back = networks.connect(Context{}, container_->id(), again);
            if (!back) return log::error("{}", back.error().message());
            container_->update([&](ContainerState& state) {
                for (auto& endpoint : state.endpoints)
                    if (endpoint.network_id == back->network_id) endpoint = *back;
            });
        });
    }
    return {};
}

Result<void> LiveEdit::store() {
    PILA_FAILPOINT("engine.set.before-store");
    auto mounts = plan_.kept_mounts;
    mounts.insert(mounts.end(), added_mounts_.begin(), added_mounts_.end());
    auto old_state = container_->state();
    container_->set_spec(plan_.spec);
    container_->set_volumes(VolumeMounts(std::move(mounts)));
    container_->update([&](ContainerState& state) {
        if (ports_) state.ports = ports_->published;
        auto gone = [&](const network::Endpoint& endpoint) {
            return std::any_of(disconnected_.begin(), disconnected_.end(),
                               [&](const auto& one) { return one.network_id == endpoint.network_id; });
        };
        std::erase_if(state.endpoints, gone);
        state.endpoints.insert(state.endpoints.end(), connected_.begin(), connected_.end());
    });
    std::vector<store::Change> others;
    if (ports_)
        if (auto record = engine_.parts_.networks.record_of(container_->id())) others.push_back(std::move(*record));
    auto stored = engine_.table_.save(*container_, std::move(others));
    if (stored) return {};
    container_->set_spec(old_spec_);
    container_->set_volumes(old_mounts_);
    container_->update([&](ContainerState& state) {
        state.ports = old_state.ports;
        state.endpoints = old_state.endpoints;
    });
    return stored;
}

// Nothing here can fail in a way that would matter: the record says what is.
void LiveEdit::finish() {
    if (!running_) return;
    PILA_CRASHPOINT("engine.set.after-store");
    if (mounts_) mounts_->keep();
    if (ports_) {
        engine_.parts_.networks.settle_ports(container_->id(), network::NetworkManager::Settle::Keep);
        runtime::PortHold let_go;
        let_go.ports = to_let_go(ports_->gone, ports_->moved);
        auto shim = container_->shim();
        if (shim && !let_go.ports.empty())
            if (auto gone = shim->hold_ports(let_go); !gone) log::warning("{}", gone.error().message());
    }
    release_gone();
    PILA_CRASHPOINT("engine.set.finished");
    ignore(engine_.table_.save_intent(*container_, ""), "looked at again when the daemon starts");
}

std::map<std::string, std::string> LiveEdit::event_attributes() const {
    std::map<std::string, std::string> attributes;
    auto add = [&](const char* key, char sign, const std::string& what) {
        auto& text = attributes[key];
        text += (text.empty() ? "" : ",") + std::string(1, sign) + what;
    };
    auto port_text = [](const network::PublishedPort& port) {
        return fmt::format(fmt::runtime(port.host_ip.find(':') == std::string::npos ? "{}:{}:{}/{}" : "[{}]:{}:{}/{}"),
                           port.host_ip, port.host_port, port.container_port, port.protocol);
    };
    if (ports_) {
        for (const auto& port : ports_->added) add("ports", '+', port_text(port));
        for (const auto& port : ports_->gone) add("ports", '-', port_text(port));
    }
    if (!running_) {  // as they were asked for
        for (const auto& port : request_.add_ports)
            add("ports", '+',
                fmt::format("{}:{}:{}/{}", port.host_ip, port.host_port, port.container_port, port.protocol));
        for (const auto& port : request_.remove_ports)
            add("ports", '-',
                fmt::format("{}:{}:{}/{}", port.host_ip, port.host_port, port.container_port, port.protocol));
    }
    for (const auto& mount : added_mounts_) add("mounts", '+', mount.destination);
    for (const auto& mount : plan_.gone_mounts) add("mounts", '-', mount.destination);
    for (const auto& endpoint : request_.add_networks) add("networks", '+', endpoint.network);
    for (const auto& name : request_.remove_networks) add("networks", '-', name);
    for (const auto& [name, value] : request_.limits)
        if (!value.is_null()) add("limits", '+', name);  // not what this machine lacks
    return attributes;
}

void LiveEdit::tell() {
    engine_.publish_endpoints(context_, *container_, "connect", connected_);
    engine_.publish_endpoints(context_, *container_, "disconnect", disconnected_);
    if (running_) {
        engine_.publish_volumes(context_, *container_, added_mounts_, "mount");
        engine_.publish_volumes(context_, *container_, plan_.gone_mounts, "unmount");
    }
    engine_.publish(context_, *container_, "update", event_attributes());
}

}  // namespace pila::engine

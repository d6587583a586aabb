// SPDX-License-Identifier: Apache-2.0
// network connect and disconnect: of a running container at once, of another at its next start.
#include <algorithm>

#include <fmt/core.h>

#include "base/json_reader.h"
#include "engine/engine.h"

namespace pila::engine {

// The asked-for networks as stored JSON, changed by `change`.
static Result<SpecPointer> with_networking(const ContainerSpec& spec,
                                           const std::function<void(json::object&)>& change) {
    auto value = TRY(parse_json(spec.networking_json));
    if (!value.is_object()) return Error(Errc::Internal, "container record is damaged");
    change(value.get_object());
    auto changed = TRY(load_spec(spec.config_json, spec.host_config_json, to_json(value)));
    return std::make_shared<const ContainerSpec>(std::move(changed));
}

static json::object settings_of(const network::EndpointRequest& endpoint) {
    json::array aliases;
    for (const auto& alias : endpoint.aliases) aliases.emplace_back(alias);
    json::object settings{{"Aliases", std::move(aliases)}};
    if (!endpoint.mac_address.empty()) settings["MacAddress"] = endpoint.mac_address;
    json::object addresses;
    if (!endpoint.ipv4.empty()) addresses["IPv4Address"] = endpoint.ipv4;
    if (!endpoint.ipv6.empty()) addresses["IPv6Address"] = endpoint.ipv6;
    if (!addresses.empty()) settings["IPAMConfig"] = std::move(addresses);
    return settings;
}

Result<void> Engine::connect_network(const Context& context, std::string_view reference,
                                     const network::EndpointRequest& endpoint) {
    auto [container, guard] = TRY(hold(reference));
    auto spec = container->spec();
    auto network = TRY(parts_.networks.find(endpoint.network));
    if (spec->shares_network_of_container() || spec->network_mode == "host")
        return Error(Errc::Denied,
                     "container sharing network namespace with another container or host cannot be connected "
                     "to any other network");
    auto named = endpoint;
    named.network = network.spec.name;
    if (container->state().is_running()) {
        auto transition = transitions_.lock(container->id());
        auto made = TRY(parts_.networks.connect(context, container->id(), named));
        container->update([&](ContainerState& state) { state.endpoints.push_back(made); });
        TRY(table_.save_state(*container));
    }
    container->set_spec(
        TRY(with_networking(*spec, [&](json::object& networks) { networks[named.network] = settings_of(named); })));
    return table_.save_spec(*container);
}

Result<void> Engine::disconnect_network(const Context& context, std::string_view reference, const std::string& network,
                                        bool force) {
    auto found = find(reference);
    if (!found && force) return {};  // nobody of that name: nothing is connected any more
    auto [container, guard] = TRY(hold(reference));
    auto spec = container->spec();
    auto wanted = TRY(parts_.networks.find(network));
    auto is_wanted = [&](const network::Endpoint& endpoint) { return endpoint.network_id == wanted.id; };
    if (container->state().is_running()) {
        auto endpoints = container->state().endpoints;
        if (std::none_of(endpoints.begin(), endpoints.end(), is_wanted))
            return Error(Errc::Invalid,
                         fmt::format("container {} is not connected to network {}", container->id(), wanted.spec.name));
        auto transition = transitions_.lock(container->id());
        TRY(parts_.networks.disconnect(context, container->id(), wanted.id));
        container->update([&](ContainerState& state) { std::erase_if(state.endpoints, is_wanted); });
        TRY(table_.save_state(*container));
    }
    container->set_spec(TRY(with_networking(*spec, [&](json::object& networks) { networks.erase(wanted.spec.name); })));
    return table_.save_spec(*container);
}

}  // namespace pila::engine

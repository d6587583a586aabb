// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "docker/reply.h"

namespace pila::docker {

static std::string driver_of(const network::Network& network) {
    return network.spec.driver == "none" ? "null" : network.spec.driver;
}

static json::object network_json(const network::Network& network, bool with_containers) {
    json::object object;
    object["Name"] = network.spec.name;
    object["Id"] = network.id;
    object["Created"] = rfc3339_nano(network.created);
    object["Scope"] = "local";
    object["Driver"] = driver_of(network);
    object["EnableIPv4"] = true;
    object["EnableIPv6"] = network.spec.enable_ipv6;
    json::array subnets;
    for (const auto& subnet : network.spec.subnets) {
        json::object one{{"Subnet", subnet.subnet}};
        if (!subnet.ip_range.empty()) one["IPRange"] = subnet.ip_range;
        if (!subnet.gateway.empty()) one["Gateway"] = subnet.gateway;
        if (!subnet.auxiliary_addresses.empty()) one["AuxiliaryAddresses"] = object_of(subnet.auxiliary_addresses);
        subnets.push_back(std::move(one));
    }
    auto options = network.builtin ? json::value(nullptr) : json::value(json::object{});
    object["IPAM"] = {{"Driver", "default"}, {"Options", std::move(options)}, {"Config", std::move(subnets)}};
    object["Internal"] = network.spec.internal;
    object["Attachable"] = network.spec.attachable;
    object["Ingress"] = false;
    object["ConfigFrom"] = {{"Network", ""}};
    object["ConfigOnly"] = false;
    json::object containers;
    if (with_containers)
        for (const auto& attached : network.attached)
            containers[attached.container_id] = {{"Name", attached.container_name},
                                                 {"EndpointID", attached.endpoint_id},
                                                 {"MacAddress", attached.mac_address},
                                                 {"IPv4Address", attached.ipv4_with_prefix},
                                                 {"IPv6Address", attached.ipv6_with_prefix}};
    object["Containers"] = std::move(containers);
    object["Options"] = object_of(network.spec.options);
    object["Labels"] = object_of(network.spec.labels);
    return object;
}

static Reply list(Api& api, http::Request& request) {
    auto filters = TRY(Filters::parse(request, {"driver", "id", "label", "name", "scope", "type", "dangling"}));
    for (const auto& value : filters.get("type"))
        if (value != "builtin" && value != "custom")
            return Error(Errc::Invalid, fmt::format("invalid filter: 'type'='{}'", value));
    auto dangling = TRY(filters.flag("dangling"));
    bool with_containers = asked_version(request.path) < 28;
    json::array found;
    for (const auto& network : api.engine().parts().networks.list()) {
        if (!TRY(filters.matches("name", network.spec.name)) || !TRY(filters.matches("id", network.id)) ||
            !filters.exact("driver", driver_of(network)) || !filters.labels(network.spec.labels) ||
            !filters.exact("scope", "local") || !filters.exact("type", network.builtin ? "builtin" : "custom"))
            continue;
        if (dangling && *dangling != (network.attached.empty() && !network.builtin)) continue;
        found.push_back(network_json(network, with_containers));
    }
    return json_response(200, found);
}

static Reply inspect(Api& api, http::Request& request) {
    auto network = TRY(api.engine().parts().networks.find(request.parameters[0]));
    return json_response(200, network_json(network, true));
}

static void publish(Api& api, const http::Request& request, std::string action, const network::Network& network,
                    std::string container = {}) {
    std::map<std::string, std::string> attributes{{"name", network.spec.name}, {"type", driver_of(network)}};
    if (!container.empty()) attributes["container"] = std::move(container);
    api.engine().parts().journal.publish(request.context, "network", std::move(action), network.id,
                                         std::move(attributes));
}

static Result<network::NetworkSpec> read_spec(const json::object& body) {
    JsonReader in(body);
    network::NetworkSpec spec;
    spec.name = in.text("Name");
    spec.driver = in.text("Driver", "bridge");
    if (spec.driver.empty()) spec.driver = "bridge";
    spec.internal = in.boolean("Internal");
    spec.attachable = in.boolean("Attachable");
    spec.enable_ipv6 = in.boolean("EnableIPv6");
    spec.options = in.string_map("Options");
    spec.labels = in.string_map("Labels");
    if (const auto* ipam = in.object("IPAM")) {
        JsonReader management(*ipam, "IPAM");
        if (const auto* list = management.array("Config"))
            for (const auto& item : *list) {
                if (!item.is_object()) return Error(Errc::Invalid, "invalid JSON: IPAM.Config holds objects");
                JsonReader one(item.get_object(), "IPAM.Config");
                spec.subnets.push_back({one.text("Subnet"), one.text("IPRange"), one.text("Gateway"),
                                        one.string_map("AuxiliaryAddresses")});
                TRY(one.check());
            }
        TRY(management.check());
    }
    TRY(in.check());
    return spec;
}

static Reply create(Api& api, http::Request& request) {
    auto body = TRY(read_object(request));
    auto spec = TRY(read_spec(body));
    auto network = TRY(api.engine().parts().networks.create_network(request.context, std::move(spec)));
    publish(api, request, "create", network);
    return json_response(201, json::object{{"Id", network.id}, {"Warning", ""}});
}

static Reply remove(Api& api, http::Request& request) {
    auto network = TRY(api.engine().parts().networks.find(request.parameters[0]));
    auto removed = api.engine().parts().networks.remove_network(request.context, network.id);
    // As dockerd: in use is no conflict, but forbidden.
    if (!removed && removed.error().code() == Errc::Conflict) return removed.take_error().with_code(Errc::Denied);
    TRY(std::move(removed));
    publish(api, request, "destroy", network);
    return http::Response::empty(204);
}

static Reply connect(Api& api, http::Request& request) {
    auto body = TRY(read_object(request));
    JsonReader in(body);
    auto name = in.text("Container");
    network::EndpointRequest endpoint;
    endpoint.network = request.parameters[0];
    if (const auto* settings = in.object("EndpointConfig")) {
        JsonReader config(*settings, "EndpointConfig");
        endpoint.aliases = config.strings("Aliases");
        endpoint.mac_address = config.text("MacAddress");
        if (const auto* ipam = config.object("IPAMConfig")) {
            JsonReader addresses(*ipam, "IPAMConfig");
            endpoint.ipv4 = addresses.text("IPv4Address");
            endpoint.ipv6 = addresses.text("IPv6Address");
            TRY(addresses.check());
        }
        TRY(config.check());
    }
    TRY(in.check());
    auto network = TRY(api.engine().parts().networks.find(request.parameters[0]));
    auto container = TRY(api.engine().find(name));
    TRY(api.engine().connect_network(request.context, container->id(), endpoint));
    if (container->state().is_running()) publish(api, request, "connect", network, container->id());
    return http::Response::empty(200);
}

static Reply disconnect(Api& api, http::Request& request) {
    auto body = TRY(read_object(request));
    JsonReader in(body);
    auto name = in.text("Container");
    bool force = in.boolean("Force");
    TRY(in.check());
    auto network = TRY(api.engine().parts().networks.find(request.parameters[0]));
    auto container = api.engine().find(name);
    TRY(api.engine().disconnect_network(request.context, name, network.id, force));
    if (container && (*container)->state().is_running())
        publish(api, request, "disconnect", network, (*container)->id());
    return http::Response::empty(200);
}

static Reply prune(Api& api, http::Request& request) {
    auto filters = TRY(Filters::parse(request, {"until", "label", "label!"}));
    auto until = TRY(filters.until());
    json::array deleted;
    for (const auto& network : api.engine().parts().networks.list()) {
        if (network.builtin || !network.attached.empty() || !filters.labels(network.spec.labels) ||
            network.created > until)
            continue;
        if (!api.engine().parts().networks.remove_network(request.context, network.id)) continue;
        publish(api, request, "destroy", network);
        deleted.emplace_back(network.spec.name);
    }
    publish_prune(api, request, "network", 0);
    return json_response(
        200, json::object{{"NetworksDeleted", deleted.empty() ? json::value(nullptr) : json::value(deleted)}});
}

static constexpr Route routes[] = {
    {"GET", "/networks", list},
    {"POST", "/networks/create", create},
    {"POST", "/networks/prune", prune},
    {"GET", "/networks/*", inspect},
    {"DELETE", "/networks/*", remove},
    {"POST", "/networks/*/connect", connect},
    {"POST", "/networks/*/disconnect", disconnect},
};

std::span<const Route> network_routes() { return routes; }

}  // namespace pila::docker

// SPDX-License-Identifier: Apache-2.0
#include "network/record.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"

namespace pila::network {

static json::object map_of(const std::map<std::string, std::string>& values) {
    json::object object;
    for (const auto& [key, value] : values) object[key] = value;
    return object;
}

static json::array list_of(const std::vector<std::string>& values) { return json::array(values.begin(), values.end()); }

// Reading is forgiving: a missing or odd field is its default.
namespace {

class Reader {
public:
    explicit Reader(const json::value* value) : object_(value ? value->if_object() : nullptr) {}

    std::string text(std::string_view key) const {
        const auto* value = find(key);
        const auto* found = value ? value->if_string() : nullptr;
        return found ? std::string(found->data(), found->size()) : std::string();
    }
    std::int64_t number(std::string_view key) const {
        const auto* value = find(key);
        if (!value) return 0;
        if (const auto* number = value->if_int64()) return *number;
        if (const auto* number = value->if_uint64()) return static_cast<std::int64_t>(*number);
        return 0;
    }
    std::uint16_t port(std::string_view key) const { return static_cast<std::uint16_t>(number(key)); }
    bool flag(std::string_view key) const {
        const auto* value = find(key);
        return value && value->is_bool() && value->get_bool();
    }
    std::map<std::string, std::string> map(std::string_view key) const {
        std::map<std::string, std::string> result;
        const auto* value = find(key);
        if (const auto* object = value ? value->if_object() : nullptr)
            for (const auto& entry : *object)
                if (entry.value().is_string()) result[std::string(entry.key())] = entry.value().get_string().c_str();
        return result;
    }
    std::vector<std::string> texts(std::string_view key) const {
        std::vector<std::string> result;
        for (const auto& value : array(key))
            if (value.is_string()) result.emplace_back(value.get_string().c_str());
        return result;
    }
    const json::array& array(std::string_view key) const {
        static const json::array none;
        const auto* value = find(key);
        const auto* found = value ? value->if_array() : nullptr;
        return found ? *found : none;
    }

private:
    const json::value* find(std::string_view key) const { return object_ ? object_->if_contains(key) : nullptr; }
    const json::object* object_;
};

}  // namespace

std::string to_record(const NetworkState& state) {
    const auto& network = state.info;
    const auto& spec = network.spec;
    json::array subnets;
    for (const auto& subnet : spec.subnets)
        subnets.push_back({{"subnet", subnet.subnet},
                           {"ip_range", subnet.ip_range},
                           {"gateway", subnet.gateway},
                           {"auxiliary", map_of(subnet.auxiliary_addresses)}});
    json::object record{{"id", network.id},
                        {"created", network.created.nanoseconds},
                        {"builtin", network.builtin},
                        {"adopted", state.adopted},
                        {"subnet_configured", state.subnet_configured},
                        {"name", spec.name},
                        {"driver", spec.driver},
                        {"internal", spec.internal},
                        {"attachable", spec.attachable},
                        {"ipv6", spec.enable_ipv6},
                        {"subnets", std::move(subnets)},
                        {"options", map_of(spec.options)},
                        {"labels", map_of(spec.labels)}};
    return json::serialize(record);
}

Result<std::shared_ptr<NetworkState>> network_of_record(std::string_view text) {
    auto value = TRY(parse_json(text).in("stored network"));
    Reader reader(&value);
    auto state = std::make_shared<NetworkState>();
    state->adopted = reader.flag("adopted");
    state->subnet_configured = reader.flag("subnet_configured");
    auto& network = state->info;
    network.id = reader.text("id");
    network.created.nanoseconds = reader.number("created");
    network.builtin = reader.flag("builtin");
    auto& spec = network.spec;
    spec.name = reader.text("name");
    spec.driver = reader.text("driver");
    spec.internal = reader.flag("internal");
    spec.attachable = reader.flag("attachable");
    spec.enable_ipv6 = reader.flag("ipv6");
    for (const auto& entry : reader.array("subnets")) {
        Reader subnet(&entry);
        spec.subnets.push_back(
            {subnet.text("subnet"), subnet.text("ip_range"), subnet.text("gateway"), subnet.map("auxiliary")});
    }
    spec.options = reader.map("options");
    spec.labels = reader.map("labels");
    if (network.id.size() < 12 || spec.name.empty()) return Error(Errc::Invalid, "stored network without id or name");
    return state;
}

static json::object to_json_object(const EndpointState& endpoint) {
    const auto& info = endpoint.info;
    return {{"network", info.network_id},
            {"network_name", info.network_name},
            {"id", info.endpoint_id},
            {"ipv4", info.ipv4},
            {"prefix", info.prefix_length},
            {"gateway", info.gateway},
            {"mac", info.mac_address},
            {"ipv6", info.ipv6},
            {"ipv6_prefix", info.ipv6_prefix_length},
            {"ipv6_gateway", info.ipv6_gateway},
            {"aliases", list_of(info.aliases)},
            {"dns_names", list_of(info.dns_names)},
            {"interface", info.interface},
            {"host_link", endpoint.host_link},
            {"named", endpoint.named},
            {"internal", endpoint.internal}};
}

static EndpointState endpoint_of(const json::value& value) {
    Reader reader(&value);
    EndpointState endpoint;
    auto& info = endpoint.info;
    info.network_id = reader.text("network");
    info.network_name = reader.text("network_name");
    info.endpoint_id = reader.text("id");
    info.ipv4 = reader.text("ipv4");
    info.prefix_length = static_cast<std::uint8_t>(reader.number("prefix"));
    info.gateway = reader.text("gateway");
    info.mac_address = reader.text("mac");
    info.ipv6 = reader.text("ipv6");
    info.ipv6_prefix_length = static_cast<std::uint8_t>(reader.number("ipv6_prefix"));
    info.ipv6_gateway = reader.text("ipv6_gateway");
    info.aliases = reader.texts("aliases");
    info.dns_names = reader.texts("dns_names");
    info.interface = reader.text("interface");
    endpoint.host_link = reader.text("host_link");
    endpoint.named = reader.flag("named");
    endpoint.internal = reader.flag("internal");
    return endpoint;
}

std::string to_record(const SandboxState& sandbox) {
    json::array endpoints, ports, rules;
    for (const auto& endpoint : sandbox.endpoints) endpoints.push_back(to_json_object(endpoint));
    for (const auto& port : sandbox.ports)
        ports.push_back({{"protocol", port.protocol},
                         {"container_port", port.container_port},
                         {"host_port", port.host_port},
                         {"host_ip", port.host_ip}});
    for (const auto& rule : sandbox.rules)
        rules.push_back({{"protocol", rule.protocol},
                         {"host", rule.host_address.text()},
                         {"port", rule.host_port},
                         {"target", rule.target.text()},
                         {"target_port", rule.target_port}});
    json::object record{{"container", sandbox.container_id},  {"name", sandbox.container_name},
                        {"hostname", sandbox.hostname},       {"endpoints", std::move(endpoints)},
                        {"ports", std::move(ports)},          {"rules", std::move(rules)},
                        {"dns", list_of(sandbox.dns_servers)}};
    return json::serialize(record);
}

Result<SandboxState> sandbox_of_record(std::string_view text) {
    auto value = TRY(parse_json(text).in("stored attachment"));
    Reader reader(&value);
    SandboxState sandbox;
    sandbox.container_id = reader.text("container");
    sandbox.container_name = reader.text("name");
    sandbox.hostname = reader.text("hostname");
    for (const auto& entry : reader.array("endpoints")) sandbox.endpoints.push_back(endpoint_of(entry));
    for (const auto& entry : reader.array("ports")) {
        Reader port(&entry);
        sandbox.ports.push_back(
            {port.text("protocol"), port.port("container_port"), port.port("host_port"), port.text("host_ip")});
    }
    for (const auto& entry : reader.array("rules")) {
        Reader rule(&entry);
        auto host = os::net::IpAddress::parse(rule.text("host")),
             target = os::net::IpAddress::parse(rule.text("target"));
        if (!host || !target) return Error(Errc::Invalid, "stored attachment with a bad port rule");
        sandbox.rules.push_back({static_cast<std::uint8_t>(rule.number("protocol")), *host, rule.port("port"), *target,
                                 rule.port("target_port")});
    }
    sandbox.dns_servers = reader.texts("dns");
    if (sandbox.container_id.empty()) return Error(Errc::Invalid, "stored attachment without container");
    return sandbox;
}

}  // namespace pila::network

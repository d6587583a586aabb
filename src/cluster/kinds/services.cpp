// SPDX-License-Identifier: Apache-2.0
// Services.
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "cluster/kinds/addresses.h"
#include "cluster/kinds/containers.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

struct Service {
    const json::object& spec;
    std::string_view type;
    bool is_headless;
    bool is_outside;  // reached from outside the cluster
};

Service view(const json::object& spec) {
    const auto type = text_at(spec, "type");
    const auto* addresses = list_at(spec, "clusterIPs");
    const bool none = text_at(spec, "clusterIP") == "None" ||
                      (addresses && !addresses->empty() && text_of((*addresses)[0]) == "None");
    const bool outside =
        type == "LoadBalancer" || type == "NodePort" || (type == "ClusterIP" && has_items(spec, "externalIPs"));
    return {spec, type, none, outside};
}

void check_type(const Service& service, const Path& path, Report& report) {
    const auto& spec = service.spec;
    if (!has_items(spec, "ports") && !service.is_headless && service.type != "ExternalName")
        report.required(path.field("ports"));
    if (service.is_headless && (service.type == "LoadBalancer" || service.type == "NodePort"))
        report.invalid(path.item("clusterIPs", 0), "None",
                       fmt::format("may not be set to 'None' for {} services", service.type));
    if (service.type != "ExternalName") return;
    for (auto name : {"clusterIPs", "ipFamilies"})
        if (has_items(spec, name)) report.forbidden(path.field(name), "may not be set for ExternalName services");
    if (has(spec, "ipFamilyPolicy"))
        report.forbidden(path.field("ipFamilyPolicy"), "may not be set for ExternalName services");
    auto name = text_at(spec, "externalName");
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty())
        report.required(path.field("externalName"));
    else
        report.each_invalid(path.field("externalName"), name, dns_subdomain(name));
}

void check_ports(const Service& service, const Path& path, Report& report) {
    const auto* ports = list_at(service.spec, "ports");
    std::set<std::string_view> names;
    std::set<std::pair<std::string_view, std::int64_t>> taken, node_ports;
    each_object(ports, [&](const json::object& port, std::size_t i) {
        const Path at = path.item("ports", i);
        const auto name = text_at(port, "name"), protocol = text_at(port, "protocol");
        if (name.empty() && ports->size() > 1) report.required(at.field("name"));
        if (!name.empty() && !names.insert(name).second) report.duplicate(at.field("name"), name);
        const auto number = integer_at(port, "port").value_or(0), node = integer_at(port, "nodePort").value_or(0);
        if (!taken.emplace(protocol, number).second)
            report.duplicate(at, json::value(json::object{{"port", number}, {"protocol", protocol}}));
        if (node == 0) return;
        if (service.type == "ClusterIP")
            report.forbidden(at.field("nodePort"), "may not be used when `type` is 'ClusterIP'");
        if (!node_ports.emplace(protocol, node).second) report.duplicate(at.field("nodePort"), json::value(node));
    });
}

void service_port(const json::object& value, const Path& path, Report& report) {
    const auto name = text_at(value, "name"), application = text_at(value, "appProtocol");
    if (!name.empty()) report.each_invalid(path.field("name"), name, dns_label(name));
    const auto port = integer_at(value, "port").value_or(0);
    for (const auto& fault : port_number(port)) report.invalid_number(path.field("port"), port, fault);
    if (port != 0 || has(value, "targetPort"))
        check_port_number_or_name(find(value, "targetPort"), path.field("targetPort"), report);
    if (!application.empty()) report.each_invalid(path.field("appProtocol"), application, qualified_name(application));
}

void check_affinity(const Service& service, const Path& path, Report& report) {
    const auto* config = object_at(service.spec, "sessionAffinityConfig");
    const auto affinity = text_at(service.spec, "sessionAffinity");
    if (affinity == "None" && config)
        report.forbidden(path.field("sessionAffinityConfig"), "must not be set when session affinity is None");
    if (affinity != "ClientIP") return;
    const auto* client = config ? object_at(*config, "clientIP") : nullptr;
    const auto seconds = client ? integer_at(*client, "timeoutSeconds") : std::nullopt;
    if (!seconds)
        report.required(path.field("sessionAffinityConfig"), "when session affinity type is ClientIP");
    else if (*seconds <= 0 || *seconds > 86400)
        report.invalid_number(path.field("sessionAffinityConfig.clientIP.timeoutSeconds"), *seconds,
                              "must be greater than 0 and less than 86400");
}

void check_addresses(const Service& service, const Path& path, Report& report) {
    const auto* addresses = list_at(service.spec, "clusterIPs");
    const auto first = text_at(service.spec, "clusterIP");
    if (addresses && !addresses->empty()) {
        if (first.empty())
            report.required(path.field("clusterIP"), "must be set when `clusterIPs` is set");
        else if (first != text_of((*addresses)[0]))
            report.invalid(path.field("clusterIPs"), json::value(*addresses), "first value must match `clusterIP`");
        if (addresses->size() > 2)
            report.invalid(path.field("clusterIPs"), json::value(*addresses), "may only hold up to 2 values");
        for (std::size_t i = 0; i < addresses->size(); ++i) {
            const auto address = text_of((*addresses)[i]);
            if (address == "None" && i == 0 && addresses->size() > 1)
                report.invalid(path.item("clusterIPs", i), address, "'None' must be the first and only value");
            else if (address != "None" && !is_ip_address(address))
                report.invalid(path.item("clusterIPs", i), address, not_an_ip);
        }
    }
    const auto* outside = list_at(service.spec, "externalIPs");
    for (std::size_t i = 0; outside && i < outside->size(); ++i)
        check_ordinary_address(text_of((*outside)[i]), path.item("externalIPs", i), report);
}

void check_balancer(const Service& service, const Path& path, Report& report) {
    const auto& spec = service.spec;
    const bool balances = service.type == "LoadBalancer";
    if (const auto* ranges = list_at(spec, "loadBalancerSourceRanges"); ranges && !ranges->empty()) {
        const Path at = path.field("LoadBalancerSourceRanges");
        if (!balances) report.forbidden(at, "may only be used when `type` is 'LoadBalancer'");
        for (std::size_t i = 0; i < ranges->size(); ++i)
            if (const auto range = trim(text_of((*ranges)[i])); !is_cidr(range))
                report.invalid(at.item(i), range, not_a_cidr);
    }
    if (!balances && has(spec, "allocateLoadBalancerNodePorts"))
        report.forbidden(path.field("allocateLoadBalancerNodePorts"), "may only be used when `type` is 'LoadBalancer'");
    if (const auto name = text_at(spec, "loadBalancerClass"); has(spec, "loadBalancerClass")) {
        if (!balances)
            report.forbidden(path.field("loadBalancerClass"), "may only be used when `type` is 'LoadBalancer'");
        else
            report.each_invalid(path.field("loadBalancerClass"), name, qualified_name(name));
    }
}

void check_traffic(const Service& service, const Path& path, Report& report) {
    const auto policy = text_at(service.spec, "externalTrafficPolicy");
    if (!service.is_outside && !policy.empty())
        report.invalid(path.field("externalTrafficPolicy"), policy,
                       "may only be set for externally-accessible services");
    const bool is_checked = service.type == "LoadBalancer" && policy == "Local";
    const auto port = integer_at(service.spec, "healthCheckNodePort").value_or(0);
    if (port == 0) return;  // the server gives one out
    if (!is_checked)
        report.invalid_number(path.field("healthCheckNodePort"), port,
                              "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
    else
        for (const auto& fault : port_number(port))
            report.invalid_number(path.field("healthCheckNodePort"), port, fault);
}

void service_spec(const json::object& value, const Path& path, Report& report) {
    const auto service = view(value);
    check_type(service, path, report);
    check_ports(service, path, report);
    check_labels(value, "selector", path.field("selector"), report);
    check_affinity(service, path, report);
    check_addresses(service, path, report);
    check_balancer(service, path, report);
    check_traffic(service, path, report);
}

constexpr CheckRow rows[] = {{"core.v1.ServicePort", service_port}, {"core.v1.ServiceSpec", service_spec}};

}  // namespace

std::span<const CheckRow> service_checks() { return rows; }

}  // namespace pila::cluster::kinds

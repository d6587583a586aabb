// SPDX-License-Identifier: Apache-2.0
// Ingresses, their classes, network policies, addresses of services.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cluster/kinds/addresses.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void policy_port(const json::object& value, const Path& path, Report& report) {
    const auto* port = find(value, "port");
    const auto end = integer_at(value, "endPort");
    const Path at = path.field("port"), end_at = path.field("endPort");
    if (!port) {
        if (end) report.invalid_number(end_at, *end, "may not be specified when `port` is not specified");
        return;
    }
    if (port->is_string()) {
        if (end) report.invalid_number(end_at, *end, "may not be specified when `port` is non-numeric");
        return report.each_invalid(at, text_of(*port), port_name(text_of(*port)));
    }
    const auto number = integer_of(*port).value_or(0);
    for (const auto& fault : port_number(number)) report.invalid_number(at, number, fault);
    if (!end) return;
    if (*end < number) report.invalid_number(end_at, *end, "must be greater than or equal to `port`");
    for (const auto& fault : port_number(*end)) report.invalid_number(end_at, *end, fault);
}

void policy_peer(const json::object& value, const Path& path, Report& report) {
    const auto count = count_of(value, {"podSelector", "namespaceSelector", "ipBlock"});
    if (count == 0)
        report.required(path, "must specify a peer");
    else if (count > 1 && has(value, "ipBlock"))
        report.forbidden(path, "may not specify both ipBlock and another peer");
}

void ip_block(const json::object& value, const Path& path, Report& report) {
    const auto range = text_at(value, "cidr");
    if (range.empty()) return;
    if (!is_cidr(range)) return report.invalid(path.field("cidr"), range, not_a_cidr);
    const auto* except = list_at(value, "except");
    for (std::size_t i = 0; except && i < except->size(); ++i) {
        const auto hole = text_of((*except)[i]);
        if (!is_cidr(hole))
            report.invalid(path.item("except", i), hole, not_a_cidr);
        else if (!is_within(hole, range))
            report.invalid(path.item("except", i), hole, "must be a strict subset of `cidr`");
    }
}

void policy_spec(const json::object& value, const Path& path, Report& report) {
    const auto* types = list_at(value, "policyTypes");
    if (types && types->size() > 2)
        report.invalid(path.field("policyTypes"), json::value(*types), "may not specify more than two policyTypes");
}

Faults host_faults(std::string_view host) {
    return host.find('*') == std::string_view::npos ? dns_subdomain(host) : wildcard_subdomain(host);
}

void ingress_spec(const json::object& value, const Path& path, Report& report) {
    const auto* rules = list_at(value, "rules");
    if ((!rules || rules->empty()) && !has(value, "defaultBackend"))
        report.invalid(path, rules ? json::value(*rules) : json::value(json::array()),
                       "either `defaultBackend` or `rules` must be specified");
    const auto class_name = text_at(value, "ingressClassName");
    if (has(value, "ingressClassName"))
        report.each_invalid(path.field("ingressClassName"), class_name, dns_subdomain(class_name));
}

void ingress(const json::object& value, const Path&, Report& report) {
    const auto* notes = object_at(value, "metadata.annotations");
    const auto* spec = object_at(value, "spec");
    if (report.is_update() || !notes || !spec || !has(*spec, "ingressClassName")) return;
    const auto noted = text_at(*notes, "kubernetes.io/ingress.class");
    if (has(*notes, "kubernetes.io/ingress.class") && noted != text_at(*spec, "ingressClassName"))
        report.invalid(Path("annotations.kubernetes.io/ingress.class"), noted,
                       "must match `ingressClassName` when both are specified");
}

void ingress_rule(const json::object& value, const Path& path, Report& report) {
    const auto host = text_at(value, "host");
    if (host.empty()) return;
    if (is_ip_address(host)) report.invalid(path.field("host"), host, "must be a DNS name, not an IP address");
    report.each_invalid(path.field("host"), host, host_faults(host));
}

void ingress_path(const json::object& value, const Path& path, Report& report) {
    const auto place = text_at(value, "path"), type = text_at(value, "pathType");
    const Path at = path.field("path");
    if (type == "ImplementationSpecific") {
        if (!place.empty() && !place.starts_with('/')) report.invalid(at, place, "must be an absolute path");
        return;
    }
    if (type != "Exact" && type != "Prefix") return;
    if (!place.starts_with('/')) report.invalid(at, place, "must be an absolute path");
    if (place.empty()) return;
    for (std::string_view part : {"//", "/./", "/../", "%2f", "%2F"})
        if (place.find(part) != std::string_view::npos)
            report.invalid(at, place, fmt::format("must not contain '{}'", part));
    for (std::string_view tail : {"/..", "/."})
        if (place.ends_with(tail)) report.invalid(at, place, fmt::format("cannot end with '{}'", tail));
}

void ingress_backend(const json::object& value, const Path& path, Report& report) {
    const bool has_service = has(value, "service"), has_resource = has(value, "resource");
    if (has_service && has_resource)
        report.invalid(path, "", "cannot set both resource and service backends");
    else if (!has_service && !has_resource)
        report.required(path, "resource or service backend is required");
}

void service_backend(const json::object& value, const Path& path, Report& report) {
    const auto name = text_at(value, "name");
    if (!name.empty()) report.each_invalid(path.field("name"), name, dns_1035_label(name));
    static const json::object nothing;
    const auto* found = object_at(value, "port");
    const auto& port = found ? *found : nothing;
    const auto port_text = text_at(port, "name");
    const auto number = integer_at(port, "number").value_or(0);
    if (!port_text.empty() && number != 0)
        report.invalid(path, "", "cannot set both port name & port number");
    else if (!port_text.empty())
        report.each_invalid(path.field("port.name"), port_text, port_name(port_text));
    else if (number == 0)
        report.required(path, "port name or number is required");
    else
        for (const auto& fault : port_number(number)) report.invalid_number(path.field("port.number"), number, fault);
}

void ingress_tls(const json::object& value, const Path& path, Report& report) {
    const auto* hosts = list_at(value, "hosts");
    for (std::size_t i = 0; hosts && i < hosts->size(); ++i)
        report.each_invalid(path.item("hosts", i), text_of((*hosts)[i]), host_faults(text_of((*hosts)[i])));
    const auto secret = text_at(value, "secretName");
    if (!secret.empty()) report.each_invalid(path.field("secretName"), secret, dns_subdomain(secret));
}

void ingress_class(const json::object& value, const Path& path, Report& report) {
    const auto controller = text_at(value, "controller");
    const Path at = path.field("controller");
    if (controller.size() > 250) report.too_long(at, 250);
    if (controller.empty()) return report.required(at);
    const auto slash = controller.find('/');
    if (slash == std::string_view::npos || slash == 0 || slash + 1 == controller.size())
        report.invalid(at, controller, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    else
        report.each_invalid(at, controller.substr(0, slash), dns_subdomain(controller.substr(0, slash)));
}

void class_parameters(const json::object& value, const Path& path, Report& report) {
    const auto scope = text_at(value, "scope"), space = text_at(value, "namespace");
    if (scope == "Namespace" && space.empty())
        report.required(path.field("namespace"), "`parameters.scope` is set to 'Namespace'");
    if (scope == "Cluster" && !space.empty())
        report.forbidden(path.field("namespace"), "`parameters.scope` is set to 'Cluster'");
}

void service_cidr(const json::object& value, const Path& path, Report& report) {
    const auto* ranges = list_at(value, "cidrs");
    if (!ranges || ranges->empty()) return report.required(path.field("cidrs"), "at least one CIDR required");
    if (ranges->size() > 2) report.invalid(path.field("cidrs"), json::value(*ranges), "may only hold up to 2 values");
    for (std::size_t i = 0; i < ranges->size(); ++i)
        if (const auto range = text_of((*ranges)[i]); !is_cidr(range))
            report.invalid(path.item("cidrs", i), range, not_a_cidr);
}

constexpr CheckRow rows[] = {
    {"networking.v1.HTTPIngressPath", ingress_path},
    {"networking.v1.IPBlock", ip_block},
    {"networking.v1.Ingress", ingress},
    {"networking.v1.IngressBackend", ingress_backend},
    {"networking.v1.IngressClassParametersReference", class_parameters},
    {"networking.v1.IngressClassSpec", ingress_class},
    {"networking.v1.IngressRule", ingress_rule},
    {"networking.v1.IngressServiceBackend", service_backend},
    {"networking.v1.IngressSpec", ingress_spec},
    {"networking.v1.IngressTLS", ingress_tls},
    {"networking.v1.NetworkPolicyPeer", policy_peer},
    {"networking.v1.NetworkPolicyPort", policy_port},
    {"networking.v1.NetworkPolicySpec", policy_spec},
    {"networking.v1.ServiceCIDRSpec", service_cidr},
};

}  // namespace

std::span<const CheckRow> network_checks() { return rows; }

}  // namespace pila::cluster::kinds

// SPDX-License-Identifier: Apache-2.0
// Cells of services, endpoints, ingresses and what belongs to them.
#include <set>

#include <fmt/core.h>

#include "cluster/table/code_internal.h"
#include "cluster/table/labels_internal.h"

namespace pila::cluster::table {

namespace {

constexpr std::size_t most_shown = 3;

std::string joined_texts(View list, std::string_view field = {}) {
    Joined joined;
    for (View element : list.list()) joined.add(field.empty() ? element.text() : element[field].text());
    return joined.text();
}

// Addresses that a load balancer has been given, or names where it has none.
std::string balancer_addresses(const Row& row) {
    std::set<std::string_view> addresses;
    for (View ingress : row.object["status"]["loadBalancer"]["ingress"].list()) {
        auto address = ingress["ip"].text();
        if (address.empty()) address = ingress["hostname"].text();
        if (!address.empty()) addresses.insert(address);
    }
    Joined joined;
    for (auto address : addresses) joined.add(address);
    return joined.text();
}

void service_cluster_ip(Row& row, Cell& cell) {
    View spec = row.object["spec"];
    const auto& addresses = spec["clusterIPs"].list();
    cell.text(addresses.empty() ? spec["clusterIP"].text() : View(addresses[0]).text(), "<none>");
}

void service_external_ip(Row& row, Cell& cell) {
    View spec = row.object["spec"];
    auto type = spec["type"].text();
    auto own = joined_texts(spec["externalIPs"]);
    if (type == "ClusterIP" || type == "NodePort") return cell.text(own, "<none>");
    if (type == "ExternalName") return cell.text(spec["externalName"].text());
    if (type != "LoadBalancer") return cell.text("<unknown>");
    auto given = balancer_addresses(row);
    cell.text(given.empty() || own.empty() ? given + own : given + "," + own, "<pending>");
}

void service_ports(Row& row, Cell& cell) {
    Joined joined;
    for (View port : row.object["spec"]["ports"].list()) {
        auto number = port["port"].count(), node_port = port["nodePort"].count();
        joined.add(node_port > 0 ? fmt::format("{}:{}/{}", number, node_port, port["protocol"].text())
                                 : fmt::format("{}/{}", number, port["protocol"].text()));
    }
    cell.text(joined.text("<none>"));
}

std::string host_and_port(std::string_view host, std::int64_t port) {
    return host.find(':') == host.npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

void endpoints(Row& row, Cell& cell) {
    View subsets = row.object["subsets"];
    Joined joined(",", most_shown);
    for (View subset : subsets.list()) {
        for (View port : subset["ports"].list())
            for (View address : subset["addresses"].list())
                joined.add(host_and_port(address["ip"].text(), port["port"].count()));
        if (subset["ports"].list().empty())  // of a service without ports
            for (View address : subset["addresses"].list()) joined.add(address["ip"].text());
    }
    cell.text(joined.text(subsets.list().empty() ? "<none>" : ""));
}

void slice_ports(Row& row, Cell& cell) {
    Joined joined(",", most_shown);
    for (View port : row.object["ports"].list()) {
        auto number = port["port"].integer();
        auto name = port["name"];
        joined.add(number ? fmt::format("{}", *number) : std::string(name ? name.text() : "*"));
    }
    cell.text(joined.text("<unset>"));
}

void slice_endpoints(Row& row, Cell& cell) {
    Joined joined(",", most_shown);
    for (View endpoint : row.object["endpoints"].list())
        for (View address : endpoint["addresses"].list()) joined.add(address.text());
    cell.text(joined.text("<unset>"));
}

void ingress_hosts(Row& row, Cell& cell) {
    const auto& rules = row.object["spec"]["rules"].list();
    Joined joined;
    // Rules behind the third host count as more, those without a host, too.
    bool has_more = false;
    for (View rule : rules) {
        auto host = rule["host"].text();
        if (joined.count() == most_shown)
            has_more = true;
        else if (!host.empty())
            joined.add(host);
    }
    auto text = joined.text("*");
    cell.text(has_more ? fmt::format("{} + {} more...", text, rules.size() - most_shown) : text);
}

void ingress_address(Row& row, Cell& cell) { cell.text(balancer_addresses(row)); }

void ingress_ports(Row& row, Cell& cell) { cell.text(row.object["spec"]["tls"].list().empty() ? "80" : "80, 443"); }

void ingressclass_parameters(Row& row, Cell& cell) {
    View parameters = row.object["spec"]["parameters"];
    if (!parameters) return cell.text("<none>");
    View group = parameters["apiGroup"];
    cell.text(
        fmt::format("{}{}{}/{}", parameters["kind"].text(), group ? "." : "", group.text(), parameters["name"].text()));
}

void parent_ref(Row& row, Cell& cell) {
    View parent = row.object["spec"]["parentRef"];
    if (!parent) return cell.text("<none>");
    auto text = to_lower(parent["resource"].text());
    if (auto group = parent["group"].text(); !group.empty()) text += "." + to_lower(group);
    if (auto name_space = parent["namespace"].text(); !name_space.empty()) text += fmt::format("/{}", name_space);
    cell.text(fmt::format("{}/{}", text, parent["name"].text()));
}

void pod_selector(Row& row, Cell& cell) { cell.text(selector_text(row.object["spec"]["podSelector"])); }
void service_cidrs(Row& row, Cell& cell) { cell.text(joined_texts(row.object["spec"]["cidrs"])); }

constexpr CodeCell cells[] = {
    {"service_cluster_ip", "Address inside the cluster", service_cluster_ip},
    {"service_external_ip", "Addresses, or the name, outside of the cluster", service_external_ip},
    {"service_ports", "Ports, with those of the nodes, and protocols", service_ports},
    {"endpoints", "Addresses and ports behind the service", endpoints},
    {"slice_ports", "Ports behind the service", slice_ports},
    {"slice_endpoints", "Addresses behind the service", slice_endpoints},
    {"ingress_hosts", "Names that requests are taken for; * is any", ingress_hosts},
    {"ingress_address", "Addresses at which requests arrive", ingress_address},
    {"ingress_ports", "Ports at which requests arrive", ingress_ports},
    {"ingressclass_parameters", "The object that holds the controller's settings", ingressclass_parameters},
    {"parent_ref", "The object that uses the address", parent_ref},
    {"pod_selector", "Labels of the pods that the policy is for", pod_selector},
    {"service_cidrs", "Ranges that addresses of services are taken from", service_cidrs},
};

}  // namespace

std::span<const CodeCell> network_cells() { return cells; }

}  // namespace pila::cluster::table

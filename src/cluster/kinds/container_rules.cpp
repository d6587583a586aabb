// SPDX-License-Identifier: Apache-2.0
// Containers: image, ports, environment, resources.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "cluster/kinds/containers.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void container(const json::object& value, const Path& path, Report& report) {
    const auto name = text_at(value, "name");
    if (!name.empty()) report.each_invalid(path.field("name"), name, dns_label(name));
    const auto image = text_at(value, "image");
    if (image.empty()) report.required(path.field("image"));
    // Templates may pad it: the pods made of them may not.
    if (report.is("", "Pod") && trim(image) != image)
        report.invalid(path.field("image"), image, "must not have leading or trailing whitespace");
    std::set<std::string_view> port_names;
    each_object(list_at(value, "ports"), [&](const json::object& port, std::size_t i) {
        const auto given = text_at(port, "name");
        if (given.empty() || !port_name(given).empty()) return;
        const Path at = path.item("ports", i);
        if (!port_names.insert(given).second) report.duplicate(at.field("name"), given);
    });
}

void container_port(const json::object& value, const Path& path, Report& report) {
    const auto name = text_at(value, "name");
    if (!name.empty()) report.each_invalid(path.field("name"), name, port_name(name));
    const auto port = integer_at(value, "containerPort").value_or(0);
    if (port == 0)
        report.required(path.field("containerPort"));
    else
        for (const auto& fault : port_number(port)) report.invalid_number(path.field("containerPort"), port, fault);
    const auto host_port = integer_at(value, "hostPort").value_or(0);
    if (host_port != 0)
        for (const auto& fault : port_number(host_port))
            report.invalid_number(path.field("hostPort"), host_port, fault);
    if (const auto address = text_at(value, "hostIP"); !address.empty() && !is_ip_address(address))
        report.invalid(path.field("hostIP"), address, not_an_ip);
}

void variable(const json::object& value, const Path& path, Report& report) {
    const auto name = text_at(value, "name");
    if (!name.empty()) report.each_invalid(path.field("name"), name, environment_name(name));
    const auto* source = object_at(value, "valueFrom");
    if (!source) return;
    const Path at = path.field("valueFrom");
    const auto sources = count_of(*source, {"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"});
    if (sources == 0)
        report.invalid(at, "",
                       "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`");
    else if (!text_at(value, "value").empty())
        report.invalid(at, "", "may not be specified when `value` is not empty");
    else if (sources > 1)
        report.invalid(at, "", "may not have more than one field specified at a time");
}

// "metadata.labels['app']" -> the part in quotes.
std::string_view subscript_of(std::string_view field) {
    const auto open = field.find("['");
    return open != std::string_view::npos && field.ends_with("']") ? field.substr(open + 2, field.size() - open - 4)
                                                                   : std::string_view();
}

void variable_source(const json::object& value, const Path& path, Report& report) {
    const auto* reference = object_at(value, "fieldRef");
    if (!reference) return;
    const auto field = text_at(*reference, "fieldPath");
    const Path at = path.field("fieldRef");
    if (const auto key = subscript_of(field); !key.empty()) {
        if (field.starts_with("metadata.annotations["))
            report.each_invalid(at, key, qualified_name(to_lower(key)));
        else if (field.starts_with("metadata.labels["))
            report.each_invalid(at, key, qualified_name(key));
        else
            report.invalid(at, field.substr(0, field.find('[')), "does not support subscript");
        return;
    }
    const std::initializer_list<std::string_view> known{
        "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
        "status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs"};
    if (!field.empty() && std::find(known.begin(), known.end(), field) == known.end())
        report.not_supported(at.field("fieldPath"), field, known);
}

void resource_field(const json::object& value, const Path& path, Report& report) {
    const auto resource = text_at(value, "resource");
    const std::initializer_list<std::string_view> known{
        "limits.cpu",   "limits.memory",   "limits.ephemeral-storage",
        "requests.cpu", "requests.memory", "requests.ephemeral-storage"};
    const bool huge = resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-");
    if (!resource.empty() && !huge && std::find(known.begin(), known.end(), resource) == known.end())
        return report.not_supported(path.field("resource"), resource, known);
    const auto divisor = text_at(value, "divisor", "0");
    if (divisor == "0") return;
    constexpr std::string_view units[] = {"1",   "1k",  "1M",  "1G",  "1T",  "1P", "1E",
                                          "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"};
    if (resource.ends_with(".cpu")) {
        if (divisor != "1" && divisor != "1m")
            report.invalid(path.field("divisor"), resource,
                           "only divisor's values 1m and 1 are supported with the cpu resource");
    } else if (std::find(std::begin(units), std::end(units), divisor) == std::end(units)) {
        const auto what = huge ? "hugepages" : resource.ends_with("memory") ? "memory" : "local ephemeral storage";
        report.invalid(
            path.field("divisor"), resource,
            fmt::format("only divisor's values {} are supported with the {} resource", fmt::join(units, ", "), what));
    }
}

void key_selector(const json::object& value, const Path& path, Report& report) {
    const auto name = text_at(value, "name"), key = text_at(value, "key");
    report.each_invalid(path.field("name"), name, dns_subdomain(name));
    if (!key.empty()) report.each_invalid(path.field("key"), key, config_key(key));
}

void environment_source(const json::object& value, const Path& path, Report& report) {
    const auto prefix = text_at(value, "prefix");
    if (!prefix.empty()) report.each_invalid(path.field("prefix"), prefix, environment_name(prefix));
    for (auto source : {"configMapRef", "secretRef"})
        if (const auto* reference = object_at(value, source)) {
            const Path at = path.field(source);
            const auto name = text_at(*reference, "name");
            if (name.empty())
                report.required(at.field("name"));
            else
                report.each_invalid(at.field("name"), name, dns_subdomain(name));
        }
    const auto sources = count_of(value, {"configMapRef", "secretRef"});
    if (sources == 0)
        report.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`");
    else if (sources > 1)
        report.invalid(path, "", "may not have more than one field specified at a time");
}

constexpr CheckRow rows[] = {
    {"core.v1.ConfigMapKeySelector", key_selector},
    {"core.v1.Container", container},
    {"core.v1.ContainerPort", container_port},
    {"core.v1.EnvFromSource", environment_source},
    {"core.v1.EnvVar", variable},
    {"core.v1.EnvVarSource", variable_source},
    {"core.v1.EphemeralContainer", container},
    {"core.v1.ResourceFieldSelector", resource_field},
    {"core.v1.SecretKeySelector", key_selector},
};

}  // namespace

std::span<const CheckRow> container_checks() { return rows; }

}  // namespace pila::cluster::kinds

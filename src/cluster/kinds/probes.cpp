// SPDX-License-Identifier: Apache-2.0
// Probes and life-cycle hooks of containers.
#include <array>

#include <fmt/core.h>

#include "cluster/kinds/containers.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

constexpr std::array<std::string_view, 5> handlers{"exec", "httpGet", "tcpSocket", "grpc", "sleep"};

// Exactly one way of asking.
void check_handler(const json::object& object, const Path& path, Report& report) {
    bool found = false;
    for (auto name : handlers) {
        if (!has(object, name)) continue;
        if (found) report.forbidden(path.field(name), "may not specify more than 1 handler type");
        found = true;
    }
    if (!found) report.required(path, "must specify a handler type");
}

void exec_action(const json::object& value, const Path& path, Report& report) {
    if (!has_items(value, "command")) report.required(path.field("command"));
}

void http_get(const json::object& value, const Path& path, Report& report) {
    check_port_number_or_name(find(value, "port"), path.field("port"), report);
    each_object(list_at(value, "httpHeaders"), [&](const json::object& header, std::size_t) {
        const auto name = text_at(header, "name");
        report.each_invalid(path.field("httpHeaders"), name, header_name(name));
    });
}

void tcp_socket(const json::object& value, const Path& path, Report& report) {
    check_port_number_or_name(find(value, "port"), path.field("port"), report);
}

void grpc(const json::object& value, const Path& path, Report& report) {
    const auto port = integer_at(value, "port").value_or(0);
    for (const auto& fault : port_number(port)) report.invalid_number(path.field("port"), port, fault);
}

void probe(const json::object& value, const Path& path, Report& report) {
    check_handler(value, path, report);
    for (auto name : {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"})
        report.not_negative(value, name, path);
    const auto grace = integer_at(value, "terminationGracePeriodSeconds");
    if (grace && *grace <= 0)
        report.invalid_number(path.field("terminationGracePeriodSeconds"), *grace, "must be greater than 0");
}

void check_sleep(const json::object& hook, const PodContext& pod, const Path& path, Report& report) {
    const auto* sleep = object_at(hook, "sleep");
    if (!sleep || !pod.grace) return;
    const auto seconds = integer_at(*sleep, "seconds").value_or(0);
    if (seconds < 0 || seconds > *pod.grace)
        report.invalid_number(
            path.field("sleep"), seconds,
            fmt::format("must be non-negative and less than terminationGracePeriodSeconds ({})", *pod.grace));
}

void check_once(const json::object* probe, const Path& path, Report& report) {
    if (!probe) return;
    const auto successes = integer_at(*probe, "successThreshold").value_or(1);
    if (successes != 1) report.invalid_number(path.field("successThreshold"), successes, "must be 1");
}

}  // namespace

void check_port_number_or_name(const json::value* port, const Path& path, Report& report) {
    if (port && port->is_string()) return report.each_invalid(path, text_of(*port), port_name(text_of(*port)));
    const auto number = port ? integer_of(*port).value_or(0) : 0;
    for (const auto& fault : port_number(number)) report.invalid_number(path, number, fault);
}

void check_probes(const json::object& container, const PodContext& pod, const Path& path, Report& report) {
    if (const auto* lifecycle = object_at(container, "lifecycle"))
        for (auto name : {"postStart", "preStop"})
            if (const auto* hook = object_at(*lifecycle, name)) {
                const Path at_lifecycle = path.field("lifecycle");
                const Path at = at_lifecycle.field(name);
                check_handler(*hook, at, report);
                check_sleep(*hook, pod, at, report);
            }
    check_once(object_at(container, "livenessProbe"), path.field("livenessProbe"), report);
    check_once(object_at(container, "startupProbe"), path.field("startupProbe"), report);
    const Path readiness = path.field("readinessProbe");
    if (const auto* probe = object_at(container, "readinessProbe"))
        if (const auto grace = integer_at(*probe, "terminationGracePeriodSeconds"))
            report.invalid_number(readiness.field("terminationGracePeriodSeconds"), *grace,
                                  "must not be set for readinessProbes");
}

namespace {

constexpr CheckRow rows[] = {
    {"core.v1.ExecAction", exec_action},     {"core.v1.GRPCAction", grpc},
    {"core.v1.HTTPGetAction", http_get},     {"core.v1.Probe", probe},
    {"core.v1.TCPSocketAction", tcp_socket},
};

}  // namespace

std::span<const CheckRow> probe_checks() { return rows; }

}  // namespace pila::cluster::kinds

// SPDX-License-Identifier: Apache-2.0
// What pods and containers may do on their node; their names and name servers.
#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "cluster/kinds/containers.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

constexpr std::int64_t most_id = std::numeric_limits<std::uint32_t>::max();

void check_profile(const json::object& value, std::string_view what, const Path& path, Report& report) {
    const Path at = path.field("localhostProfile");
    const bool is_local = text_at(value, "type") == "Localhost";
    if (is_local && text_at(value, "localhostProfile").empty())
        report.required(at, fmt::format("must be set when {} type is Localhost", what));
    else if (!is_local && has(value, "localhostProfile"))
        report.invalid(at, text_at(value, "localhostProfile"),
                       fmt::format("can only be set when {} type is Localhost", what));
}

void seccomp(const json::object& value, const Path& path, Report& report) {
    check_profile(value, "seccomp", path, report);
    check_descending_path(text_at(value, "localhostProfile"), path.field("localhostProfile"), report);
}

void apparmor(const json::object& value, const Path& path, Report& report) {
    check_profile(value, "AppArmor", path, report);
    const auto profile = text_at(value, "localhostProfile");
    if (trim(profile) != profile)
        report.invalid(path.field("localhostProfile"), profile, "must not be padded with whitespace");
    if (profile.size() > 4095) report.too_long(path.field("localhostProfile"), 4095);
}

bool is_sysctl_name(std::string_view name) {
    if (name.empty() || name.size() > 253) return false;
    auto is_end = [](char letter) { return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9'); };
    char before = '.';
    for (char letter : name) {
        const bool separates = letter == '.' || letter == '/';
        if (!separates && !is_end(letter) && letter != '-' && letter != '_') return false;
        const bool at_edge = before == '.' || before == '/';
        if ((at_edge && !is_end(letter)) || (separates && !is_end(before))) return false;
        before = letter;
    }
    return is_end(before);
}

void sysctls(const json::object& value, const Path& path, Report& report) {
    std::set<std::string_view> seen;
    each_object(list_at(value, "sysctls"), [&](const json::object& sysctl, std::size_t i) {
        const auto name = text_at(sysctl, "name");
        const Path at = path.item("sysctls", i);
        if (name.empty()) return;
        if (!is_sysctl_name(name))
            report.invalid(at.field("name"), name,
                           "must have at most 253 characters and match regex "
                           "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
        else if (!seen.insert(name).second)
            report.duplicate(at.field("name"), name);
    });
}

void pod_security(const json::object& value, const Path& path, Report& report) {
    for (auto name : {"fsGroup", "runAsUser", "runAsGroup"}) report.within(value, name, 0, most_id, path);
    const auto* groups = list_at(value, "supplementalGroups");
    for (std::size_t i = 0; groups && i < groups->size(); ++i) {
        const auto id = integer_of((*groups)[i]).value_or(0);
        if (id < 0 || id > most_id) report.invalid_number(path.item("supplementalGroups", i), id, between(0, most_id));
    }
    sysctls(value, path, report);
}

void container_security(const json::object& value, const Path& path, Report& report) {
    for (auto name : {"runAsUser", "runAsGroup"}) report.within(value, name, 0, most_id, path);
    const auto* escalation = find(value, "allowPrivilegeEscalation");
    if (!escalation || !escalation->is_bool() || escalation->get_bool()) return;
    if (flag_at(value, "privileged"))
        report.invalid(path, json::value(value),
                       "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    const auto* added = list_at(value, "capabilities.add");
    if (added && std::find(added->begin(), added->end(), "CAP_SYS_ADMIN") != added->end())
        report.invalid(path, json::value(value),
                       "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
}

void host_alias(const json::object& value, const Path& path, Report& report) {
    const auto address = text_at(value, "ip");
    if (!is_ip_address(address)) report.invalid(path.field("ip"), address, not_an_ip);
    const auto* names = list_at(value, "hostnames");
    for (std::size_t i = 0; names && i < names->size(); ++i)
        report.each_invalid(path.item("hostnames", i), text_of((*names)[i]), dns_subdomain(text_of((*names)[i])));
}

void dns_config(const json::object& value, const Path& path, Report& report) {
    if (const auto* servers = list_at(value, "nameservers")) {
        if (servers->size() > 3)
            report.invalid(path.field("nameservers"), json::value(*servers), "must not have more than 3 nameservers");
        for (std::size_t i = 0; i < servers->size(); ++i)
            if (const auto server = text_of((*servers)[i]); !is_ip_address(server))
                report.invalid(path.item("nameservers", i), server, not_an_ip);
    }
    if (const auto* searches = list_at(value, "searches")) {
        std::size_t size = searches->empty() ? 0 : searches->size() - 1;
        if (searches->size() > 32)
            report.invalid(path.field("searches"), json::value(*searches), "must not have more than 32 search paths");
        for (std::size_t i = 0; i < searches->size(); ++i) {
            auto search = text_of((*searches)[i]);
            size += search.size();
            if (search == ".") continue;
            if (search.ends_with('.')) search.remove_suffix(1);
            report.each_invalid(path.item("searches", i), search, dns_search(search));
        }
        if (size > 2048)
            report.invalid(path.field("searches"), json::value(*searches),
                           "must not have more than 2048 characters (including spaces) in the search list");
    }
    each_object(list_at(value, "options"), [&](const json::object& option, std::size_t i) {
        if (text_at(option, "name").empty()) report.required(path.item("options", i), "must not be empty");
    });
}

constexpr CheckRow rows[] = {
    {"core.v1.AppArmorProfile", apparmor}, {"core.v1.HostAlias", host_alias},
    {"core.v1.PodDNSConfig", dns_config},  {"core.v1.PodSecurityContext", pod_security},
    {"core.v1.SeccompProfile", seccomp},   {"core.v1.SecurityContext", container_security},
};

void forbid_all(const json::object* object, std::initializer_list<std::string_view> names, const Path& path,
                std::string_view detail, Report& report) {
    for (auto name : names)
        if (object && has(*object, name)) report.forbidden(path.field(name), detail);
}

}  // namespace

void check_system(const json::object& spec, const Path& path, Report& report) {
    const auto* config = object_at(spec, "dnsConfig");
    if (text_at(spec, "dnsPolicy") == "None") {
        if (!config)
            report.required(path.field("dnsConfig"), "must provide `dnsConfig` when `dnsPolicy` is None");
        else if (!has_items(*config, "nameservers"))
            report.required(path.field("dnsConfig.nameservers"),
                            "must provide at least one DNS nameserver when `dnsPolicy` is None");
    }
    if (flag_at(spec, "hostPID") && flag_at(spec, "shareProcessNamespace"))
        report.invalid(path.field("securityContext.shareProcessNamespace"), json::value(true),
                       "ShareProcessNamespace and HostPID cannot both be enabled");
    const auto* os = object_at(spec, "os");
    const auto name = os ? text_at(*os, "name") : std::string_view();
    const auto* security = object_at(spec, "securityContext");
    const Path at = path.field("securityContext");
    if (name == "linux")
        forbid_all(security, {"windowsOptions"}, at, "windows options cannot be set for a linux pod", report);
    if (name == "windows") {
        forbid_all(&spec, {"hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"}, path,
                   "cannot be set for a windows pod", report);
        forbid_all(security,
                   {"appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls",
                    "runAsUser", "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy"},
                   at, "cannot be set for a windows pod", report);
    }
}

std::span<const CheckRow> security_checks() { return rows; }

}  // namespace pila::cluster::kinds

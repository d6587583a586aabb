// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/admission/security_internal.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

struct Row {
    Level level;
    int since, until;  // minor versions, both included
    SecurityCheck check;
    bool is_baseline_only = false;  // a stricter check takes its place at the restricted level
    int replaced_since = 0;         // from this minor version on
};

constexpr int ever = LevelVersion::newest;

// Baseline first, each in order of the checks' names.
constexpr Row rows[] = {
    {Level::Baseline, 0, ever, check_app_armor},
    {Level::Baseline, 0, ever, check_capabilities, true, 22},
    {Level::Baseline, 0, ever, check_host_namespaces},
    {Level::Baseline, 0, ever, check_host_paths, true, 0},
    {Level::Baseline, 0, ever, check_host_ports},
    {Level::Baseline, 0, ever, check_privileged},
    {Level::Baseline, 0, ever, check_proc_mount},
    {Level::Baseline, 0, ever, check_se_linux},
    {Level::Baseline, 0, 18, check_seccomp_annotations},
    {Level::Baseline, 19, ever, check_seccomp, true, 19},
    {Level::Baseline, 0, ever, check_sysctls},
    {Level::Baseline, 0, ever, check_host_process},
    {Level::Restricted, 8, ever, check_privilege_escalation},
    {Level::Restricted, 22, ever, check_capabilities_restricted},
    {Level::Restricted, 0, ever, check_volumes},
    {Level::Restricted, 0, ever, check_non_root},
    {Level::Restricted, 23, ever, check_user},
    {Level::Restricted, 19, ever, check_seccomp_restricted},
};

bool applies(const Row& row, const LevelVersion& wanted) {
    if (wanted.minor < row.since || wanted.minor > row.until || row.level > wanted.level) return false;
    return !(row.is_baseline_only && wanted.level == Level::Restricted && wanted.minor >= row.replaced_since);
}

}  // namespace

std::string LevelVersion::text() const {
    auto name = level == Level::Privileged ? "privileged" : level == Level::Baseline ? "baseline" : "restricted";
    return minor == newest ? fmt::format("{}:latest", name) : fmt::format("{}:v1.{}", name, minor);
}

bool PodParts::is_windows() const {
    const auto* system = kinds::object_at(spec, "os");
    return system && kinds::text_at(*system, "name") == "windows";
}

std::vector<Violation> violations(const LevelVersion& wanted, const json::object* metadata, const json::object& spec) {
    std::vector<Violation> list;
    if (wanted.level == Level::Privileged) return list;
    PodParts pod{metadata ? kinds::object_at(*metadata, "annotations") : nullptr, spec, wanted.minor, {}};
    for (auto name : {"initContainers", "containers", "ephemeralContainers"})
        kinds::each_object(kinds::list_at(spec, name),
                           [&](const json::object& one, std::size_t) { pod.containers.push_back(&one); });
    for (const auto& row : rows) {
        Violation found;
        if (applies(row, wanted) && row.check(pod, found)) list.push_back(std::move(found));
    }
    return list;
}

std::string reasons_of(const std::vector<Violation>& list) {
    std::vector<std::string> parts;
    for (const auto& one : list) parts.push_back(one.reason);
    return join(parts, ", ");
}

std::string details_of(const std::vector<Violation>& list) {
    std::vector<std::string> parts;
    for (const auto& one : list)
        parts.push_back(one.detail.empty() ? one.reason : fmt::format("{} ({})", one.reason, one.detail));
    return join(parts, ", ");
}

const json::object* security_of(const json::object& container_or_pod) {
    return kinds::object_at(container_or_pod, "securityContext");
}

std::string quoted_list(const std::vector<std::string>& names) {
    return names.empty() ? "" : "\"" + join(names, "\", \"") + "\"";
}
std::string quoted_list(const std::set<std::string>& names) {
    return quoted_list(std::vector<std::string>(names.begin(), names.end()));
}

std::string_view plural(std::string_view one, std::string_view many, std::size_t count) {
    return count == 1 ? one : many;
}

std::string containers_text(const std::vector<std::string>& names) {
    return fmt::format("{} {}", plural("container", "containers", names.size()), quoted_list(names));
}

std::string setters_text(bool by_pod, const std::vector<std::string>& names, std::string_view what) {
    std::string text = by_pod ? "pod" : "";
    if (!names.empty()) text += (by_pod ? " and " : "") + containers_text(names);
    return text.append(what);
}

}  // namespace pila::cluster::admission

// SPDX-License-Identifier: Apache-2.0
#pragma once
// The Pod Security Standards: what a pod of a level may be, version by version. Source of checks, order and words:
// k8s.io/pod-security-admission/policy.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace pila::cluster::admission {

namespace json = boost::json;

enum class Level : std::uint8_t { Privileged, Baseline, Restricted };

struct LevelVersion {
    Level level = Level::Privileged;
    int minor = newest;  // of version 1
    bool operator==(const LevelVersion&) const = default;
    std::string text() const;  // restricted:latest, baseline:v1.25

    static constexpr int newest = 1'000'000;
};

struct Violation {
    std::string reason, detail;
};

// `metadata` may be null: of a template that has none.
std::vector<Violation> violations(const LevelVersion& wanted, const json::object* metadata, const json::object& spec);
std::string reasons_of(const std::vector<Violation>& list);  // hostPort, privileged
std::string details_of(const std::vector<Violation>& list);  // hostPort (container "c" uses hostPort 80), ...

// What the checks are made of (security_checks.cpp, security_profiles.cpp).
struct PodParts {
    const json::object* annotations;  // or null
    const json::object& spec;
    int minor;
    std::vector<const json::object*> containers;  // init containers first, ephemeral ones last

    bool is_windows() const;
};
using SecurityCheck = bool (*)(const PodParts& pod, Violation& found);

const json::object* security_of(const json::object& container_or_pod);
std::string quoted_list(const std::vector<std::string>& names);
std::string quoted_list(const std::set<std::string>& names);
// `container "a"`, `containers "a", "b"`
std::string containers_text(const std::vector<std::string>& names);
// `pod and container "a" must not ...`
std::string setters_text(bool by_pod, const std::vector<std::string>& names, std::string_view what);
std::string_view plural(std::string_view one, std::string_view many, std::size_t count);

bool check_privilege_escalation(const PodParts& pod, Violation& found);
bool check_capabilities(const PodParts& pod, Violation& found);
bool check_capabilities_restricted(const PodParts& pod, Violation& found);
bool check_host_namespaces(const PodParts& pod, Violation& found);
bool check_host_paths(const PodParts& pod, Violation& found);
bool check_host_ports(const PodParts& pod, Violation& found);
bool check_privileged(const PodParts& pod, Violation& found);
bool check_proc_mount(const PodParts& pod, Violation& found);
bool check_volumes(const PodParts& pod, Violation& found);
bool check_non_root(const PodParts& pod, Violation& found);
bool check_user(const PodParts& pod, Violation& found);
bool check_sysctls(const PodParts& pod, Violation& found);
bool check_host_process(const PodParts& pod, Violation& found);

bool check_app_armor(const PodParts& pod, Violation& found);
bool check_seccomp_annotations(const PodParts& pod, Violation& found);
bool check_seccomp(const PodParts& pod, Violation& found);
bool check_seccomp_restricted(const PodParts& pod, Violation& found);
bool check_se_linux(const PodParts& pod, Violation& found);

}  // namespace pila::cluster::admission

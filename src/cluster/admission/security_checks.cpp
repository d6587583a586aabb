// SPDX-License-Identifier: Apache-2.0
// Checks of the Pod Security Standards: privileges, capabilities, the host, volumes, users.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/admission/security_internal.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

constexpr int windows_since = 25;  // pods of Windows need not say what only Linux knows

std::string name_of_container(const json::object& container) { return std::string(kinds::text_at(container, "name")); }

// A member of the securityContext; null: not said.
const json::value* said(const json::object& holder, std::string_view member) {
    const auto* security = security_of(holder);
    return security ? kinds::find(*security, member) : nullptr;
}
bool is_flag(const json::value* value, bool flag) { return value && value->is_bool() && value->get_bool() == flag; }

template <typename Test>
std::vector<std::string> names_where(const PodParts& pod, Test&& test) {
    std::vector<std::string> names;
    for (const auto* container : pod.containers)
        if (test(*container)) names.push_back(name_of_container(*container));
    return names;
}

// Names in a list of the container's capabilities that are none of `allowed`.
std::vector<std::string> added_beyond(const json::object& container, std::initializer_list<std::string_view> allowed) {
    std::vector<std::string> extra;
    const auto* added = kinds::list_at(container, "securityContext.capabilities.add");
    if (!added) return extra;
    for (const auto& one : *added)
        if (std::find(allowed.begin(), allowed.end(), kinds::text_of(one)) == allowed.end())
            extra.emplace_back(kinds::text_of(one));
    return extra;
}

// Containers that add more than they may, and what.
std::string added_text(const PodParts& pod, std::initializer_list<std::string_view> allowed) {
    std::vector<std::string> names;
    std::set<std::string> extra;
    for (const auto* container : pod.containers) {
        auto own = added_beyond(*container, allowed);
        if (!own.empty()) names.push_back(name_of_container(*container));
        extra.insert(own.begin(), own.end());
    }
    if (names.empty()) return "";
    return fmt::format("{} must not include {} in securityContext.capabilities.add", containers_text(names),
                       quoted_list(extra));
}

bool tell(Violation& found, std::string reason, std::string detail) {
    found = {std::move(reason), std::move(detail)};
    return true;
}

}  // namespace

bool check_privilege_escalation(const PodParts& pod, Violation& found) {
    if (pod.minor >= windows_since && pod.is_windows()) return false;
    auto names =
        names_where(pod, [](const auto& one) { return !is_flag(said(one, "allowPrivilegeEscalation"), false); });
    if (names.empty()) return false;
    return tell(found, "allowPrivilegeEscalation != false",
                containers_text(names) + " must set securityContext.allowPrivilegeEscalation=false");
}

bool check_capabilities(const PodParts& pod, Violation& found) {
    auto text = added_text(pod, {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
                                 "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"});
    return !text.empty() && tell(found, "non-default capabilities", text);
}

bool check_capabilities_restricted(const PodParts& pod, Violation& found) {
    if (pod.minor >= windows_since && pod.is_windows()) return false;
    auto keeping = names_where(pod, [](const json::object& one) {
        const auto* dropped = kinds::list_at(one, "securityContext.capabilities.drop");
        return !dropped || std::find(dropped->begin(), dropped->end(), json::value("ALL")) == dropped->end();
    });
    std::vector<std::string> parts;
    if (!keeping.empty())
        parts.push_back(containers_text(keeping) + " must set securityContext.capabilities.drop=[\"ALL\"]");
    if (auto added = added_text(pod, {"NET_BIND_SERVICE"}); !added.empty()) parts.push_back(added);
    return !parts.empty() && tell(found, "unrestricted capabilities", join(parts, "; "));
}

bool check_host_namespaces(const PodParts& pod, Violation& found) {
    std::vector<std::string> parts;
    for (std::string name : {"hostNetwork", "hostPID", "hostIPC"})
        if (kinds::flag_at(pod.spec, name)) parts.push_back(name + "=true");
    return !parts.empty() && tell(found, "host namespaces", join(parts, ", "));
}

bool check_host_paths(const PodParts& pod, Violation& found) {
    std::vector<std::string> names;
    kinds::each_object(kinds::list_at(pod.spec, "volumes"), [&](const json::object& volume, std::size_t) {
        if (kinds::has(volume, "hostPath")) names.emplace_back(kinds::text_at(volume, "name"));
    });
    return !names.empty() && tell(found, "hostPath volumes",
                                  fmt::format("{} {}", plural("volume", "volumes", names.size()), quoted_list(names)));
}

bool check_host_ports(const PodParts& pod, Violation& found) {
    std::vector<std::string> names;
    std::set<std::string> ports;
    for (const auto* container : pod.containers) {
        auto before = ports.size();
        bool uses = false;
        kinds::each_object(kinds::list_at(*container, "ports"), [&](const json::object& port, std::size_t) {
            auto number = kinds::integer_at(port, "hostPort").value_or(0);
            if (number != 0) ports.insert(std::to_string(number));
            uses = uses || number != 0;
        });
        if (uses || ports.size() != before) names.push_back(name_of_container(*container));
    }
    if (names.empty()) return false;
    return tell(found, "hostPort",
                fmt::format("{} {} {} {}", containers_text(names), plural("uses", "use", names.size()),
                            plural("hostPort", "hostPorts", ports.size()), join({ports.begin(), ports.end()}, ", ")));
}

bool check_privileged(const PodParts& pod, Violation& found) {
    auto names = names_where(pod, [](const auto& one) { return is_flag(said(one, "privileged"), true); });
    return !names.empty() &&
           tell(found, "privileged", containers_text(names) + " must not set securityContext.privileged=true");
}

bool check_proc_mount(const PodParts& pod, Violation& found) {
    std::set<std::string> types;
    auto names = names_where(pod, [&](const json::object& one) {
        const auto* mount = said(one, "procMount");
        if (!mount || kinds::text_of(*mount) == "Default") return false;
        types.emplace(kinds::text_of(*mount));
        return true;
    });
    return !names.empty() && tell(found, "procMount",
                                  fmt::format("{} must not set securityContext.procMount to {}", containers_text(names),
                                              quoted_list(types)));
}

bool check_volumes(const PodParts& pod, Violation& found) {
    constexpr std::string_view allowed[] = {"configMap", "csi",       "downwardAPI",           "emptyDir", "ephemeral",
                                            "image",     "projected", "persistentVolumeClaim", "secret"};
    std::vector<std::string> names;
    std::set<std::string> types;
    kinds::each_object(kinds::list_at(pod.spec, "volumes"), [&](const json::object& volume, std::size_t) {
        std::string type = "unknown";
        for (const auto& [name, value] : volume) {
            if (name == "name" || value.is_null()) continue;
            type = name;
            if (std::find(std::begin(allowed), std::end(allowed), name) != std::end(allowed)) return;
        }
        names.emplace_back(kinds::text_at(volume, "name"));
        types.insert(type);
    });
    if (names.empty()) return false;
    return tell(
        found, "restricted volume types",
        fmt::format("{} {} {} {} {}", plural("volume", "volumes", names.size()), quoted_list(names),
                    plural("uses", "use", names.size()),
                    plural("restricted volume type", "restricted volume types", types.size()), quoted_list(types)));
}

bool check_non_root(const PodParts& pod, Violation& found) {
    const std::string reason = "runAsNonRoot != true";
    const auto* of_pod = said(pod.spec, "runAsNonRoot");
    bool by_pod = is_flag(of_pod, false), pod_says_so = is_flag(of_pod, true);
    auto wrong = names_where(pod, [](const auto& one) { return is_flag(said(one, "runAsNonRoot"), false); });
    if (by_pod || !wrong.empty())
        return tell(found, reason, setters_text(by_pod, wrong, " must not set securityContext.runAsNonRoot=false"));
    auto silent = names_where(pod, [&](const auto& one) { return !said(one, "runAsNonRoot") && !pod_says_so; });
    return !silent.empty() &&
           tell(found, reason, "pod or " + containers_text(silent) + " must set securityContext.runAsNonRoot=true");
}

bool check_user(const PodParts& pod, Violation& found) {
    auto is_root = [](const json::object& holder) {
        const auto* user = said(holder, "runAsUser");
        return user && kinds::integer_of(*user) == std::optional<std::int64_t>(0);
    };
    bool by_pod = is_root(pod.spec);
    auto names = names_where(pod, is_root);
    if (!by_pod && names.empty()) return false;
    return tell(found, "runAsUser=0", setters_text(by_pod, names, " must not set runAsUser=0"));
}

bool check_sysctls(const PodParts& pod, Violation& found) {
    struct Allowed {
        std::string_view name;
        int since;
    };
    constexpr Allowed allowed[] = {{"kernel.shm_rmid_forced", 0},
                                   {"net.ipv4.ip_local_port_range", 0},
                                   {"net.ipv4.tcp_syncookies", 0},
                                   {"net.ipv4.ping_group_range", 0},
                                   {"net.ipv4.ip_unprivileged_port_start", 0},
                                   {"net.ipv4.ip_local_reserved_ports", 27},
                                   {"net.ipv4.tcp_keepalive_time", 29},
                                   {"net.ipv4.tcp_fin_timeout", 29},
                                   {"net.ipv4.tcp_keepalive_intvl", 29},
                                   {"net.ipv4.tcp_keepalive_probes", 29},
                                   {"net.ipv4.tcp_rmem", 32},
                                   {"net.ipv4.tcp_wmem", 32}};
    std::vector<std::string> names;
    kinds::each_object(kinds::list_at(pod.spec, "securityContext.sysctls"), [&](const json::object& one, std::size_t) {
        auto name = kinds::text_at(one, "name");
        bool is_fine = std::any_of(std::begin(allowed), std::end(allowed), [&](const Allowed& entry) {
            return entry.name == name && pod.minor >= entry.since;
        });
        if (!is_fine) names.emplace_back(name);
    });
    return !names.empty() && tell(found, "forbidden sysctls", join(names, ", "));
}

bool check_host_process(const PodParts& pod, Violation& found) {
    auto is_host = [](const json::object& holder) {
        const auto* options = kinds::object_at(holder, "securityContext.windowsOptions");
        return options && kinds::flag_at(*options, "hostProcess");
    };
    bool by_pod = is_host(pod.spec);
    auto names = names_where(pod, is_host);
    if (!by_pod && names.empty()) return false;
    return tell(found, "hostProcess",
                setters_text(by_pod, names, " must not set securityContext.windowsOptions.hostProcess=true"));
}

}  // namespace pila::cluster::admission

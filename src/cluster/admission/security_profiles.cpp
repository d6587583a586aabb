// SPDX-License-Identifier: Apache-2.0
// Checks of the Pod Security Standards: AppArmor, seccomp, SELinux.
#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/admission/security_internal.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

constexpr std::string_view app_armor_prefix = "container.apparmor.security.beta.kubernetes.io/";
constexpr std::string_view seccomp_pod = "seccomp.security.alpha.kubernetes.io/pod";
constexpr std::string_view seccomp_prefix = "container.seccomp.security.alpha.kubernetes.io/";

// Who sets a profile to what nobody may set it to, and who says nothing.
struct Setters {
    bool by_pod = false, pod_is_fine = false;
    std::vector<std::string> wrong, silent;
    std::set<std::string> values;
};

Setters profile_setters(const PodParts& pod, std::string_view member) {
    Setters setters;
    auto type_of = [&](const json::object& holder) -> std::optional<std::string_view> {
        const auto* security = security_of(holder);
        const auto* profile = security ? kinds::object_at(*security, member) : nullptr;
        return profile ? std::optional(kinds::text_at(*profile, "type")) : std::nullopt;
    };
    auto is_fine = [](std::string_view type) { return type == "RuntimeDefault" || type == "Localhost"; };
    if (auto type = type_of(pod.spec)) {
        setters.pod_is_fine = is_fine(*type);
        setters.by_pod = !setters.pod_is_fine;
        if (setters.by_pod) setters.values.emplace(*type);
    }
    for (const auto* container : pod.containers) {
        auto type = type_of(*container);
        if (type && is_fine(*type)) continue;
        auto& list = type ? setters.wrong : setters.silent;
        list.emplace_back(kinds::text_at(*container, "name"));
        if (type) setters.values.emplace(*type);
    }
    return setters;
}

bool tell_seccomp(const Setters& setters, Violation& found) {
    if (!setters.by_pod && setters.wrong.empty()) return false;
    found = {"seccompProfile",
             setters_text(setters.by_pod, setters.wrong,
                          " must not set securityContext.seccompProfile.type to " + quoted_list(setters.values))};
    return true;
}

}  // namespace

bool check_app_armor(const PodParts& pod, Violation& found) {
    auto setters = profile_setters(pod, "appArmorProfile");
    std::vector<std::string> who, values(setters.values.begin(), setters.values.end());
    if (setters.by_pod || !setters.wrong.empty()) who.push_back(setters_text(setters.by_pod, setters.wrong, ""));
    std::set<std::string> annotations;
    if (pod.annotations)
        for (const auto& [name, value] : *pod.annotations) {
            auto text = kinds::text_of(value);
            bool is_fine = text.empty() || text == "runtime/default" || text.starts_with("localhost/");
            if (name.starts_with(app_armor_prefix) && !is_fine)
                annotations.insert(fmt::format("{}={}", std::string_view(name), json_quote(text)));
        }
    if (!annotations.empty()) who.emplace_back(plural("annotation", "annotations", annotations.size()));
    values.insert(values.end(), annotations.begin(), annotations.end());
    if (who.empty()) return false;
    found = {std::string(plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.size())),
             fmt::format("{} must not set AppArmor profile type to {}", join(who, " and "), quoted_list(values))};
    return true;
}

bool check_seccomp_annotations(const PodParts& pod, Violation& found) {
    std::set<std::string> wrong;
    auto see = [&](const std::string& name) {
        const auto* value = pod.annotations ? kinds::find(*pod.annotations, name) : nullptr;
        auto text = value ? kinds::text_of(*value) : std::string_view();
        bool is_fine = text == "runtime/default" || text == "docker/default" || text.starts_with("localhost/");
        if (value && !is_fine) wrong.insert(fmt::format("{}={}", name, json_quote(text)));
    };
    see(std::string(seccomp_pod));
    for (const auto* container : pod.containers)
        see(std::string(seccomp_prefix) + std::string(kinds::text_at(*container, "name")));
    if (wrong.empty()) return false;
    found = {"seccompProfile", fmt::format("forbidden {} {}", plural("annotation", "annotations", wrong.size()),
                                           join({wrong.begin(), wrong.end()}, ", "))};
    return true;
}

bool check_seccomp(const PodParts& pod, Violation& found) {
    return tell_seccomp(profile_setters(pod, "seccompProfile"), found);
}

bool check_seccomp_restricted(const PodParts& pod, Violation& found) {
    constexpr int windows_since = 25;
    if (pod.minor >= windows_since && pod.is_windows()) return false;
    auto setters = profile_setters(pod, "seccompProfile");
    if (tell_seccomp(setters, found)) return true;
    if (setters.pod_is_fine || setters.silent.empty()) return false;
    found = {"seccompProfile",
             "pod or " + containers_text(setters.silent) +
                 " must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\""};
    return true;
}

bool check_se_linux(const PodParts& pod, Violation& found) {
    constexpr int engine_since = 31;
    std::set<std::string> types;
    bool sets_user = false, sets_role = false;
    auto is_wrong = [&](const json::object& holder) {
        const auto* options = kinds::object_at(holder, "securityContext.seLinuxOptions");
        if (!options) return false;
        auto type = kinds::text_at(*options, "type");
        bool fits = type.empty() || type == "container_t" || type == "container_init_t" || type == "container_kvm_t" ||
                    (pod.minor >= engine_since && type == "container_engine_t");
        bool user = !kinds::text_at(*options, "user").empty(), role = !kinds::text_at(*options, "role").empty();
        if (!fits) types.emplace(type);
        sets_user = sets_user || user;
        sets_role = sets_role || role;
        return !fits || user || role;
    };
    bool by_pod = is_wrong(pod.spec);
    std::vector<std::string> names, parts;
    for (const auto* container : pod.containers)
        if (is_wrong(*container)) names.emplace_back(kinds::text_at(*container, "name"));
    if (!by_pod && names.empty()) return false;
    if (!types.empty())
        parts.push_back(fmt::format("{} {}", plural("type", "types", types.size()), quoted_list(types)));
    if (sets_user) parts.emplace_back("user may not be set");
    if (sets_role) parts.emplace_back("role may not be set");
    found = {"seLinuxOptions",
             setters_text(by_pod, names, " set forbidden securityContext.seLinuxOptions: ") + join(parts, "; ")};
    return true;
}

}  // namespace pila::cluster::admission

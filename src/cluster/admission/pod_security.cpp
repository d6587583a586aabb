// SPDX-License-Identifier: Apache-2.0
// PodSecurity: a namespace says by labels which level its pods must keep (enforce), and of which one people are told
// (warn). Templates of pods are only told of: their pods meet the same rules one by one.
#include <charconv>
#include <chrono>
#include <map>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/admission/plugins_internal.h"
#include "cluster/admission/security_internal.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

constexpr std::string_view prefix = "pod-security.kubernetes.io/";
constexpr std::size_t most_pods = 3000;  // looked at when a namespace's labels change
constexpr std::chrono::seconds patience{1};

struct Policy {
    LevelVersion enforce, warn;
    std::vector<kinds::Cause> faults;
};

bool read_level(std::string_view text, Level& level) {
    if (text != "privileged" && text != "baseline" && text != "restricted") return false;
    level = text == "privileged" ? Level::Privileged : text == "baseline" ? Level::Baseline : Level::Restricted;
    return true;
}

bool read_version(std::string_view text, int& minor) {
    minor = LevelVersion::newest;
    if (text == "latest") return true;
    if (!text.starts_with("v1.")) return false;
    text.remove_prefix(3);
    int number = 0;
    auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    bool is_number = !text.empty() && text[0] != '-' && read.ec == std::errc() && read.ptr == text.data() + text.size();
    if (!is_number || (text.size() > 1 && text[0] == '0') || number >= LevelVersion::newest) return false;
    minor = number;
    return true;
}

class PolicyReader {
public:
    explicit PolicyReader(const json::object* labels) : labels_(labels) {}

    // What cannot be read is the strictest when it holds pods back, and nothing when it only tells. Whether the level
    // is given.
    bool read(std::string_view mode, Level otherwise, LevelVersion& wanted) {
        auto name = std::string(prefix) + std::string(mode);
        const auto* level = find(name);
        if (level && !read_level(kinds::text_of(*level), wanted.level)) {
            wanted.level = otherwise;
            blame(name, *level, "must be one of privileged, baseline, restricted");
        }
        const auto* version = find(name + "-version");
        if (version && !read_version(kinds::text_of(*version), wanted.minor))
            blame(name + "-version", *version, "must be \"latest\" or \"v1.x\"");
        return level != nullptr;
    }
    const json::value* find(const std::string& name) const { return labels_ ? kinds::find(*labels_, name) : nullptr; }

    std::vector<kinds::Cause> faults;

private:
    void blame(const std::string& name, const json::value& value, std::string_view why) {
        faults.push_back(kinds::invalid_value(fmt::format("metadata.labels[{}]", name), kinds::value_text(value), why));
    }
    const json::object* labels_;
};

Policy policy_of(const json::object& name_space) {
    const auto* metadata = kinds::object_at(name_space, "metadata");
    PolicyReader reader(metadata ? kinds::object_at(*metadata, "labels") : nullptr);
    Policy policy;
    LevelVersion audit;
    reader.read("enforce", Level::Restricted, policy.enforce);
    reader.read("audit", Level::Privileged, audit);
    // Who says nothing of warnings is warned of what would be refused (since 1.26).
    if (!reader.find(std::string(prefix) + "warn")) policy.warn = policy.enforce;
    reader.read("warn", Level::Privileged, policy.warn);
    policy.faults = std::move(reader.faults);
    return policy;
}

// Of a template: the object that has its metadata and spec; null: the kind has none.
const json::object* template_of(const Request& request, const json::object& object) {
    auto is = [&](std::string_view group, std::initializer_list<std::string_view> kinds) {
        return request.kind.group_version.group == group &&
               std::find(kinds.begin(), kinds.end(), request.kind.name) != kinds.end();
    };
    if (is("", {"PodTemplate"})) return kinds::object_at(object, "template");
    if (is("batch", {"CronJob"})) return kinds::object_at(object, "spec.jobTemplate.spec.template");
    bool has = is("", {"ReplicationController"}) || is("batch", {"Job"}) ||
               is("apps", {"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"});
    return has ? kinds::object_at(object, "spec.template") : nullptr;
}

std::map<std::string, std::string> images_of(const json::object& pod, std::string_view list) {
    std::map<std::string, std::string> images;
    kinds::each_object(kinds::list_at(spec_of(pod), list), [&](const json::object& one, std::size_t) {
        images.emplace(kinds::text_at(one, "name"), kinds::text_at(one, "image"));
    });
    return images;
}

// Of a pod only images and containers for debugging can change that matter here.
bool is_significant(const json::object& pod, const json::object& before) {
    for (auto list : {"initContainers", "containers", "ephemeralContainers"})
        if (images_of(pod, list) != images_of(before, list)) return true;
    return false;
}

Verdict check_pod(Request& request, const json::object& object, const Lookup& lookup) {
    bool is_pod = request.is("", "Pod");
    const auto* pod = is_pod ? &object : template_of(request, object);
    if (!pod) return {};
    if (is_pod && !request.is_new() && !is_significant(object, *request.before)) return {};
    auto name_space = lookup.get("core/namespaces", "", request.name_space);
    if (!name_space) return {};
    const auto policy = policy_of(*name_space);
    const auto* metadata = kinds::object_at(*pod, "metadata");
    if (is_pod) {
        auto list = violations(policy.enforce, metadata, spec_of(*pod));
        if (!list.empty())
            return refuse(fmt::format("violates PodSecurity \"{}\": {}", policy.enforce.text(), details_of(list)));
    }
    auto list = violations(policy.warn, metadata, spec_of(*pod));
    if (!list.empty())
        request.warnings.push_back(
            fmt::format("would violate PodSecurity \"{}\": {}", policy.warn.text(), details_of(list)));
    return {};
}

// Pods that are there already, by what is wrong with them.
void warn_of_pods(Request& request, const LevelVersion& enforce, const Lookup& lookup) {
    const auto until = std::chrono::steady_clock::now() + patience;
    auto page = lookup.state().list(key_of("core/pods", request.name, ""), "", 0, 0);
    if (!page) return;
    struct Group {
        std::string first;
        std::size_t count = 0;
    };
    std::map<std::string, Group> groups;
    const auto total = page->objects.size();
    std::size_t checked = 0;
    for (const auto& stored : page->objects) {
        if (checked == most_pods || std::chrono::steady_clock::now() > until) break;
        ++checked;
        auto pod = Lookup::read(*stored);
        if (!pod) continue;
        auto list =
            violations(enforce, kinds::object_at(std::as_const(*pod), "metadata"), spec_of(std::as_const(*pod)));
        if (list.empty()) continue;
        auto& group = groups[reasons_of(list)];
        if (group.count++ == 0) group.first = name_of(*pod);
    }
    auto& warnings = request.warnings;
    if (checked < total)
        warnings.push_back(fmt::format(
            "new PodSecurity enforce level only checked against the first {} of {} existing pods", checked, total));
    if (groups.empty()) return;
    warnings.push_back(fmt::format("existing pods in namespace \"{}\" violate the new PodSecurity enforce level \"{}\"",
                                   request.name, enforce.text()));
    std::set<std::string> lines;
    for (const auto& [reasons, group] : groups) {
        auto others = group.count == 1   ? std::string()
                      : group.count == 2 ? std::string(" (and 1 other pod)")
                                         : fmt::format(" (and {} other pods)", group.count - 1);
        lines.insert(group.first + others + ": " + reasons);
    }
    warnings.insert(warnings.end(), lines.begin(), lines.end());
}

Verdict check_namespace(Request& request, const json::object& object, const Lookup& lookup) {
    auto policy = policy_of(object);
    std::optional<Policy> before;
    if (request.before) before = policy_of(*request.before);
    auto messages = [](const Policy& one) {
        std::vector<std::string> texts;
        for (const auto& cause : one.faults) texts.push_back(cause.field + cause.message);
        return texts;
    };
    if (!policy.faults.empty() && (!before || messages(policy) != messages(*before)))
        return Refusal{"", 422, std::move(policy.faults)};
    if (!before || policy.enforce == before->enforce || policy.enforce.level == Level::Privileged) return {};
    bool is_laxer = policy.enforce.minor == before->enforce.minor && policy.enforce.level <= before->enforce.level;
    if (!is_laxer) warn_of_pods(request, policy.enforce, lookup);
    return {};
}

}  // namespace

Verdict check_security(Request& request, const json::object& object, const Lookup& lookup) {
    if (request.is("", "Namespace"))
        return request.subresource.empty() ? check_namespace(request, object, lookup) : Verdict();
    bool is_pod = request.is("", "Pod");
    bool is_known = request.subresource.empty() || (is_pod && request.subresource == "ephemeralcontainers");
    return is_known ? check_pod(request, object, lookup) : Verdict();
}

}  // namespace pila::cluster::admission

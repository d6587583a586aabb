// SPDX-License-Identifier: Apache-2.0
// The pods of a StatefulSet: each has its name for ever, and with it its host name and its claims.
#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/mutex.h"
#include "cluster/controllers/burst.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/stateful_look.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::string_view pod_index_label = "apps.kubernetes.io/pod-index";

}  // namespace

// What was there before the update comes back as it was, as long as the update has not reached it.
bool StatefulLook::belongs_to_current(std::int64_t ordinal) const {
    return is_rolling() && current_ != next_ && ordinal < start() + partition();
}

json::object StatefulLook::new_pod(std::int64_t ordinal) const {
    static const json::object none;
    bool is_old = belongs_to_current(ordinal);
    const auto* given = object_in(set_, "spec.template");
    auto pod = pod_of_template(is_old ? current_template_ : given ? *given : none, set_, stateful_set_kind());
    auto own = fmt::format("{}-{}", name(), ordinal);
    auto& metadata = make_object_in(pod, "metadata");
    metadata.erase("generateName");
    metadata["name"] = own;
    auto& labels = make_object_in(metadata, "labels");
    labels[pod_name_label] = own;
    labels[pod_index_label] = std::to_string(ordinal);
    labels[revision_label] = is_old ? current_ : next_;
    auto& spec = make_object_in(pod, "spec");
    spec["hostname"] = own;
    if (auto service = text_in(set_, "spec.serviceName"); !service.empty()) spec["subdomain"] = service;
    put_claims_into(spec, ordinal);
    return pod;
}

// Threads: any.
Outcome<json::object> StatefulLook::make_pod(std::int64_t ordinal) const {
    TRY(make_claims(ordinal));
    auto own = fmt::format("{}-{}", name(), ordinal);
    auto made = tools_.client.create(pod_kind(), new_pod(ordinal));
    if (!made && made.error().code != 403)  // 403: its namespace ends
        tools_.events.warning(
            set_, "FailedCreate",
            fmt::format("create Pod {} in StatefulSet {} failed error: {}", own, name(), made.error().message));
    return made;
}

Outcome<void> StatefulLook::make_pods(const std::vector<std::int64_t>& ordinals) {
    Mutex mutex;
    std::map<std::int64_t, json::object> added;
    auto made = burst(ordinals.size(), [&](std::size_t index) -> Outcome<void> {
        auto pod = TRY(make_pod(ordinals[index]));
        Lock lock(mutex);
        added.emplace(ordinals[index], std::move(pod));
        return {};
    });
    std::vector<std::string> told;
    for (auto& [ordinal, tree] : added) {
        told.push_back(
            fmt::format("create Pod {} in StatefulSet {} successful", text_in(tree, "metadata.name"), name()));
        pods_.emplace(ordinal, Pod(std::move(tree)));
    }
    tools_.events.normal(set_, "SuccessfulCreate", told);
    for (const auto& [ordinal, tree] : added) TRY(mend_claims(pods_.at(ordinal), ordinal));
    if (!made && made.error().code == 403) return {};
    return made;
}

Outcome<void> StatefulLook::remove_pod(const Pod& pod) {
    auto removed = tools_.client.remove(pod_kind(), pod.tree);
    if (removed) {
        tools_.events.normal(set_, "SuccessfulDelete",
                             fmt::format("delete Pod {} in StatefulSet {} successful", pod.name, name()));
        return {};
    }
    if (is_conflict(removed.error())) return {};  // another pod by that name: this one is gone
    tools_.events.warning(
        set_, "FailedDelete",
        fmt::format("delete Pod {} in StatefulSet {} failed error: {}", pod.name, name(), removed.error().message));
    return removed;
}

// A pod that was adopted lacks the label by which it is found alone.
Outcome<void> StatefulLook::mend_pod(Pod& pod) {
    const auto* labels = object_in(pod.tree, "metadata.labels");
    const auto* known = labels ? labels->if_contains(pod_name_label) : nullptr;
    if (pod.is_going || (known && known->is_string() && std::string_view(known->get_string()) == pod.name)) return {};
    json::object change;
    make_object_in(change, "metadata.labels")[pod_name_label] = pod.name;
    pod = Pod(TRY(tools_.client.patch(pod_kind(), pod.tree, std::move(change))));
    return {};
}

}  // namespace pila::cluster::controllers

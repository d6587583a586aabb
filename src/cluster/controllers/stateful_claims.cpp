// SPDX-License-Identifier: Apache-2.0
// The claims of a StatefulSet's pods: made once, and kept or not by spec.persistentVolumeClaimRetentionPolicy, which
// says by whom they are owned and is carried out by the garbage collector.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/controllers/fields.h"
#include "cluster/controllers/stateful_look.h"

namespace pila::cluster::controllers {

const schema::Kind& claim_kind() {
    static const auto& kind = kind_of("", "v1", "persistentvolumeclaims");
    return kind;
}

std::map<std::string, const json::object*> StatefulLook::claim_templates(std::int64_t ordinal) const {
    std::map<std::string, const json::object*> found;
    const auto* list = list_in(set_, "spec.volumeClaimTemplates");
    for (std::size_t index = 0; list && index < list->size(); ++index)
        if (const auto* one = (*list)[index].if_object())
            found.emplace(fmt::format("{}-{}-{}", text_in(*one, "metadata.name"), name(), ordinal), one);
    return found;
}

// In place of the template's volumes of the same names.
void StatefulLook::put_claims_into(json::object& pod_spec, std::int64_t ordinal) const {
    auto templates = claim_templates(ordinal);
    if (templates.empty()) return;
    json::array volumes;
    for (const auto& [claim, claim_template] : templates)
        volumes.push_back(json::object{{"name", text_in(*claim_template, "metadata.name")},
                                       {"persistentVolumeClaim", json::object{{"claimName", claim}}}});
    auto is_taken = [&](const json::value& volume) {
        return std::any_of(templates.begin(), templates.end(), [&](const auto& one) {
            return volume.is_object() && text_in(volume.get_object(), "name") == text_in(*one.second, "metadata.name");
        });
    };
    if (const auto* given = list_in(pod_spec, "volumes"))
        for (const auto& volume : *given)
            if (!is_taken(volume)) volumes.push_back(volume);
    pod_spec["volumes"] = std::move(volumes);
}

json::object StatefulLook::new_claim(const std::string& claim_name, const json::object& claim_template) const {
    json::object claim = claim_template;
    claim.erase("status");
    auto& metadata = make_object_in(claim, "metadata");
    metadata["name"] = claim_name;
    metadata["namespace"] = text_in(set_, "metadata.namespace");
    if (const auto* labels = object_in(set_, "spec.selector.matchLabels"))
        for (const auto& [label, value] : *labels) make_object_in(metadata, "labels")[label] = value;
    return claim;
}

Outcome<void> StatefulLook::make_claims(std::int64_t ordinal) const {
    auto space = std::string(text_in(set_, "metadata.namespace"));
    auto pod = fmt::format("{}-{}", name(), ordinal);
    for (const auto& [claim, claim_template] : claim_templates(ordinal)) {
        auto found = tools_.client.get(claim_kind(), space, claim);
        if (found && is_going(*found))
            return api::Status(409, "Conflict", fmt::format("pvc {} is being deleted", claim));
        if (found) continue;
        auto made = tools_.client.create(claim_kind(), new_claim(claim, *claim_template));
        if (made) {
            tools_.events.normal(set_, "SuccessfulCreate",
                                 fmt::format("create Claim {} Pod {} in StatefulSet {} success", claim, pod, name()));
            continue;
        }
        if (made.error().code == 403) return {};  // its namespace ends
        tools_.events.warning(set_, "FailedCreate",
                              fmt::format("create Claim {} for Pod {} in StatefulSet {} failed error: {}", claim, pod,
                                          name(), made.error().message));
        return made.take_error();
    }
    return {};
}

// Owned by a pod that is gone, the claim goes, too; a pod of that name made now would lose it.
Outcome<bool> StatefulLook::has_stale_claim(std::int64_t ordinal) {
    auto space = std::string(text_in(set_, "metadata.namespace"));
    auto pod = fmt::format("{}-{}", name(), ordinal);
    for (const auto& [claim, claim_template] : claim_templates(ordinal)) {
        auto found = tools_.client.get(claim_kind(), space, claim);
        if (!found) continue;
        if (is_going(*found)) return true;
        for (const auto& owner : owners_of(*found))
            if (owner.kind == pod_kind().name && owner.name == pod) return true;
    }
    return false;
}

Outcome<void> StatefulLook::mend_claims(const Pod& pod, std::int64_t ordinal) {
    auto policy = [&](const char* when) {
        return text_in(set_, std::string("spec.persistentVolumeClaimRetentionPolicy.") + when) == "Delete";
    };
    bool goes_with_pod = policy("whenScaled") && !is_wanted(ordinal);
    bool goes_with_set = policy("whenDeleted") && !goes_with_pod;
    auto set_uid = text_in(set_, "metadata.uid"), pod_uid = text_in(pod.tree, "metadata.uid");
    auto space = std::string(text_in(set_, "metadata.namespace"));
    for (const auto& [claim, claim_template] : claim_templates(ordinal)) {
        auto found = tools_.client.get(claim_kind(), space, claim);
        if (!found || is_going(*found)) continue;
        json::array owners;
        bool is_anothers = false, had_pod = false, had_set = false;
        if (const auto* known = list_in(*found, "metadata.ownerReferences"))
            for (const auto& one : *known) {
                auto uid = one.is_object() ? text_in(one.get_object(), "uid") : std::string_view();
                had_pod = had_pod || uid == pod_uid;
                had_set = had_set || uid == set_uid;
                if (uid == pod_uid || uid == set_uid) continue;
                is_anothers = is_anothers || (one.is_object() && flag_in(one.get_object(), "controller"));
                owners.push_back(one);
            }
        if (is_anothers || (had_pod == goes_with_pod && had_set == goes_with_set)) continue;
        if (goes_with_pod) owners.push_back(reference_to(pod.tree, pod_kind()));
        if (goes_with_set) owners.push_back(reference_to(set_, stateful_set_kind()));
        auto written = tools_.client.set_owners(claim_kind(), *found, std::move(owners));
        if (!written && !is_not_found(written.error())) return written.take_error();
    }
    return {};
}

}  // namespace pila::cluster::controllers

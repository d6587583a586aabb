// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/pod_parts.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/api/metadata.h"
#include "cluster/kinds/kinds.h"
#include "cluster/kinds/pods.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::api {

namespace {

constexpr std::string_view list_path = "spec.ephemeralContainers";

const json::object* find_named(const json::object& pod, std::string_view list, std::string_view name) {
    const json::object* found = nullptr;
    kinds::each_object(kinds::list_at(pod, list), [&](const json::object& container, std::size_t) {
        if (kinds::text_at(container, "name") == name) found = &container;
    });
    return found;
}

json::object with_ephemeral_of(const json::object& old, const json::object& object) {
    json::object made(old, object.storage());
    auto* spec = kinds::object_at(made, "spec");
    const auto* list = kinds::list_at(object, list_path);
    if (!spec) return made;
    if (list)
        (*spec)["ephemeralContainers"] = *list;
    else
        spec->erase("ephemeralContainers");
    return made;
}

// Containers that come, go, or change their order do so here, too, for the rules to see.
json::object with_resources_of(const json::object& old, const json::object& object) {
    json::object made(old, object.storage());
    auto* spec = kinds::object_at(made, "spec");
    if (!spec) return made;
    for (auto [list, name] : {std::pair{"spec.containers", "containers"}, {"spec.initContainers", "initContainers"}}) {
        const auto* sent = kinds::list_at(object, list);
        if (!sent) {
            spec->erase(name);
            continue;
        }
        json::array containers(*sent, object.storage());
        for (auto& container : containers) {
            const auto* was = find_named(old, list, kinds::text_at(container.as_object(), "name"));
            if (!was) continue;
            json::object kept(*was, object.storage());
            for (auto field : {"resources", "resizePolicy"}) kinds::take(kept, container.as_object(), field);
            container = std::move(kept);
        }
        (*spec)[name] = std::move(containers);
    }
    return made;
}

std::vector<Cause> check_ephemeral(const json::object& object, const json::object& old) {
    std::vector<Cause> causes;
    kinds::each_object(kinds::list_at(old, list_path), [&](const json::object& container, std::size_t) {
        const auto name = kinds::text_at(container, "name");
        const auto* now = find_named(object, list_path, name);
        if (now && kinds::is_same(container, *now)) return;
        causes.push_back(kinds::forbidden_field(
            std::string(list_path), fmt::format("existing ephemeral containers {} may not be {}\n", json_quote(name),
                                                now ? "changed" : "removed")));
    });
    return causes;
}

json::object with_part_of(const json::object& old, const json::object& object, const Call& call) {
    return call.subresource == "resize" ? with_resources_of(old, object) : with_ephemeral_of(old, object);
}

}  // namespace

void keep_all_but_part(json::object& object, const json::object& old, const Call& call) {
    auto made = with_part_of(old, object, call);
    const auto* metadata = kinds::object_at(object, "metadata");
    if (metadata && metadata->contains("managedFields")) meta(made)["managedFields"] = metadata->at("managedFields");
    object = std::move(made);
}

std::vector<Cause> validate_part(const json::object& object, const json::object& old, const Call& call) {
    auto causes = call.subresource == "resize" ? kinds::validate_resize(object, old) : check_ephemeral(object, old);
    if (!causes.empty()) return causes;
    // The rules of updates take the part as it is now for what it was.
    return kinds::validate_update(object, with_part_of(old, object, call), call.kind);
}

}  // namespace pila::cluster::api

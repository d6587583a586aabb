// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/pod_parts.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/api/metadata.h"
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

json::object with_resources_of(const json::object& old, const json::object& object) {
    json::object made(old, object.storage());
    for (auto list : {"spec.containers", "spec.initContainers"})
        kinds::each_object(kinds::list_at(made, list), [&](json::object& container) {
            const auto* now = find_named(object, list, kinds::text_at(container, "name"));
            if (!now) return;
            if (const auto* resources = kinds::find(*now, "resources"))
                container["resources"] = *resources;
            else
                container.erase("resources");
        });
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

}  // namespace

json::object with_part_of(const json::object& old, const json::object& object, const Call& call) {
    return call.subresource == "resize" ? with_resources_of(old, object) : with_ephemeral_of(old, object);
}

Outcome<void> keep_all_but_part(json::object& object, const json::object& old, const Call& call) {
    auto causes = call.subresource == "resize" ? kinds::validate_resize(object, old) : check_ephemeral(object, old);
    if (!causes.empty()) return invalid(call.kind, call.name, std::move(causes));
    auto made = with_part_of(old, object, call);
    const auto* metadata = kinds::object_at(object, "metadata");
    if (metadata && metadata->contains("managedFields")) meta(made)["managedFields"] = metadata->at("managedFields");
    object = std::move(made);
    return {};
}

}  // namespace pila::cluster::api

// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/ephemeral.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/api/metadata.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::api {

namespace {

constexpr std::string_view list_path = "spec.ephemeralContainers";

const json::object* find_named(const json::object& pod, std::string_view name) {
    const json::object* found = nullptr;
    kinds::each_object(kinds::list_at(pod, list_path), [&](const json::object& container, std::size_t) {
        if (kinds::text_at(container, "name") == name) found = &container;
    });
    return found;
}

}  // namespace

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

Outcome<void> keep_all_but_ephemeral(json::object& object, const json::object& old, const Call& call) {
    std::vector<Cause> causes;
    kinds::each_object(kinds::list_at(old, list_path), [&](const json::object& container, std::size_t) {
        const auto name = kinds::text_at(container, "name");
        const auto* now = find_named(object, name);
        if (now && kinds::is_same(container, *now)) return;
        causes.push_back(kinds::forbidden_field(
            std::string(list_path), fmt::format("existing ephemeral containers {} may not be {}\n", json_quote(name),
                                                now ? "changed" : "removed")));
    });
    if (!causes.empty()) return invalid(call.kind, call.name, std::move(causes));
    auto made = with_ephemeral_of(old, object);
    const auto* metadata = kinds::object_at(object, "metadata");
    if (metadata && metadata->contains("managedFields")) meta(made)["managedFields"] = metadata->at("managedFields");
    object = std::move(made);
    return {};
}

}  // namespace pila::cluster::api

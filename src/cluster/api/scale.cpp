// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/scale.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"

namespace pila::cluster::api {

namespace {

const json::value* find(const json::value& object, std::string_view part, std::string_view member) {
    const auto* root = object.if_object();
    const auto* inner = root ? root->if_contains(part) : nullptr;
    return inner && inner->is_object() ? inner->get_object().if_contains(member) : nullptr;
}

const json::value* find_path(const json::value& object, std::string_view dotted) {
    const auto* at = &object;
    for (auto name : split(dotted, '.')) {
        const auto* map = at->if_object();
        at = map ? map->if_contains(name) : nullptr;
        if (!at) return nullptr;
    }
    return at;
}

// "app=web,tier in (a,b)"; of a plain map, too
std::string selector_text(const json::value* selector) {
    std::string out;
    auto add = [&](std::string text) { out += (out.empty() ? "" : ",") + std::move(text); };
    auto text = [](const json::value& value) {
        return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
    };
    if (!selector || !selector->is_object()) return out;
    const auto& object = selector->get_object();
    const auto* labels = object.if_contains("matchLabels");
    const auto* expressions = object.if_contains("matchExpressions");
    const auto& map = labels && labels->is_object() ? labels->get_object() : object;
    if (labels || !expressions)
        for (const auto& [key, value] : map)
            if (!value.is_structured()) add(std::string(key) + "=" + text(value));
    if (expressions && expressions->is_array())
        for (const auto& one : expressions->get_array()) {
            if (!one.is_object()) continue;
            const auto* key = one.get_object().if_contains("key");
            const auto* operation = one.get_object().if_contains("operator");
            const auto* values = one.get_object().if_contains("values");
            if (!key || !operation) continue;
            std::string list;
            if (values && values->is_array())
                for (const auto& value : values->get_array()) list += (list.empty() ? "" : ",") + text(value);
            auto name = text(*operation);
            if (name == "Exists")
                add(text(*key));
            else if (name == "DoesNotExist")
                add("!" + text(*key));
            else
                add(fmt::format("{} {} ({})", text(*key), name == "In" ? "in" : "notin", list));
        }
    return out;
}

}  // namespace

json::value scale_of(const json::value& object, const schema::Kind& kind, json::storage_ptr memory) {
    json::object metadata(memory);
    for (auto member : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"})
        if (const auto* value = find(object, "metadata", member)) metadata[member] = *value;
    const auto* custom = kind.custom;
    const auto* wanted = find_path(object, custom ? custom->wanted_replicas : "spec.replicas");
    const auto* there = find_path(object, custom ? custom->counted_replicas : "status.replicas");
    json::object spec(memory), status(memory);
    if (wanted && wanted->is_number()) spec["replicas"] = *wanted;
    status["replicas"] = there && there->is_number() ? *there : json::value(0);
    const auto* labels = custom ? find_path(object, custom->selector) : find(object, "spec", "selector");
    auto selector = custom && labels && labels->is_string() ? std::string(labels->get_string()) : selector_text(labels);
    if (!selector.empty()) status["selector"] = selector;
    return json::value({{"kind", "Scale"},
                        {"apiVersion", "autoscaling/v1"},
                        {"metadata", std::move(metadata)},
                        {"spec", std::move(spec)},
                        {"status", std::move(status)}},
                       memory);
}

Outcome<json::value> change_of_scale(const json::value& scale, const schema::Kind& kind, std::string_view name) {
    const auto* replicas = find(scale, "spec", "replicas");
    std::int64_t wanted = 0;
    if (replicas && replicas->is_int64()) wanted = replicas->get_int64();
    if (replicas && !replicas->is_int64())
        return bad_request("Scale in version \"v1\" cannot be handled as a Scale: spec.replicas is no integer");
    if (wanted < 0 || wanted > INT32_MAX) {
        auto refused = invalid(
            kind, name,
            {kinds::invalid_value("spec.replicas", std::to_string(wanted), "must be greater than or equal to 0")});
        refused.kind = "Scale";
        refused.group = "autoscaling";
        return refused;
    }
    json::object metadata;
    if (const auto* revision = find(scale, "metadata", "resourceVersion"); revision && revision->is_string())
        if (!revision->get_string().empty()) metadata["resourceVersion"] = *revision;
    json::value change(wanted);
    auto names = split(kind.custom ? std::string_view(kind.custom->wanted_replicas) : "spec.replicas", '.');
    for (auto step = names.rbegin(); step != names.rend(); ++step) {
        json::object around;
        around[*step] = std::move(change);
        change = std::move(around);
    }
    change.as_object()["metadata"] = std::move(metadata);
    return change;
}

}  // namespace pila::cluster::api

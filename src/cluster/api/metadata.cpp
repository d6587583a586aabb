// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/metadata.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "cluster/codec/codec.h"
#include "cluster/convert/convert.h"
#include "cluster/kinds/tree.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::api {

namespace {

// In the order in which they are written; the rest follows as it comes.
constexpr std::array first_members = {
    "name",       "generateName",      "namespace",         "uid",
    "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
    "labels",     "annotations",       "ownerReferences",   "finalizers"};
constexpr std::string_view last_member = "managedFields";

bool is_ordered(std::string_view member) {
    return member == last_member || member == "resourceVersion" || member == "selfLink" ||
           std::find(first_members.begin(), first_members.end(), member) != first_members.end();
}

void append(std::string& out, std::string_view name, const json::value& value) {
    if (out.back() != '{') out += ',';
    append_json_quoted(out, name);
    out += ':';
    out += codec::write_json(value);
}

// How the bytes of a custom kind's objects begin, behind the brace: names of kinds and groups need no escapes.
std::string head_of(const schema::Kind& kind) { return fmt::format(R"("kind":"{}","apiVersion":")", kind.name); }

bool is_void(const json::value& value) {
    return value.is_null() || (value.is_object() && value.get_object().empty()) ||
           (value.is_array() && value.get_array().empty());
}

bool same_but(const json::object& left, const json::object& right, std::initializer_list<std::string_view> without) {
    auto ignored = [&](std::string_view member) {
        return std::find(without.begin(), without.end(), member) != without.end();
    };
    auto covered = [&](const json::object& of, const json::object& by) {
        for (const auto& [name, value] : of) {
            if (ignored(name)) continue;
            const auto* other = by.if_contains(name);
            if (other ? *other != value : !is_void(value)) return false;
        }
        return true;
    };
    return covered(left, right) && covered(right, left);
}

}  // namespace

std::string prefix_of(const schema::Kind& given, std::string_view name_space) {
    const auto& kind = convert::stored_kind(given);
    const auto& group = kind.group_version.group;
    auto prefix = fmt::format("{}/{}/", group.empty() ? "core" : group, kind.plural);
    if (kind.is_namespaced && !name_space.empty()) prefix += std::string(name_space) + "/";
    return prefix;
}

std::string key_of(const schema::Kind& kind, std::string_view name_space, std::string_view name) {
    return prefix_of(kind, name_space) + std::string(name);
}

Place place_of(const schema::Kind& kind, std::string_view key) {
    key.remove_prefix(prefix_of(kind, "").size());
    if (!kind.is_namespaced) return {"", std::string(key)};
    auto slash = key.find('/');
    return {std::string(key.substr(0, slash)), std::string(key.substr(slash + 1))};
}

json::object& meta(json::object& object) {
    auto& value = object["metadata"];
    if (!value.is_object()) value.emplace_object();
    return value.get_object();
}

std::string_view meta_text(const json::object& object, std::string_view member) {
    const auto* metadata = kinds::object_at(object, "metadata");
    return metadata ? kinds::text_at(*metadata, member) : std::string_view();
}

const schema::Kind& namespace_kind() {
    static const auto& kind = *schema::Catalogue::builtin().find_resource({"", "v1"}, "namespaces");
    return kind;
}

bool is_core(const schema::Kind& kind, std::string_view name) {
    return kind.name == name && kind.group_version.group.empty();
}

bool is_namespace(const schema::Kind& kind) { return is_core(kind, "Namespace"); }

bool is_service(const schema::Kind& kind) { return is_core(kind, "Service"); }

bool is_held(const json::object& object, const schema::Kind& kind) {
    return kinds::has_items(object, "metadata.finalizers") ||
           (is_namespace(kind) && kinds::has_items(object, "spec.finalizers"));
}

bool is_going(const json::object& object) { return !meta_text(object, "deletionTimestamp").empty(); }

std::string now_text() { return codec::format_time(now_wall().seconds()); }

void start_metadata(json::object& object, const Call& call) {
    auto& metadata = meta(object);
    for (auto member : {"resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"})
        metadata.erase(member);
    metadata["uid"] = random_uuid();
    metadata["creationTimestamp"] = now_text();
    if (call.kind.is_namespaced)
        metadata["namespace"] = call.name_space;
    else
        metadata.erase("namespace");
    metadata.erase("generation");
    bool counts = call.kind.find_subresource("status") || object.contains("spec") || call.kind.custom;
    if (counts) metadata["generation"] = 1;
}

void keep_metadata(json::object& object, const json::object& live) {
    auto& metadata = meta(object);
    static const json::object none;
    const auto* before = kinds::object_at(live, "metadata");
    for (auto member : {"namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp",
                        "deletionGracePeriodSeconds", "resourceVersion", "generateName"})
        kinds::take(metadata, before ? *before : none, member);
    metadata.erase("selfLink");
}

Encoded encode(const json::object& object, const schema::Kind& kind) {
    Encoded made;
    auto& out = made.bytes;
    out.reserve(1024);
    out += '{';
    if (kind.custom) {
        out += head_of(kind);
        out += schema::GroupVersion{kind.group_version.group, kind.custom->storage_version}.text() + '"';
    } else {
        for (auto member : {"kind", "apiVersion"})
            if (const auto* value = object.if_contains(member)) append(out, member, *value);
    }
    if (out.back() != '{') out += ',';
    out += R"("metadata":{)";
    const auto* found = object.if_contains("metadata");
    static const json::object none;
    const auto& metadata = found && found->is_object() ? found->get_object() : none;
    std::size_t index = 0;
    for (; index < 4; ++index)
        if (const auto* value = metadata.if_contains(first_members[index])) append(out, first_members[index], *value);
    out += out.back() == '{' ? R"("resourceVersion":")" : R"(,"resourceVersion":")";
    made.revision_at = static_cast<std::uint32_t>(out.size());
    out += '"';
    for (; index < first_members.size(); ++index)
        if (const auto* value = metadata.if_contains(first_members[index]); value && !is_void(*value))
            append(out, first_members[index], *value);
    for (const auto& [name, value] : metadata)
        if (!is_ordered(name)) append(out, name, value);
    if (const auto* value = metadata.if_contains(last_member); value && !is_void(*value))
        append(out, last_member, *value);
    out += '}';
    for (const auto& [name, value] : object)
        if (name != "kind" && name != "apiVersion" && name != "metadata" && name != "status") append(out, name, value);
    if (const auto* status = object.if_contains("status")) append(out, "status", *status);
    out += '}';
    return made;
}

// Of a kind that is another's shape.
static std::string in_shape(const state::Object& object, const schema::Kind& kind) {
    auto tree = codec::read_stored(object.bytes);
    if (!tree || !tree->is_object()) return object.bytes;
    auto& shown = tree->get_object();
    convert::from_stored(shown, kind);
    auto encoded = encode(shown, kind);
    return encoded.bytes.insert(encoded.revision_at, meta_text(shown, "resourceVersion"));
}

std::string_view shown_bytes(const state::Object& object, const schema::Kind& kind, std::string& kept) {
    const std::string_view bytes = object.bytes;
    if (kind.stored) return kept = in_shape(object, kind);
    if (!kind.custom) return bytes;
    const auto start = 1 + head_of(kind).size();
    const auto end = bytes.find('"', start);
    const auto wanted = kind.group_version.text();
    if (end == bytes.npos || bytes.substr(start, end - start) == wanted) return bytes;
    kept.assign(bytes.substr(0, start)).append(wanted).append(bytes.substr(end));
    return kept;
}

bool same_object(const json::object& left, const json::object& right) {
    static const json::object none;
    auto metadata = [](const json::object& object) -> const json::object& {
        const auto* value = object.if_contains("metadata");
        return value && value->is_object() ? value->get_object() : none;
    };
    return same_but(left, right, {"metadata"}) &&
           same_but(metadata(left), metadata(right), {"resourceVersion", "managedFields"});
}

bool same_wish(const json::object& left, const json::object& right) {
    return same_but(left, right, {"metadata", "status", "kind", "apiVersion"});
}

Outcome<json::object> read_object(const state::Object& object, json::storage_ptr memory) {
    auto tree = TRY(codec::read_stored(object.bytes, std::move(memory)));
    if (!tree.is_object()) return Status(500, "InternalError", object.key + " is no object");
    return std::move(tree.get_object());
}

}  // namespace pila::cluster::api

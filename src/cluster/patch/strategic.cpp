// SPDX-License-Identifier: Apache-2.0
#include "cluster/patch/strategic.h"

#include <unordered_set>

#include <fmt/core.h>

#include "base/text.h"
#include "cluster/patch/patch.h"

namespace pila::cluster::patch {

namespace strategic {

Result<std::string_view> directive_of(const json::object& patch) {
    const auto* found = patch.if_contains(directive);
    if (!found) return std::string_view();
    if (const auto* text = found->if_string())
        for (std::string_view known : {"replace", "delete", "merge"})
            if (text_of(*text) == known) return known;
    return Error(Errc::Invalid, fmt::format("unknown patch type: {}", scalar_text(*found)));
}

std::optional<json::value> settled(const json::value& value, const json::storage_ptr& memory) {
    if (const auto* array = value.if_array()) {
        json::array made(memory);
        made.reserve(array->size());
        for (const auto& item : *array)
            if (auto kept = settled(item, memory)) made.push_back(std::move(*kept));
        return json::value(std::move(made), memory);
    }
    const auto* object = value.if_object();
    if (!object) return json::value(value, memory);
    json::object made(memory);
    made.reserve(object->size());
    for (const auto& member : *object) {
        auto name = text_of(member.key());
        if (name == directive) {
            // An item `{$patch: replace}` says how to merge its list, `{$patch: delete, name: x}` what to take out.
            bool is_all = object->size() == 1;
            if (member.value() == "delete" || (is_all && member.value().is_string())) return std::nullopt;
            continue;
        }
        bool directs = name == retain_keys || name.starts_with(element_order) || name.starts_with(deletions);
        if (directs || member.value().is_null()) continue;
        if (auto kept = settled(member.value(), memory)) made.emplace(member.key(), std::move(*kept));
    }
    return json::value(std::move(made), memory);
}

namespace {

bool is_directive(std::string_view name) {
    return name.starts_with('$') &&
           (name == directive || name == retain_keys || name.starts_with(element_order) || name.starts_with(deletions));
}

Result<void> retain(json::object& live, const json::object& patch) {
    const auto* found = patch.if_contains(retain_keys);
    if (!found) return {};
    const auto* names = found->if_array();
    std::unordered_set<std::string_view> kept;
    for (std::size_t index = 0; names && index < names->size(); ++index) {
        const auto* name = (*names)[index].if_string();
        if (!name) return Error(Errc::Invalid, "invalid patch format of retainKeys: an item is no name");
        kept.insert(text_of(*name));
    }
    if (!names) return Error(Errc::Invalid, "invalid patch format of retainKeys: it is no list");
    for (const auto& member : patch) {
        auto name = text_of(member.key());
        if (member.value().is_null() || is_directive(name) || kept.contains(name)) continue;
        return Error(Errc::Invalid,
                     fmt::format("invalid patch format of retainKeys: {} is set, but not listed", printable(name)));
    }
    erase_if(live, [&](json::string_view name) { return !kept.contains(text_of(name)); });
    return {};
}

// Lists with an order. Says which members of the patch are done by that.
Result<std::unordered_set<std::string_view>> merge_ordered(json::object& live, const json::object& patch,
                                                           const Place& place) {
    std::unordered_set<std::string_view> done;
    for (const auto& member : patch) {
        auto name = text_of(member.key());
        if (!name.starts_with(element_order)) continue;
        name.remove_prefix(element_order.size());
        const auto* order = member.value().if_array();
        if (!order) return Error(Errc::Invalid, "invalid patch format of setElementOrder list");
        const auto* changes = patch.if_contains(name);
        if (changes && changes->is_null()) continue;
        if (changes && !changes->is_array())
            return Error(Errc::Invalid, fmt::format("{} has an order, but is no list", printable(name)));
        auto* present = live.if_contains(name);
        if (present && !present->is_array() && !present->is_null())
            return Error(Errc::Invalid, fmt::format("{} of the object is no list", printable(name)));
        if (!changes && (!present || present->is_null())) continue;
        auto& list = present ? *present : live[name];
        if (!list.is_array()) list.emplace_array();
        auto merged =
            merge_list(list.get_array(), changes ? &changes->get_array() : nullptr, order, place.member(name));
        if (!merged) return merged.take_error().in(printable(name));
        done.insert(name);
    }
    return done;
}

Result<void> merge_member(json::object& live, json::string_view name, const json::value& change, const Place& place) {
    auto* present = live.if_contains(name);
    bool both_maps = present && present->is_object() && change.is_object();
    bool both_lists = present && present->is_array() && change.is_array();
    if (both_maps && !(place.field && place.field->replaces))
        return merge_map(present->get_object(), change.get_object(), place);
    if (both_lists && place.field && place.field->merges)
        return merge_list(present->get_array(), &change.get_array(), nullptr, place);
    auto made = settled(change, live.storage());
    if (made)
        live.insert_or_assign(name, std::move(*made));
    else
        live.erase(name);
    return {};
}

}  // namespace

Result<void> merge_map(json::object& live, const json::object& patch, const Place& place) {
    auto wanted = TRY(directive_of(patch));
    if (wanted == "delete") {
        live.clear();
        return {};
    }
    if (wanted == "replace") {
        live.clear();
        for (const auto& member : patch)
            if (!is_directive(text_of(member.key())) && !member.value().is_null())
                if (auto made = settled(member.value(), live.storage())) live.emplace(member.key(), std::move(*made));
        return {};
    }
    TRY(retain(live, patch));
    auto done = TRY(merge_ordered(live, patch, place));
    bool removes = false;
    for (const auto& member : patch) {
        auto name = text_of(member.key());
        const auto& change = member.value();
        if (name.starts_with(deletions)) {
            const auto* gone = change.if_array();
            if (!gone) return Error(Errc::Invalid, "invalid patch format of primitive list");
            auto* list = live.if_contains(name.substr(deletions.size()));
            if (list && list->is_array()) remove_scalars(list->get_array(), *gone);
            continue;
        }
        if (is_directive(name) || done.contains(name)) continue;
        removes |= change.is_null();
        if (change.is_null()) continue;
        auto merged = merge_member(live, member.key(), change, place.member(name));
        if (!merged) return merged.take_error().in(printable(name));
    }
    if (removes)
        erase_if(live, [&](json::string_view name) {
            const auto* change = patch.if_contains(name);
            return change && change->is_null();
        });
    return {};
}

}  // namespace strategic

Result<void> strategic_merge(json::value& object, const json::value& patch, const schema::Type& type) {
    if (!patch.is_object()) return Error(Errc::Invalid, "a strategic merge patch is an object");
    TRY(check_depth(patch, "the patch"));
    schema::Node root;
    root.form = schema::Form::Message;
    root.type = &type;
    json::value work(object, object.storage());
    if (!work.is_object()) work.emplace_object();
    TRY(strategic::merge_map(work.get_object(), patch.get_object(), {&root, nullptr}));
    object = std::move(work);
    return {};
}

}  // namespace pila::cluster::patch

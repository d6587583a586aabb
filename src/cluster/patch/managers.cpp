// SPDX-License-Identifier: Apache-2.0
#include "cluster/patch/managers.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/text.h"

namespace pila::cluster::patch {

namespace {

constexpr std::size_t max_updates = 10;
constexpr std::size_t max_entries = 10'000;
constexpr std::string_view ancient = "ancient-changes";

std::string text_member(const json::object& object, std::string_view name) {
    const auto* found = object.if_contains(name);
    const auto* text = found ? found->if_string() : nullptr;
    return text ? std::string(text->data(), text->size()) : std::string();
}

std::optional<Manager> read_manager(const json::value& value) {
    const auto* entry = value.if_object();
    if (!entry) return std::nullopt;
    Manager made;
    auto operation = text_member(*entry, "operation");
    made.applies = operation == "Apply";
    if (!made.applies && operation != "Update") return std::nullopt;
    made.name = text_member(*entry, "manager");
    made.api_version = text_member(*entry, "apiVersion");
    made.subresource = text_member(*entry, "subresource");
    made.time = text_member(*entry, "time");
    if (made.api_version.empty() || text_member(*entry, "fieldsType") != "FieldsV1") return std::nullopt;
    if (const auto* fields = entry->if_contains("fieldsV1")) {
        auto set = FieldSet::parse(*fields);
        if (!set) return std::nullopt;
        made.set = set.take();
    }
    return made;
}

json::value write_manager(const Manager& manager, const json::storage_ptr& memory) {
    json::object made(memory);
    made.reserve(7);
    if (!manager.name.empty()) made.emplace("manager", manager.name);
    made.emplace("operation", manager.applies ? "Apply" : "Update");
    made.emplace("apiVersion", manager.api_version);
    if (!manager.time.empty()) made.emplace("time", manager.time);
    made.emplace("fieldsType", "FieldsV1");
    made.emplace("fieldsV1", manager.set.fields_v1(memory));
    if (!manager.subresource.empty()) made.emplace("subresource", manager.subresource);
    return json::value(std::move(made), memory);
}

}  // namespace

bool Manager::is_same(const Manager& other) const {
    return applies == other.applies && name == other.name && subresource == other.subresource &&
           (applies || api_version == other.api_version);
}

std::string Manager::identity() const {
    std::string text = "{";
    if (!name.empty()) text += "\"manager\":" + json_quote(name) + ",";
    text += applies ? "\"operation\":\"Apply\"" : "\"operation\":\"Update\",\"apiVersion\":" + json_quote(api_version);
    if (!subresource.empty()) text += ",\"subresource\":" + json_quote(subresource);
    return text + "}";
}

std::optional<Managers> read_managers(const json::value* managed_fields) {
    Managers made;
    if (!managed_fields || managed_fields->is_null()) return made;
    const auto* entries = managed_fields->if_array();
    if (!entries || entries->size() > max_entries) return std::nullopt;
    std::map<std::string, std::size_t> known;
    for (const auto& entry : *entries) {
        auto manager = read_manager(entry);
        if (!manager) return std::nullopt;
        auto [found, is_new] = known.emplace(manager->identity(), made.size());
        if (is_new)
            made.push_back(std::move(*manager));
        else
            made[found->second] = std::move(*manager);
    }
    return made;
}

const json::value* managed_fields_of(const json::value& object) {
    const auto* members = object.if_object();
    const auto* metadata = members ? members->if_contains("metadata") : nullptr;
    return metadata && metadata->is_object() ? metadata->get_object().if_contains("managedFields") : nullptr;
}

Managers managers_of(const json::value& object) {
    auto found = read_managers(managed_fields_of(object));
    return found ? std::move(*found) : Managers();
}

bool is_reset(const json::value* managed_fields) {
    const auto* entries = managed_fields ? managed_fields->if_array() : nullptr;
    if (!entries) return false;
    return entries->empty() ||
           (entries->size() == 1 && entries->front().is_object() && entries->front().get_object().empty());
}

bool write_managers(json::value& object, Managers managers) {
    auto* members = object.if_object();
    auto* metadata = members ? members->if_contains("metadata") : nullptr;
    if (!metadata || !metadata->is_object()) return false;
    auto& target = metadata->get_object();
    if (managers.empty()) {
        if (auto found = target.find("managedFields"); found != target.end()) target.stable_erase(found);
        return true;
    }
    std::sort(managers.begin(), managers.end(), [](const Manager& left, const Manager& right) {
        if (left.applies != right.applies) return left.applies;
        return std::tie(left.time, left.name, left.api_version, left.subresource) <
               std::tie(right.time, right.name, right.api_version, right.subresource);
    });
    json::array entries(object.storage());
    entries.reserve(managers.size());
    for (const auto& manager : managers) entries.push_back(write_manager(manager, object.storage()));
    target.insert_or_assign("managedFields", std::move(entries));
    return true;
}

Manager* find_same(Managers& managers, const Manager& wanted) {
    for (auto& manager : managers)
        if (manager.is_same(wanted)) return &manager;
    return nullptr;
}

void drop_empty(Managers& managers) {
    std::erase_if(managers, [](const Manager& manager) { return manager.set.empty(); });
}

void cap_updates(Managers& managers) {
    std::vector<std::size_t> updates;
    for (std::size_t index = 0; index < managers.size(); ++index)
        if (!managers[index].applies) updates.push_back(index);
    if (updates.size() <= max_updates) return;
    std::vector<std::string> identities;
    for (const auto& manager : managers) identities.push_back(manager.identity());
    std::sort(updates.begin(), updates.end(), [&](std::size_t left, std::size_t right) {
        return std::tie(managers[left].time, identities[left]) < std::tie(managers[right].time, identities[right]);
    });
    auto left = updates.size();
    std::map<std::string, std::size_t> first_of_version;
    for (auto index : updates) {
        if (left <= max_updates) break;
        auto& manager = managers[index];
        auto [found, is_first] = first_of_version.emplace(manager.api_version, index);
        if (is_first) continue;
        auto& bucket = managers[found->second];
        bucket.name = ancient;
        bucket.subresource.clear();
        bucket.set = bucket.set.unite(manager.set);
        bucket.time = manager.time;
        manager.set = FieldSet();
        --left;
    }
    // A bucket may by now be there twice: one of an earlier time, one made here.
    for (auto index : updates)
        for (auto other : updates) {
            bool is_same = index < other && !managers[index].set.empty() && !managers[other].set.empty() &&
                           managers[index].is_same(managers[other]);
            if (!is_same) continue;
            managers[index].set = managers[index].set.unite(managers[other].set);
            managers[index].time = std::max(managers[index].time, managers[other].time);
            managers[other].set = FieldSet();
        }
    drop_empty(managers);
}

}  // namespace pila::cluster::patch

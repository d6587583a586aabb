// SPDX-License-Identifier: Apache-2.0
#include "cluster/patch/managed.h"

#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "base/json.h"
#include "base/text.h"
#include "cluster/patch/compare.h"
#include "cluster/patch/managers.h"
#include "cluster/patch/typed_merge.h"

namespace pila::cluster::patch {

namespace {

constexpr std::string_view last_applied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::size_t max_annotations = 256U << 10;  // bytes of names and values

Manager entry_of(const Writer& writer, bool applies) {
    Manager made;
    made.name = writer.manager;
    made.api_version = writer.api_version;
    made.subresource = writer.subresource;
    made.applies = applies;
    return made;
}

// What changed is no more of those who had it, what is gone is of nobody.
void take_from(Managers& managers, const Difference& difference, const Manager* except = nullptr) {
    bool any = !difference.changed.empty() || !difference.removed.empty();
    for (auto& manager : managers) {
        if (!any || &manager == except) continue;
        manager.set.discard(difference.changed);
        manager.set.discard(difference.removed);
    }
}

void give(Managers& managers, const Writer& writer, const FieldSet& changed) {
    if (changed.empty()) return;
    auto entry = entry_of(writer, false);
    auto* found = find_same(managers, entry);
    if (!found) found = &managers.emplace_back(std::move(entry));
    found->set = found->set.unite(changed);
    found->time = writer.now;
}

}  // namespace

Result<void> track_update(const json::value& before, json::value& after, const schema::Node& node,
                          const Writer& writer) {
    TRY(check_depth(after, "the object"));
    const auto* sent = managed_fields_of(after);
    bool counts = writer.subresource.empty();
    Managers managers;
    if (!counts || !is_reset(sent)) {
        auto read = counts ? read_managers(sent) : std::nullopt;
        managers = read && !read->empty() ? std::move(*read) : managers_of(before);
    }
    if (before.is_null() || !managers.empty()) {
        auto difference = compare(before, after, node);
        take_from(managers, difference);
        give(managers, writer, difference.changed);
        drop_empty(managers);
        cap_updates(managers);
    }
    if (!write_managers(after, std::move(managers))) return Error(Errc::Invalid, "the object has no metadata");
    return {};
}

std::string ApplyConflict::who() const {
    auto text = json_quote(manager);
    if (!subresource.empty()) text += " with subresource " + json_quote(subresource);
    return operation_is_apply ? text : text + " using " + api_version;
}

std::string ApplyConflict::message() const { return "conflict with " + who(); }

namespace {

std::string text_of_all(const std::vector<ApplyConflict>& conflicts) {
    if (conflicts.size() == 1)
        return fmt::format("Apply failed with 1 conflict: {}: {}", conflicts[0].message(), conflicts[0].field);
    auto text = fmt::format("Apply failed with {} conflicts:", conflicts.size());
    std::string last;
    for (const auto& conflict : conflicts) {
        auto who = conflict.who();
        if (who != last) text += fmt::format("{}conflicts with {}:", last.empty() ? " " : "\n", who);
        text += "\n- " + conflict.field;
        last = std::move(who);
    }
    return text;
}

class Application {
public:
    Application(json::value& live, const json::value& configuration, const schema::Node& node, const Writer& writer)
        : live_(live), configuration_(configuration), node_(node), writer_(writer) {}

    Result<void> run(bool force, std::vector<ApplyConflict>& conflicts) {
        TRY(check_configuration());
        TRY(check_depth(live_, "the object"));
        auto managers = managers_of(live_);
        if (managers.empty() && !live_.is_null()) {
            Writer earlier = writer_;
            earlier.manager = "before-first-apply";
            give(managers, earlier, compare(json::value(), live_, node_).changed);
        }
        auto own = entry_of(writer_, true);
        own.set = TRY(FieldSet::of(configuration_, node_));
        own.time = writer_.now;
        auto* former = find_same(managers, own);

        auto merged = without_managers();
        merge_configuration(merged, configuration_, node_);
        if (former) TRY(remove_abandoned(merged, managers, *former, own.set));
        auto difference = compare(live_, merged, node_);

        if (!force) TRY(check_conflicts(managers, former, difference.changed, conflicts));
        if (writer_.manager == "kubectl") keep_last_applied(merged);
        if (former && former->set == own.set && former->api_version == own.api_version && is_unchanged(merged)) {
            if (difference.changed.empty() && difference.removed.empty()) return {};
            own.time = former->time;
        }
        take_from(managers, difference, former);
        if (former)
            *former = std::move(own);
        else
            managers.push_back(std::move(own));
        drop_empty(managers);
        if (!write_managers(merged, std::move(managers)))
            return Error(Errc::Invalid, "the configuration has no metadata");
        if (!equal(merged, live_)) live_ = std::move(merged);
        return {};
    }

private:
    Result<void> check_configuration() const {
        const auto* object = configuration_.if_object();
        if (!object) return Error(Errc::Invalid, "an apply configuration is an object");
        TRY(check_depth(configuration_, "the configuration"));
        const auto* sent = managed_fields_of(configuration_);
        if (sent && !sent->is_null()) return Error(Errc::Invalid, "metadata.managedFields must be nil");
        const auto* version = object->if_contains("apiVersion");
        if (version && *version != json::string_view(writer_.api_version))
            return Error(Errc::Invalid,
                         fmt::format("Incorrect version specified in apply patch. Specified patch "
                                     "version: {}, expected: {}",
                                     version->is_string()
                                         ? std::string_view(version->get_string().data(), version->get_string().size())
                                         : "",
                                     writer_.api_version));
        return {};
    }

    // A copy of the live object to work on. Its managedFields are half of it, and will be written anew.
    json::value without_managers() const {
        json::object made(live_.storage());
        const auto* object = live_.if_object();
        made.reserve(object ? object->size() : 0);
        for (std::size_t index = 0; object && index < object->size(); ++index) {
            const auto& member = *(object->begin() + index);
            const auto* metadata = member.key() == "metadata" ? member.value().if_object() : nullptr;
            if (!metadata) {
                made.emplace(member.key(), member.value());
                continue;
            }
            json::object copy(live_.storage());
            copy.reserve(metadata->size());
            for (const auto& inner : *metadata)
                if (inner.key() != "managedFields") copy.emplace(inner.key(), inner.value());
            made.emplace(member.key(), std::move(copy));
        }
        return json::value(std::move(made), live_.storage());
    }

    // But for managedFields, which `merged` does not have yet.
    bool is_unchanged(const json::value& merged) const {
        const auto *one = live_.if_object(), *other = &merged.get_object();
        if (!one || one->size() != other->size()) return false;
        for (const auto& member : *one) {
            const auto* counterpart = other->if_contains(member.key());
            if (!counterpart) return false;
            bool is_metadata = member.key() == "metadata" && member.value().is_object() && counterpart->is_object();
            if (is_metadata ? !is_unchanged_metadata(member.value().get_object(), counterpart->get_object())
                            : !equal(member.value(), *counterpart))
                return false;
        }
        return true;
    }

    static bool is_unchanged_metadata(const json::object& live, const json::object& merged) {
        auto same = [&](const json::key_value_pair& member) {
            const auto* counterpart = merged.if_contains(member.key());
            return member.key() == "managedFields" || (counterpart && equal(member.value(), *counterpart));
        };
        auto managed = live.contains("managedFields") ? 1U : 0U;
        return live.size() - managed == merged.size() && std::all_of(live.begin(), live.end(), same);
    }

    // What this manager applied last time and does not any more, unless it is somebody else's, too.
    Result<void> remove_abandoned(json::value& merged, const Managers& managers, const Manager& former,
                                  const FieldSet& now) {
        if (now.has(former.set)) return {};
        auto owned = TRY(whole_set_of(configuration_, node_));
        for (const auto& manager : managers)
            if (&manager != &former) owned = owned.unite(manager.set);
        prune(merged, former.set, owned, node_);
        // What is configured to be empty, and was emptied just now, is as configured.
        merge_configuration(merged, configuration_, node_);
        return {};
    }

    Result<void> check_conflicts(Managers& managers, const Manager* own, const FieldSet& changed,
                                 std::vector<ApplyConflict>& conflicts) {
        std::map<std::string, std::pair<const Manager*, FieldSet>> found;
        for (const auto& manager : managers) {
            if (&manager == own) continue;
            auto both = manager.set.intersect(changed);
            if (!both.empty()) found.emplace(manager.identity(), std::pair(&manager, std::move(both)));
        }
        if (found.empty()) return {};
        auto allowed = writer_.manager == "kubectl" ? set_by_client_side_apply() : FieldSet();
        for (const auto& [identity, conflict] : found)
            for (const auto& path : conflict.second.subtract(allowed).paths(max_conflicts)) {
                if (conflicts.size() >= max_conflicts) break;
                const auto& manager = *conflict.first;
                conflicts.push_back({manager.name, manager.api_version, path, manager.subresource, manager.applies});
            }
        if (conflicts.empty()) return {};
        return Error(Errc::Conflict, text_of_all(conflicts));
    }

    // Fields that kubectl's own client-side apply left as they are: server-side apply may take them over.
    FieldSet set_by_client_side_apply() const {
        const auto* text = annotation(live_);
        if (!text) return {};
        auto parsed = parse_json(std::string_view(text->data(), text->size()));
        if (!parsed || !parsed->is_object()) return {};
        const auto* version = parsed->get_object().if_contains("apiVersion");
        if (!version || *version != json::string_view(writer_.api_version)) return {};
        auto set = FieldSet::of(*parsed, node_);
        if (!set) return {};
        auto difference = compare(*parsed, live_, node_);
        return set->subtract(difference.changed).subtract(difference.removed);
    }

    static const json::string* annotation(const json::value& object) {
        const auto* found = &object;
        for (std::string_view name : {std::string_view("metadata"), std::string_view("annotations"), last_applied}) {
            const auto* members = found->if_object();
            found = members ? members->if_contains(name) : nullptr;
            if (!found) return nullptr;
        }
        return found->if_string();
    }

    // A client-side apply that follows must find what was applied last.
    void keep_last_applied(json::value& merged) const {
        if (!annotation(merged)) return;
        json::value text = configuration_;
        if (annotation(text)) {
            auto& own = text.get_object()["metadata"].get_object()["annotations"].get_object();
            own.stable_erase(own.find(last_applied));
        }
        auto& annotations = merged.get_object()["metadata"].get_object()["annotations"].get_object();
        annotations.insert_or_assign(last_applied, to_json(text) + "\n");
        std::size_t bytes = 0;
        for (const auto& member : annotations)
            bytes += member.key().size() + (member.value().is_string() ? member.value().get_string().size() : 0);
        if (bytes > max_annotations) annotations.stable_erase(annotations.find(last_applied));
    }

    static constexpr std::size_t max_conflicts = 1'000;

    json::value& live_;
    const json::value& configuration_;
    const schema::Node& node_;
    const Writer& writer_;
};

}  // namespace

Result<void> apply(json::value& live, const json::value& configuration, const schema::Node& node, const Writer& writer,
                   bool force, std::vector<ApplyConflict>& conflicts) {
    conflicts.clear();
    return Application(live, configuration, node, writer).run(force, conflicts);
}

}  // namespace pila::cluster::patch

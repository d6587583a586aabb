// SPDX-License-Identifier: Apache-2.0
// Deletion: at once, after a time of grace, or when the last finalizer is gone.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/time.h"
#include "cluster/api/metadata.h"
#include "cluster/api/registry.h"
#include "cluster/kinds/tree.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::api {

namespace {

constexpr std::string_view keeping[] = {"default", "kube-system", "kube-public"};  // namespaces that stay
constexpr std::int64_t usual_grace = 30;
constexpr std::int64_t longest_grace = INT32_MAX;  // seconds; later than any clock here needs to reach

// Seconds that the object may still take: a pod that runs somewhere, nothing else.
std::int64_t grace_of(const json::object& object, const schema::Kind& kind, const DeleteOptions& options) {
    if (!is_core(kind, "Pod")) return 0;
    const auto* spec = kinds::object_at(object, "spec");
    const auto* status = kinds::object_at(object, "status");
    auto phase = status ? kinds::text_at(*status, "phase") : std::string_view();
    if (!spec || kinds::text_at(*spec, "nodeName").empty() || phase == "Succeeded" || phase == "Failed") return 0;
    auto usual = kinds::integer_at(*spec, "terminationGracePeriodSeconds").value_or(usual_grace);
    return std::clamp<std::int64_t>(options.grace_seconds.value_or(usual), 0, longest_grace);
}

constexpr std::string_view foreground = "foregroundDeletion", orphan = "orphan";

// What these kinds' own clients of old expect, who say nothing: pods stay.
bool orphans_by_default(const schema::Kind& kind) {
    return is_core(kind, "ReplicationController") || (kind.group_version.group == "batch" && kind.name == "Job");
}

void mark_going(json::object& metadata, std::int64_t grace) {
    metadata["deletionTimestamp"] = codec::format_time(now_wall().seconds() + grace);
    metadata["deletionGracePeriodSeconds"] = grace;
    auto& generation = metadata["generation"];
    if (generation.is_int64()) generation = generation.get_int64() + 1;
}

// The two finalizers by which the garbage collector hears of the deletion: as the client wishes; if it wishes nothing,
// as they stand, or as the kind does. Whether that changes anything.
bool set_propagation(json::object& metadata, const schema::Kind& kind, const std::string& propagation) {
    if (kind.name == "Event" || is_namespace(kind)) return false;  // which have no dependents to speak of
    json::array kept, before;
    bool had_foreground = false, had_orphan = false;
    if (const auto* list = metadata.if_contains("finalizers"); list && list->is_array()) before = list->get_array();
    for (const auto& one : before) {
        auto name = one.is_string() ? std::string_view(one.get_string()) : std::string_view();
        had_foreground = had_foreground || name == foreground;
        had_orphan = had_orphan || name == orphan;
        if (name != foreground && name != orphan) kept.push_back(one);
    }
    bool silent = propagation.empty();
    bool leaves = silent ? had_orphan || (orphans_by_default(kind) && !had_foreground) : propagation == "Orphan";
    bool waits = silent ? had_foreground : propagation == "Foreground";
    if (leaves) kept.emplace_back(orphan);
    if (waits) kept.emplace_back(foreground);
    if (kept == before) return false;
    metadata["finalizers"] = std::move(kept);
    return true;
}

}  // namespace

Outcome<Written> Registry::erase(const Call& call, const state::Object& live) {
    if (!definitions_ || !is_definition(call.kind)) return erase_now(call, live);
    return definitions_->erase(call, [&] { return erase_now(call, live); });
}

Outcome<Written> Registry::erase_now(const Call& call, const state::Object& live) {
    Written gone;
    gone.is_gone = true;
    if (call.dry_run) {
        gone.object = std::make_shared<state::Object>(live);
        return gone;
    }
    state::Write write;
    write.key = live.key;
    write.expect = live.revision;
    auto erased = state_.write(std::move(write));
    if (!erased && erased.error().code() == Errc::Conflict) return modified_meanwhile(call.kind, call.name);
    if (!erased && erased.error().code() == Errc::NotFound) return not_found(call.kind, call.name);
    if (!erased) return erased.error();
    gone.object = erased.take();
    if (is_service(call.kind)) addresses_.release(TRY(read(call, *gone.object)).get_object());
    return gone;
}

Outcome<Written> Registry::remove(Call& call, const DeleteOptions& options) {
    if (is_namespace(call.kind) && std::find(std::begin(keeping), std::end(keeping), call.name) != std::end(keeping))
        return forbidden(call.kind, call.name, "this namespace may not be deleted");
    for (int attempt = 1;; ++attempt) {
        auto live = TRY(get(call));
        auto tree = TRY(read(call, *live));
        auto& object = tree.get_object();
        auto uid = meta_text(object, "uid"), revision = meta_text(object, "resourceVersion");
        if (!options.uid.empty() && options.uid != uid)
            return conflict(
                call.kind, call.name,
                fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", options.uid, uid));
        if (!options.resource_version.empty() && options.resource_version != revision)
            return conflict(call.kind, call.name,
                            fmt::format("Precondition failed: ResourceVersion in precondition: {}, ResourceVersion in "
                                        "object meta: {}",
                                        options.resource_version, revision));
        if (attempt == 1) TRY(ask_to_delete(call, object));
        auto& metadata = meta(object);
        auto grace = grace_of(object, call.kind, options);
        bool regards = set_propagation(metadata, call.kind, options.propagation);
        bool was_going = metadata.contains("deletionTimestamp");
        Outcome<Written> done = Written{live};
        if (!is_held(object, call.kind) && grace == 0) {
            done = erase(call, *live);
        } else {
            bool sooner = kinds::integer_at(metadata, "deletionGracePeriodSeconds").value_or(0) > grace;
            if (was_going && !sooner && !regards) return Written{live};
            if (!was_going || sooner) mark_going(metadata, grace);
            if (is_namespace(call.kind)) {
                if (!object["status"].is_object()) object["status"].emplace_object();
                object["status"].get_object()["phase"] = "Terminating";
            }
            done = write(call, object, live->revision, false);
        }
        bool raced = !done && done.error().reason == "Conflict";
        if (!raced || !options.resource_version.empty() || attempt == max_attempts) return done;
    }
}

Outcome<void> Registry::finish_namespace(const std::string& name) {
    static const User self{"system:serviceaccount:kube-system:namespace-controller", "", {"system:masters"}};
    Call call{.kind = namespace_kind(), .name = name, .user = self, .manager = "pila"};
    auto live = TRY(get(call));
    auto tree = TRY(read(call, *live));
    auto& object = tree.get_object();
    if (!api::is_going(object)) return {};
    if (auto* list = kinds::list_at(object, "spec.finalizers")) {
        list->erase(std::remove(list->begin(), list->end(), json::value("kubernetes")), list->end());
        if (!list->empty()) {
            TRY(write(call, object, live->revision, false));
            return {};
        }
    }
    if (is_held(object, call.kind)) return {};
    TRY(erase(call, *live));
    return {};
}

static const schema::Kind& definition_kind() {
    static const auto& kind =
        *schema::Catalogue::builtin().find_resource({"apiextensions.k8s.io", "v1"}, "customresourcedefinitions");
    return kind;
}

static const User definition_controller{"system:apiserver", "", {"system:masters"}};

Outcome<void> Registry::finish_definition(const std::string& name) {
    Call call{.kind = definition_kind(), .name = name, .user = definition_controller, .manager = "pila"};
    auto live = TRY(get(call));
    auto tree = TRY(read(call, *live));
    auto& object = tree.get_object();
    if (!meta(object).contains("deletionTimestamp")) return {};
    auto* list = meta(object).if_contains("finalizers");
    if (list && list->is_array()) {
        auto& items = list->get_array();
        const json::value own("customresourcecleanup.apiextensions.k8s.io");
        const auto count = items.size();
        items.erase(std::remove(items.begin(), items.end(), own), items.end());
        if (!items.empty()) {
            if (items.size() < count) TRY(write(call, object, live->revision, false));
            return {};
        }
    }
    TRY(erase(call, *live));
    return {};
}

Outcome<void> Registry::look_at_definition(const std::string& name) {
    Call call{.kind = definition_kind(), .name = name, .user = definition_controller, .manager = "pila"};
    auto live = TRY(get(call));
    auto tree = TRY(read(call, *live));
    TRY(write(call, tree.get_object(), live->revision, false));
    return {};
}

}  // namespace pila::cluster::api

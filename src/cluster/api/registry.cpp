// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/registry.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/random.h"
#include "base/text.h"
#include "cluster/api/metadata.h"
#include "cluster/api/pod_parts.h"
#include "cluster/api/reach.h"
#include "cluster/api/selectors.h"
#include "cluster/api/shapes.h"
#include "cluster/convert/convert.h"
#include "cluster/custom/custom.h"
#include "cluster/kinds/kinds.h"
#include "cluster/kinds/tree.h"
#include "cluster/patch/managed.h"
#include "cluster/patch/patch.h"

namespace pila::cluster::api {

namespace {

constexpr int max_generated_names = 8;  // tried before AlreadyExists
constexpr std::size_t max_generated_base = 58;

schema::Node node_of(const schema::Kind& kind) { return {.form = schema::Form::Message, .type = kind.type}; }

std::string generated_name(std::string_view base) {
    static constexpr std::string_view letters = "bcdfghjklmnpqrstvwxz2456789";  // no words by accident
    std::string name(base.substr(0, max_generated_base));
    for (int index = 0; index < 5; ++index) name += letters[random_number(letters.size())];
    return name;
}

// A deletion waits for nothing any more: no finalizer, no node that ends it.
bool may_go(const json::object& object, const schema::Kind& kind) {
    const auto* metadata = kinds::object_at(object, "metadata");
    if (!metadata || !is_going(object) || is_held(object, kind)) return false;
    return kinds::integer_at(*metadata, "deletionGracePeriodSeconds").value_or(0) <= 0;
}

// The body and the URL speak of one object.
Outcome<void> check_name(const json::object& object, const Call& call) {
    auto name = meta_text(object, "name");
    if (name == call.name) return {};
    return bad_request(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", name, call.name));
}

Outcome<void> check_given_namespace(const json::object& object, const Call& call) {
    auto given = meta_text(object, "namespace");
    if (!call.kind.is_namespaced || given.empty() || given == call.name_space) return {};
    return bad_request("the namespace of the provided object does not match the namespace sent on the request");
}

// By its name, or by what its name is going to begin with.
std::string shown_name(const json::object& object, const Call& call) {
    if (!call.name.empty()) return call.name;
    auto name = meta_text(object, "name");
    return std::string(name.empty() ? meta_text(object, "generateName") : name);
}

void append(std::vector<Cause>& causes, std::vector<Cause> more) {
    causes.insert(causes.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// Whether the generation grows. A custom kind without the subresource has its status as one wish among others.
bool is_new_wish(const json::object& old, const json::object& object, const schema::Kind& kind) {
    if (!same_wish(old, object)) return true;
    if (!kind.custom || kind.find_subresource("status")) return false;
    const auto *before = old.if_contains("status"), *after = object.if_contains("status");
    return before && after ? *before != *after : before != after;
}

patch::Writer writer_of(const Call& call) {
    return {call.manager, call.kind.group_version.text(), call.subresource, now_text()};
}

}  // namespace

Outcome<state::ObjectPointer> Registry::get(const Call& call) const {
    auto found = state_.get(key_of(call.kind, call.name_space, call.name));
    if (!found) return not_found(call.kind, call.name);
    return found;
}

Outcome<json::value> Registry::read(const Call& call, const state::Object& object) const {
    auto tree = TRY(codec::read_stored(object.bytes, call.memory));
    if (call.kind.custom) tree.as_object()["apiVersion"] = call.kind.group_version.text();
    if (call.kind.stored) convert::from_stored(tree.as_object(), call.kind);
    return tree;
}

bool Registry::is_going(const state::Object& object) {
    auto tree = codec::read_stored(object.bytes);
    return tree && tree->is_object() && api::is_going(tree->get_object());
}

// Shape and unknown fields; strict validation refuses, the usual one warns.
Outcome<void> Registry::fit(Call& call, json::value& object, codec::Faults& faults) const {
    if (!object.is_object()) return bad_request("the body is not an object");
    auto fitted = codec::fit(object, node_of(call.kind), faults);
    const auto& kind = call.kind;
    auto prefix =
        fmt::format("{} in version \"{}\" cannot be handled as a {}", kind.name, kind.group_version.version, kind.name);
    if (!fitted) return bad_request(prefix + ": " + fitted.error().message());
    if (faults.empty() || call.validation == FieldValidation::Ignore) return {};
    std::string list;
    auto add = [&](std::string_view what, const std::string& path) {
        auto text = fmt::format("{} \"{}\"", what, path);
        if (call.validation == FieldValidation::Warn) call.warnings.push_back(text);
        list += (list.empty() ? "" : ", ") + text;
    };
    for (const auto& path : faults.unknown) add("unknown field", path);
    for (const auto& path : faults.duplicate) add("duplicate field", path);
    if (call.validation == FieldValidation::Strict) return bad_request(prefix + ": strict decoding error: " + list);
    return {};
}

Outcome<void> Registry::check_namespace(const Call& call, std::string_view name) const {
    if (!call.kind.is_namespaced) return {};
    auto found = state_.get(key_of(namespace_kind(), "", call.name_space));
    if (!found) return not_found(namespace_kind(), call.name_space);
    auto space = TRY(read(call, *found));
    if (!api::is_going(space.get_object())) return {};
    auto refused = forbidden(
        call.kind, name,
        fmt::format("unable to create new content in namespace {} because it is being terminated", call.name_space));
    refused.causes.push_back({"NamespaceTerminating", fmt::format("namespace {} is being terminated", call.name_space),
                              "metadata.namespace"});
    return refused;
}

Outcome<Written> Registry::create(Call& call, json::value value, codec::Faults faults) {
    TRY(fit(call, value, faults));
    TRY(check_given_namespace(value.get_object(), call));
    TRY(check_namespace(call, shown_name(value.get_object(), call)));
    return store_new(call, value, Tracking::Compare);
}

Outcome<Written> Registry::store_new(Call& call, json::value& value, Tracking tracking) {
    // Also of a PUT or an apply that would make it: what has no verb for it stays as it is.
    if (!call.kind.has_verb("create")) return method_not_allowed(call.kind, "create");
    auto& object = value.get_object();
    std::string name(meta_text(object, "name"));
    std::string base(meta_text(object, "generateName"));
    bool generates = name.empty() && !base.empty();
    if (name.empty() && !generates)
        return invalid(call.kind, "", {kinds::required("metadata.name", "name or generateName is required")});
    start_metadata(object, call);
    if (call.kind.find_subresource("status")) object.erase("status");
    auto node = node_of(call.kind);
    codec::apply_defaults(value, node);
    kinds::set_defaults(object, call.kind);
    TRY(codec::canonicalize(value, node));
    // Before the gates: what they fill in is nobody's field.
    if (tracking == Tracking::Compare) TRY(patch::track_update(json::value(nullptr), value, node, writer_of(call)));
    TRY(pass_gates(call, object, nullptr));
    TRY(ask_to_mutate(call, value, nullptr));
    ServiceAddresses::Lease lease;
    for (int attempt = 1;; ++attempt) {
        if (generates) name = generated_name(base);
        call.name = name;
        meta(object)["name"] = name;
        if (attempt == 1) {
            kinds::prepare_for_create(object, call.kind);
            if (is_service(call.kind)) lease = TRY(addresses_.complete(call, object, nullptr));
            auto causes = kinds::validate(object, call.kind);
            append(causes, custom::validate(value, call.kind));
            if (!causes.empty()) return invalid(call.kind, name, std::move(causes));
            TRY(ask_to_validate(call, object, nullptr));
            for (auto& text : kinds::warnings(object, call.kind)) call.warnings.push_back(std::move(text));
        }
        auto written = write_checked(call, object, nullptr, 0);
        if (written && !call.dry_run) lease.commit();
        bool taken = !written && written.error().reason == "AlreadyExists";
        if (!taken || !generates || attempt == max_generated_names) return written;
    }
}

Outcome<void> Registry::pass_gates(Call& call, json::object& object, const json::object* before) const {
    for (const auto& gate : gates_) TRY(gate(call, object, before));
    return {};
}

Outcome<Written> Registry::write_checked(Call& call, const json::object& object, const json::object* before,
                                         state::Revision expect) {
    std::unique_ptr<admission::Charge> charge;
    if (check_) charge = TRY(check_(call, object, before));
    auto written = write(call, object, expect, !before);
    if (written && charge) charge->keep();
    return written;
}

Outcome<Written> Registry::write(Call& call, const json::object& object, state::Revision expect, bool is_created) {
    if (!definitions_ || !is_definition(call.kind)) return store(call, object, expect, is_created);
    return definitions_->write(
        call, object, [&](const json::object& completed) { return store(call, completed, expect, is_created); });
}

Outcome<Written> Registry::store(const Call& call, const json::object& object, state::Revision expect,
                                 bool is_created) {
    if (call.kind.stored) {
        const auto stored = TRY(in_stored_shape(object, call));
        const Call as_stored{.kind = *call.kind.stored,
                             .name_space = call.name_space,
                             .name = call.name,
                             .user = call.user,
                             .dry_run = call.dry_run};
        return store(as_stored, stored, expect, is_created);
    }
    auto encoded = encode(object, call.kind);
    state::Write made;
    made.key = key_of(call.kind, call.name_space, call.name);
    made.attributes = attributes_of(object, call.kind);
    made.expect = expect;
    if (call.dry_run) {
        auto live = state_.get(made.key);
        if (expect == 0 && live) return already_exists(call.kind, call.name);
        auto shown = std::make_shared<state::Object>();
        shown->key = std::move(made.key);
        shown->bytes = std::move(encoded.bytes);
        if (live) shown->bytes.insert(encoded.revision_at, std::to_string(live->revision));
        return Written{std::move(shown), is_created};
    }
    made.bytes = std::move(encoded.bytes);
    made.revision_at = encoded.revision_at;
    auto stored = state_.write(std::move(made));
    if (stored) return Written{stored.take(), is_created};
    switch (stored.error().code()) {
        case Errc::AlreadyExists: return already_exists(call.kind, call.name);
        case Errc::Conflict: return modified_meanwhile(call.kind, call.name);
        case Errc::NotFound: return not_found(call.kind, call.name);
        case Errc::Exhausted:
            return Status(
                500, "InternalError",
                fmt::format("nothing is written: no space left on the server's disk ({})", stored.error().message()));
        default: return stored.error();
    }
}

Outcome<Written> Registry::update(Call& call, json::value value, codec::Faults faults) {
    TRY(fit(call, value, faults));
    auto& sent = value.get_object();
    TRY(check_name(sent, call));
    TRY(check_given_namespace(sent, call));
    std::string revision(meta_text(sent, "resourceVersion"));
    bool may_create = kinds::allows_create_on_update(call.kind) && call.subresource.empty();
    return change(
        call, may_create, revision.empty(), Tracking::Compare, [&](const json::value& live) -> Outcome<json::value> {
            if (live.is_null()) return value;
            if (revision.empty() && !kinds::allows_unconditional_update(call.kind))
                return invalid(
                    call.kind, call.name,
                    {kinds::invalid_value("metadata.resourceVersion", "0x0", "must be specified for an update")});
            if (!revision.empty() && revision != meta_text(live.get_object(), "resourceVersion"))
                return modified_meanwhile(call.kind, call.name);
            return value;
        });
}

Outcome<Written> Registry::patch(Call& call, PatchType type, const json::value& patch, bool force,
                                 codec::Faults faults) {
    bool applies = type == PatchType::Apply;
    auto node = node_of(call.kind);
    if (type == PatchType::Json && !patch.is_array()) return bad_request("the JSON patch is not a list of operations");
    if (type != PatchType::Json && !patch.is_object()) return bad_request("the patch is not an object");
    auto tracking = applies ? Tracking::Done : Tracking::Compare;
    return change(call, applies && call.subresource.empty(), true, tracking,
                  [&](const json::value& live) -> Outcome<json::value> {
                      json::value made(live, call.memory);
                      auto noticed = faults;
                      if (type == PatchType::Json) {
                          auto patched = patch::json_patch(made, patch);
                          if (!patched && patched.error().code() == Errc::Conflict)
                              return Status(422, "Invalid", patched.error().message());
                          if (!patched) return patched.error();
                      } else if (type == PatchType::Merge) {
                          TRY(patch::merge_patch(made, patch));
                      } else if (type == PatchType::Strategic) {
                          TRY(patch::strategic_merge(made, patch, *call.kind.type));
                      } else {
                          json::value configuration(patch, call.memory);
                          TRY(fit(call, configuration, noticed));
                          std::vector<patch::ApplyConflict> conflicts;
                          auto applied = patch::apply(made, configuration, node, writer_of(call), force, conflicts);
                          if (!applied && !conflicts.empty()) {
                              Status refused(409, "Conflict", applied.error().message());
                              for (const auto& one : conflicts)
                                  refused.causes.push_back({"FieldManagerConflict", one.message(), one.field});
                              return refused;
                          }
                          if (!applied) return applied.error();
                          return made;
                      }
                      TRY(fit(call, made, noticed));
                      if (live.is_object()) {
                          auto revision = meta_text(made.get_object(), "resourceVersion");
                          if (!revision.empty() && revision != meta_text(live.get_object(), "resourceVersion"))
                              return modified_meanwhile(call.kind, call.name);
                          TRY(check_name(made.get_object(), call));
                      }
                      return made;
                  });
}

Outcome<Written> Registry::change(Call& call, bool may_create, bool retry, Tracking tracking, const Change& change) {
    auto key = key_of(call.kind, call.name_space, call.name);
    for (int attempt = 1;; ++attempt) {
        auto live = state_.get(key);
        if (!live && !may_create) return not_found(call.kind, call.name);
        auto before = live ? TRY(read(call, *live)) : json::value(nullptr, call.memory);
        auto after = TRY(change(before));
        if (!after.is_object()) return bad_request("the change leaves no object");
        if (!live) {
            TRY(check_namespace(call, call.name));
            meta(after.get_object())["name"] = call.name;
            auto written = store_new(call, after, tracking);
            bool raced = !written && written.error().reason == "AlreadyExists";
            if (!raced || attempt == max_attempts) return written;
            continue;
        }
        auto written = store_change(call, *live, before, after, tracking);
        bool raced = !written && written.error().reason == "Conflict";
        if (!raced || !retry || attempt == max_attempts) return written;
    }
}

Outcome<Written> Registry::store_change(Call& call, const state::Object& live, const json::value& before,
                                        json::value& after, Tracking tracking) {
    const auto& old = before.get_object();
    auto& object = after.get_object();
    auto uid = meta_text(object, "uid");
    if (!uid.empty() && uid != meta_text(old, "uid"))
        return conflict(call.kind, call.name,
                        fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", uid,
                                    meta_text(old, "uid")));
    keep_out_of_reach(object, old, call);
    auto node = node_of(call.kind);
    codec::apply_defaults(after, node);
    kinds::set_defaults(object, call.kind);
    if (call.subresource.empty()) kinds::prepare_for_update(object, old, call.kind);
    if (is_service(call.kind)) ServiceAddresses::carry_over(object, old);
    TRY(codec::canonicalize(after, node));
    TRY(pass_gates(call, object, &old));
    TRY(ask_to_mutate(call, after, &old));
    if (is_new_wish(old, object, call.kind) && old.contains("metadata")) {
        auto& generation = meta(object)["generation"];
        if (generation.is_int64()) generation = generation.get_int64() + 1;
    }
    bool same = same_object(old, object);
    if (tracking == Tracking::Compare) TRY(patch::track_update(before, after, node, writer_of(call)));
    const auto* old_fields = old.at("metadata").get_object().if_contains("managedFields");
    const auto* new_fields = meta(object).if_contains("managedFields");
    bool same_fields = old_fields && new_fields ? *old_fields == *new_fields : old_fields == new_fields;
    if (same && same_fields) return Written{std::make_shared<state::Object>(live)};
    ServiceAddresses::Lease lease;
    if (is_service(call.kind)) lease = TRY(addresses_.complete(call, object, &old));
    auto causes =
        is_of_pod_part(call) ? validate_part(object, old, call) : kinds::validate_update(object, old, call.kind);
    append(causes, custom::validate_update(after, before, call.kind));
    if (!causes.empty()) return invalid(call.kind, call.name, std::move(causes));
    TRY(ask_to_validate(call, object, &old));
    for (auto& text : kinds::warnings(object, call.kind)) call.warnings.push_back(std::move(text));
    auto written = write_checked(call, object, &old, live.revision);
    if (!written) return written;
    if (!call.dry_run) lease.commit();
    if (!may_go(object, call.kind) || call.dry_run) return written;
    auto erased = erase(call, *(*written).object);
    if (erased && definitions_ && call.kind.custom) definitions_->freed(call.kind);
    return erased;
}

Outcome<void> Registry::alter(Call& call, const std::function<Outcome<void>(json::object& object)>& change) {
    for (int attempt = 1;; ++attempt) {
        auto live = TRY(get(call));
        auto tree = TRY(read(call, *live));
        TRY(change(tree.get_object()));
        auto written = write(call, tree.get_object(), live->revision, false);
        if (written) return {};
        if (written.error().reason != "Conflict" || attempt == max_attempts) return written.take_error();
    }
}

}  // namespace pila::cluster::api

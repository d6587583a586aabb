// SPDX-License-Identifier: Apache-2.0
// Requests for objects, from the path to the registry and back.
#include <fmt/core.h>
#include <boost/json.hpp>
#include <boost/json/monotonic_resource.hpp>

#include "base/text.h"
#include "cluster/api/api.h"
#include "cluster/api/binding.h"
#include "cluster/api/body.h"
#include "cluster/api/eviction.h"
#include "cluster/api/metadata.h"
#include "cluster/api/pod_parts.h"
#include "cluster/api/reviews.h"
#include "cluster/api/scale.h"
#include "cluster/kinds/tree.h"
#include "cluster/patch/patch.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::api {

namespace {

constexpr std::size_t max_manager = 128;

std::string manager_of(const http::Request& request) {
    std::string manager(request.query.get("fieldManager"));
    if (!manager.empty()) return manager;
    auto agent = request.headers.get("User-Agent");
    manager = agent.substr(0, std::min(agent.find('/'), max_manager));
    return manager.empty() ? "unknown" : manager;
}

Outcome<FieldValidation> validation_of(const http::Query& query) {
    auto text = query.get("fieldValidation");
    if (text.empty() || text == "Warn") return FieldValidation::Warn;
    if (text == "Strict") return FieldValidation::Strict;
    if (text == "Ignore") return FieldValidation::Ignore;
    return Status(422, "Invalid",
                  fmt::format("CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: {}: "
                              "supported values: \"Ignore\", \"Strict\", \"Warn\"",
                              json_quote(text)));
}

Outcome<bool> dry_run_of(const http::Query& query) {
    auto all = query.all("dryRun");
    for (auto text : all)
        if (text != "All") return bad_request(fmt::format("invalid dryRun {}: it can only be All", json_quote(text)));
    return !all.empty();
}

// apiVersion and kind of a body are those of the URL; absent ones are filled in.
Outcome<void> check_kind(json::value& tree, const schema::Kind& kind) {
    if (!tree.is_object()) return bad_request("the body is not an object");
    auto& object = tree.get_object();
    auto version = kinds::text_at(object, "apiVersion"), name = kinds::text_at(object, "kind");
    auto wanted = kind.group_version.text();
    if ((!version.empty() && version != wanted) || (!name.empty() && name != kind.name))
        return bad_request(
            fmt::format("the object provided is unrecognized: it is {}, Kind={}, and the URL is for {}, "
                        "Kind={}",
                        version, name, wanted, kind.name));
    object["apiVersion"] = wanted;
    object["kind"] = kind.name;
    return {};
}

http::Response with_body(int status, std::string body) { return http::Response::json(status, std::move(body)); }

}  // namespace

Outcome<http::Response> Api::answer_resource(http::Request& request, const RequestInfo& info, const User& user,
                                             std::vector<std::string>& warnings) {
    auto kind = directory_.kinds()->find(info.group_version, info.resource);
    if (!kind) return path_not_found();
    auto made = answer_kind(request, info, kind, user, warnings);
    if (kind->custom && !kind->custom->deprecation.empty()) warnings.push_back(kind->custom->deprecation);
    // What writes the body goes on after this call.
    if (kind->custom && made && (*made).produce)
        (*made).produce = [kind, produce = std::move((*made).produce)](http::BodyWriter& writer) {
            return produce(writer);
        };
    return made;
}

Outcome<http::Response> Api::answer_kind(http::Request& request, const RequestInfo& info, const KindPointer& kind,
                                         const User& user, std::vector<std::string>& warnings) {
    if (kind->is_namespaced && info.name_space.empty() && (!info.name.empty() || info.verb == "create"))
        return path_not_found();
    if (!kind->is_namespaced && !info.name_space.empty() && kind->name != "Namespace") return path_not_found();
    const auto* subresource = info.subresource.empty() ? nullptr : kind->find_subresource(info.subresource);
    if (!info.subresource.empty() && !subresource) return path_not_found();
    const auto& verbs = subresource ? subresource->verbs : kind->verbs;
    bool wants_watch = info.verb == "list" && truth(request.query, "watch");
    if (std::find(verbs.begin(), verbs.end(), info.verb) == verbs.end() && !wants_watch)
        return method_not_allowed(*kind, info.verb);
    if (info.verb == "list") return list(request, info, *kind);
    if (info.verb == "watch") return watch(request, info, kind);

    auto memory = json::make_shared_resource<json::monotonic_resource>();
    Call call{.kind = *kind,
              .name_space = info.name_space,
              .name = info.name,
              .subresource = info.subresource,
              .user = user,
              .memory = memory,
              .context = request.context};
    if (!kind->is_namespaced) call.name_space.clear();
    call.manager = manager_of(request);
    if (call.manager.size() > max_manager) return bad_request("fieldManager is longer than 128 characters");
    call.validation = TRY(validation_of(request.query));
    call.dry_run = TRY(dry_run_of(request.query));
    auto done = [&]() -> Outcome<http::Response> {
        if (info.verb == "delete") return remove(request, call);
        if (info.verb == "deletecollection") return remove_all(request, call);
        if (info.verb != "get") return write(request, call, info);
        auto object = TRY(registry_.get(call));
        if (info.subresource == "scale") {
            auto tree = TRY(codec::read_json(object->bytes, memory));
            return with_body(200, json::serialize(scale_of(tree, *kind, memory)) + "\n");
        }
        if (!info.subresource.empty() && info.subresource != "status" && info.subresource != "approval" &&
            !is_pod_part(info.subresource))
            return Status(
                501, "NotImplemented",
                fmt::format("{} needs a node, which there is none of yet", kind->resource() + "/" + info.subresource));
        auto view = TRY(view_of(request, *kind));
        return with_body(200, show_one(*kind, view, *object));
    }();
    warnings = std::move(call.warnings);
    return done;
}

Outcome<http::Response> Api::write(http::Request& request, Call& call, const RequestInfo& info) {
    bool of_scale = info.subresource == "scale";
    bool known = info.subresource.empty() || info.subresource == "status" || info.subresource == "finalize" ||
                 info.subresource == "approval" || is_pod_part(info.subresource) || info.subresource == "token" ||
                 info.subresource == "eviction" || info.subresource == "binding" || of_scale;
    if (!known)
        return Status(501, "NotImplemented",
                      fmt::format("{}/{} is not there yet", call.kind.resource(), info.subresource));
    auto view = TRY(view_of(request, call.kind));
    if (info.verb == "create") {
        auto body = TRY(read_body(request, call.memory));
        if (body.is_empty) return bad_request("the body is empty");
        if (info.subresource == "token") {
            auto answered = TRY(answer_token_request(access_->authenticator(), state_, call, std::move(body.tree)));
            return with_body(201, json::serialize(answered) + "\n");
        }
        if (info.subresource == "eviction" || info.subresource == "binding" || is_core(call.kind, "Binding")) {
            if (!body.tree.is_object()) return bad_request("the body is not an object");
            const auto& wish = body.tree.get_object();
            if (info.subresource == "eviction") {
                TRY(evict(registry_, call, wish));
            } else {
                // Old clients say it beside the pod: namespaces/NS/bindings.
                static const auto& pods = *schema::Catalogue::builtin().find_resource({"", "v1"}, "pods");
                Call of_pod{.kind = pods,
                            .name_space = call.name_space,
                            .name = call.name.empty() ? std::string(meta_text(wish, "name")) : call.name,
                            .user = call.user,
                            .manager = call.manager,
                            .dry_run = call.dry_run,
                            .memory = call.memory,
                            .context = call.context};
                TRY(bind_pod(registry_, of_pod, wish));
            }
            return with_body(201, R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201})"
                                  "\n");
        }
        TRY(check_kind(body.tree, call.kind));
        if (is_review(call.kind)) {
            auto answered = TRY(answer_review(*access_, call, std::move(body.tree)));
            return with_body(201, json::serialize(answered) + "\n");
        }
        auto written = TRY(registry_.create(call, std::move(body.tree), std::move(body.faults)));
        return with_body(201, show_one(call.kind, view, *written.object));
    }
    if (of_scale) {
        auto live = TRY(registry_.get(call));
        auto tree = TRY(codec::read_json(live->bytes, call.memory));
        auto scale = scale_of(tree, call.kind, call.memory);
        if (info.verb == "patch") {
            auto patch = TRY(read_patch(request, call.memory));
            if (patch.type == PatchType::Json)
                TRY(patch::json_patch(scale, patch.body.tree));
            else
                TRY(patch::merge_patch(scale, patch.body.tree));
            auto* metadata = scale.is_object() ? scale.get_object().if_contains("metadata") : nullptr;
            bool named = patch.body.tree.is_object() && patch.body.tree.get_object().contains("metadata");
            if (metadata && metadata->is_object() && !named) metadata->get_object().erase("resourceVersion");
        } else {
            scale = TRY(read_body(request, call.memory)).tree;
        }
        auto change = TRY(change_of_scale(scale, call.kind, call.name));
        call.subresource.clear();
        auto written = TRY(registry_.patch(call, PatchType::Merge, change, false, {}));
        auto after = TRY(codec::read_json(written.object->bytes, call.memory));
        return with_body(200, json::serialize(scale_of(after, call.kind, call.memory)) + "\n");
    }
    Written written;
    if (info.verb == "patch") {
        auto patch = TRY(read_patch(request, call.memory));
        if (patch.type == PatchType::Strategic && call.kind.custom)
            return unsupported_media_type(
                "application/strategic-merge-patch+json",
                "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml");
        if (patch.type == PatchType::Apply && request.query.get("fieldManager").empty())
            return bad_request(
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required "
                "for apply patch");
        bool force = truth(request.query, "force");
        written = TRY(registry_.patch(call, patch.type, patch.body.tree, force, std::move(patch.body.faults)));
    } else {
        auto body = TRY(read_body(request, call.memory));
        if (body.is_empty) return bad_request("the body is empty");
        TRY(check_kind(body.tree, call.kind));
        written = TRY(registry_.update(call, std::move(body.tree), std::move(body.faults)));
    }
    return with_body(written.is_created ? 201 : 200, show_one(call.kind, view, *written.object));
}

Outcome<http::Response> Api::remove(http::Request& request, Call& call) {
    auto options = TRY(read_delete_options(request, call.memory, call.dry_run));
    auto removed = TRY(registry_.remove(call, options));
    if (!removed.is_gone) {
        auto view = TRY(view_of(request, call.kind));
        return with_body(200, show_one(call.kind, view, *removed.object));
    }
    auto tree = TRY(codec::read_json(removed.object->bytes, call.memory));
    return with_body(200, success_json(call.kind, call.name, meta_text(tree.get_object(), "uid")));
}

Outcome<http::Response> Api::remove_all(http::Request& request, Call& call) {
    auto options = TRY(read_delete_options(request, call.memory, call.dry_run));
    auto labels = LabelSelector::parse(request.query.get("labelSelector"));
    if (!labels) return bad_request(labels.error().message());
    auto fields = FieldSelector::parse(request.query.get("fieldSelector"), call.kind);
    if (!fields) return bad_request(fields.error().message());
    Selection selection{labels.take(), fields.take()};
    auto prefix = prefix_of(call.kind, call.name_space);
    auto page = state_.list(prefix, "", 0, 0);
    if (!page) return page.error();
    std::vector<state::ObjectPointer> gone;
    for (const auto& object : page->objects) {
        if (!selection.matches(object->attributes)) continue;
        auto place = place_of(call.kind, object->key);
        Call one{.kind = call.kind,
                 .name_space = place.name_space,
                 .name = place.name,
                 .user = call.user,
                 .manager = call.manager,
                 .dry_run = call.dry_run,
                 .memory = call.memory,
                 .context = call.context};
        auto removed = registry_.remove(one, options);
        if (!removed && removed.error().code != 404) return removed.take_error();
        if (removed) gone.push_back((*removed).object);
    }
    auto view = TRY(view_of(request, call.kind));
    return show_list(call.kind, view, std::move(gone), {.revision = state_.revision()});
}

}  // namespace pila::cluster::api

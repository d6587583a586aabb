// SPDX-License-Identifier: Apache-2.0
// What the registry asks the cluster's webhooks.
#include <boost/json.hpp>

#include "cluster/api/reach.h"
#include "cluster/api/registry.h"
#include "cluster/codec/codec.h"
#include "cluster/kinds/kinds.h"
#include "cluster/webhooks/webhooks.h"

namespace pila::cluster::api {

namespace {

webhooks::Request request_of(Call& call, webhooks::Operation operation) {
    return {operation, call.kind,    call.name_space, call.name,    call.subresource,
            call.user, call.dry_run, call.context,    call.warnings};
}

Outcome<void> answer(std::optional<webhooks::Refusal> refusal) {
    if (refusal) return Status(refusal->code, std::move(refusal->reason), std::move(refusal->message));
    return {};
}

webhooks::Operation operation_of(const json::object* before) {
    return before ? webhooks::Operation::Update : webhooks::Operation::Create;
}

}  // namespace

Outcome<void> Registry::ask_to_mutate(Call& call, json::value& object, const json::object* before) const {
    const auto* asked = webhooks_.load();
    if (!asked || !asked->any()) return {};
    const schema::Node node{.form = schema::Form::Message, .type = call.kind.type};
    const json::object sent(object.get_object(), call.memory);
    bool is_changed = false;
    auto complete = [&](json::value& changed) -> std::optional<webhooks::Refusal> {
        is_changed = true;
        codec::Faults pruned;
        auto fitted = codec::fit(changed, node, pruned);
        if (!fitted)
            return webhooks::Refusal{500, "InternalError", "Internal error occurred: " + fitted.error().message()};
        auto& tree = changed.get_object();
        keep_out_of_reach(tree, before ? *before : sent, call);
        codec::apply_defaults(changed, node);
        kinds::set_defaults(tree, call.kind);
        if (before && call.subresource.empty()) kinds::prepare_for_update(tree, *before, call.kind);
        auto canonical = codec::canonicalize(changed, node);
        if (!canonical) return webhooks::Refusal{400, "BadRequest", canonical.error().message()};
        return {};
    };
    TRY(answer(asked->mutate(request_of(call, operation_of(before)), object, before, complete)));
    // What they have put in may want completing, or be forbidden: as kube-apiserver does, the plug-ins look again.
    if (is_changed) TRY(pass_gates(call, object.get_object(), before));
    return {};
}

Outcome<void> Registry::ask_to_validate(Call& call, const json::object& object, const json::object* before) const {
    const auto* asked = webhooks_.load();
    if (!asked || !asked->any()) return {};
    return answer(asked->validate(request_of(call, operation_of(before)), &object, before));
}

Outcome<void> Registry::ask_to_delete(Call& call, const json::object& before) const {
    const auto* asked = webhooks_.load();
    if (!asked || !asked->any()) return {};
    auto request = request_of(call, webhooks::Operation::Delete);
    json::value nothing;
    TRY(answer(asked->mutate(request, nothing, &before, [](json::value&) { return std::nullopt; })));
    return answer(asked->validate(request, nullptr, &before));
}

}  // namespace pila::cluster::api

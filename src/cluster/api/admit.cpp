// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/admit.h"

#include <algorithm>

#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::api {

namespace {

const User self{"system:apiserver", "", {"system:masters"}};

// By its name, or by what its name is going to begin with.
std::string shown_name(const Call& call, const json::object& object) {
    if (!call.name.empty()) return call.name;
    auto name = meta_text(object, "name");
    return std::string(name.empty() ? meta_text(object, "generateName") : name);
}

admission::Request request_of(const Call& call, const json::object& object, const json::object* before) {
    return {.kind = call.kind,
            .name_space = is_namespace(call.kind) ? shown_name(call, object) : call.name_space,
            .name = shown_name(call, object),
            .subresource = call.subresource,
            .user = call.user.name,
            .is_dry_run = call.dry_run,
            .before = before};
}

// Once, also if the write had to be tried again.
void take_warnings(Call& call, admission::Request& request) {
    for (auto& text : request.warnings)
        if (std::find(call.warnings.begin(), call.warnings.end(), text) == call.warnings.end())
            call.warnings.push_back(std::move(text));
}

Status as_status(const admission::Request& request, admission::Refusal refusal) {
    if (refusal.code == 422) return invalid(request.kind, request.name, std::move(refusal.causes));
    if (refusal.code != 403) return {refusal.code, refusal.code == 409 ? "Conflict" : "InternalError", refusal.why};
    auto status = forbidden(request.kind, request.name, refusal.why);
    status.causes = std::move(refusal.causes);
    return status;
}

}  // namespace

Admit::Admit(Registry& registry)
    : registry_(registry), admission_(registry.state(), [this](const schema::Kind& kind, const json::object& object) {
          return write_status(kind, object);
      }) {
    registry_.add_gate([this](Call& call, json::object& object, const json::object* before) -> Outcome<void> {
        auto request = request_of(call, object, before);
        auto verdict = admission_.complete(request, object);
        take_warnings(call, request);
        if (!verdict) return as_status(request, verdict.take_error());
        return {};
    });
    registry_.set_check([this](Call& call, const json::object& object, const json::object* before) {
        auto request = request_of(call, object, before);
        std::unique_ptr<admission::Charge> charge;
        auto verdict = admission_.check(request, object, charge);
        take_warnings(call, request);
        using Checked = Outcome<std::unique_ptr<admission::Charge>>;
        return verdict ? Checked(std::move(charge)) : Checked(as_status(request, verdict.take_error()));
    });
}

admission::Verdict Admit::write_status(const schema::Kind& kind, const json::object& object) const {
    Call call{.kind = kind,
              .name_space = std::string(meta_text(object, "namespace")),
              .name = std::string(meta_text(object, "name")),
              .subresource = "status",
              .user = self,
              .manager = "kube-apiserver"};
    auto written = registry_.update(call, object, {});
    if (written) return {};
    return admission::Refusal{written.error().message, written.error().code};
}

Result<void> ensure_standing_objects(Registry& registry) {
    for (const auto& text : admission::standing_objects()) {
        auto object = TRY(codec::read_json(text, {}));
        const auto& kind = *schema::Catalogue::builtin().find_resource({"scheduling.k8s.io", "v1"}, "priorityclasses");
        Call call{.kind = kind,
                  .name = std::string(meta_text(object.get_object(), "name")),
                  .user = self,
                  .manager = "kube-apiserver"};
        auto made = registry.create(call, std::move(object), {});
        if (!made && made.error().reason != "AlreadyExists")
            return Error(Errc::Internal, "make priority class " + call.name + ": " + made.error().message);
    }
    return {};
}

}  // namespace pila::cluster::api

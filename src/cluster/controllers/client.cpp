// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/client.h"

#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::string_view manager = "kube-controller-manager";

}  // namespace

Client::Client(api::Registry& registry, const std::string& controller)
    : registry_(registry),
      user_{
          "system:serviceaccount:kube-system:" + controller,
          "",
          {"system:masters", "system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"}} {}

api::Call Client::call(const schema::Kind& kind, std::string_view space, std::string_view name) const {
    return {.kind = kind,
            .name_space = std::string(kind.is_namespaced ? space : std::string_view()),
            .name = std::string(name),
            .user = user_,
            .manager = std::string(manager),
            .validation = api::FieldValidation::Ignore};
}

Outcome<json::object> Client::read(const state::Object& object) { return api::read_object(object); }

Outcome<json::object> Client::get(const schema::Kind& kind, const std::string& space, const std::string& name) const {
    auto asked = call(kind, space, name);
    auto found = TRY(registry_.get(asked));
    return read(*found);
}

Outcome<std::vector<ObjectPointer>> Client::list(const schema::Kind& kind, std::string_view space) const {
    auto page = TRY(registry_.state().list(api::prefix_of(kind, space), "", 0, 0));
    return std::move(page.objects);
}

Outcome<json::object> Client::create(const schema::Kind& kind, json::object object) const {
    object["apiVersion"] = kind.group_version.text();
    object["kind"] = kind.name;
    auto asked = call(kind, text_in(object, "metadata.namespace"), text_in(object, "metadata.name"));
    auto written = TRY(registry_.create(asked, std::move(object), {}));
    return read(*written.object);
}

Outcome<json::object> Client::update(const schema::Kind& kind, json::object object,
                                     std::string_view subresource) const {
    auto asked = call(kind, text_in(object, "metadata.namespace"), text_in(object, "metadata.name"));
    asked.subresource = subresource;
    auto written = TRY(registry_.update(asked, std::move(object), {}));
    return read(*written.object);
}

Outcome<json::object> Client::patch(const schema::Kind& kind, const json::object& object, json::object change) const {
    auto asked = call(kind, text_in(object, "metadata.namespace"), text_in(object, "metadata.name"));
    make_object_in(change, "metadata")["uid"] = text_in(object, "metadata.uid");
    auto written = TRY(registry_.patch(asked, api::PatchType::Merge, json::value(std::move(change)), false, {}));
    return read(*written.object);
}

Outcome<json::object> Client::set_owners(const schema::Kind& kind, const json::object& object,
                                         json::array owners) const {
    json::object metadata{{"resourceVersion", text_in(object, "metadata.resourceVersion")}};
    metadata["ownerReferences"] = std::move(owners);
    json::object change;
    change["metadata"] = std::move(metadata);
    return patch(kind, object, std::move(change));
}

Outcome<json::object> Client::drop_finalizer(const schema::Kind& kind, const json::object& object,
                                             std::string_view finalizer) const {
    if (!has_finalizer(object, finalizer)) return object;
    json::array kept;
    for (const auto& one : *list_in(object, "metadata.finalizers"))
        if (!one.is_string() || std::string_view(one.get_string()) != finalizer) kept.push_back(one);
    json::object change;
    auto& metadata = make_object_in(change, "metadata");
    metadata["resourceVersion"] = text_in(object, "metadata.resourceVersion");
    metadata["finalizers"] = std::move(kept);
    return patch(kind, object, std::move(change));
}

Outcome<void> Client::remove(const schema::Kind& kind, const json::object& object, const std::string& propagation,
                             Only only) const {
    auto asked = call(kind, text_in(object, "metadata.namespace"), text_in(object, "metadata.name"));
    api::DeleteOptions options;
    options.uid = text_in(object, "metadata.uid");
    if (only == Only::SameRevision) options.resource_version = text_in(object, "metadata.resourceVersion");
    options.propagation = propagation;
    auto removed = registry_.remove(asked, options);
    if (!removed && !is_not_found(removed.error())) return removed.take_error();
    return {};
}

Outcome<bool> Client::remove(const schema::Kind& kind, const std::string& space, const std::string& name,
                             const api::DeleteOptions& options) const {
    auto asked = call(kind, space, name);
    return TRY(registry_.remove(asked, options)).is_gone;
}

bool is_conflict(const api::Status& status) { return status.code == 409 && status.reason == "Conflict"; }
bool is_not_found(const api::Status& status) { return status.code == 404; }

}  // namespace pila::cluster::controllers

// SPDX-License-Identifier: Apache-2.0
// New tokens of service accounts, for as long as they are asked for and no longer than what they are bound to lives.
#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "cluster/api/metadata.h"
#include "cluster/api/reviews.h"
#include "cluster/codec/codec.h"
#include "cluster/kinds/tree.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::api {

namespace {

constexpr std::int64_t shortest = 600, usual = 3600, longest = std::int64_t{1} << 32;

Status refused(const Call& call, Cause cause) {
    auto status = invalid(call.kind, call.name, {cause});
    status.kind = "TokenRequest";
    status.group = "authentication.k8s.io";
    status.message = fmt::format("TokenRequest.authentication.k8s.io {} is invalid: {}: {}", json_quote(call.name),
                                 cause.field, cause.message);
    return status;
}

class Maker {
public:
    Maker(const state::State& state, const Call& call) : state_(state), call_(call) {}

    // Whom and what the token is for.
    Outcome<access::Claims> claims(const json::object& spec, const std::string& issuer) {
        access::Claims claims;
        auto account = state_.get(fmt::format("core/serviceaccounts/{}/{}", call_.name_space, call_.name));
        if (!account) return not_found(call_.kind, call_.name);
        claims.name_space = call_.name_space;
        claims.account = {call_.name, std::string(access::uid_of(*account))};
        if (const auto* list = spec.if_contains("audiences"); list && list->is_array())
            for (const auto& one : list->get_array())
                if (one.is_string()) claims.audiences.emplace_back(one.get_string());
        if (claims.audiences.empty()) claims.audiences = {issuer};
        const auto* wanted = spec.if_contains("expirationSeconds");
        auto seconds = wanted && wanted->is_int64() ? wanted->get_int64() : usual;
        if (seconds < shortest)
            return refused(call_, kinds::invalid_value("spec.expirationSeconds", std::to_string(seconds),
                                                       "may not specify a duration less than 10 minutes"));
        if (seconds > longest)
            return refused(call_, kinds::invalid_value("spec.expirationSeconds", std::to_string(seconds),
                                                       "may not specify a duration larger than 2^32 seconds"));
        claims.issued_at = now_wall().seconds();
        claims.expires_at = claims.issued_at + seconds;
        claims.id = random_uuid();
        if (const auto* bound = kinds::object_at(spec, "boundObjectRef")) TRY(bind(claims, *bound));
        return claims;
    }

private:
    Outcome<void> bind(access::Claims& claims, const json::object& reference) {
        auto kind = kinds::text_at(reference, "kind"), uid = kinds::text_at(reference, "uid");
        std::string name(kinds::text_at(reference, "name"));
        auto plural = kind == "Pod" ? "pods" : kind == "Secret" ? "secrets" : kind == "Node" ? "nodes" : "";
        const auto* found = schema::Catalogue::builtin().find_resource({"", "v1"}, plural);
        if (kinds::text_at(reference, "apiVersion") != "v1" || !found)
            return bad_request(fmt::format("cannot bind token to object of type {}, Kind={}",
                                           kinds::text_at(reference, "apiVersion"), kind));
        auto object = state_.get(key_of(*found, call_.name_space, name));
        if (!object) return not_found(*found, name);
        std::string real(access::uid_of(*object));
        if (!uid.empty() && uid != real)
            return conflict(*found, name,
                            fmt::format("the UID in the bound object reference ({}) does not match the UID in record. "
                                        "The object might have been deleted and then recreated",
                                        uid));
        if (kind == "Secret") claims.secret = {name, real};
        if (kind == "Node") claims.node = {name, real};
        if (kind == "Pod") return bind_pod(claims, *object, {name, real});
        return {};
    }

    // A pod's token may be of its own account only; it tells the node the pod is on.
    Outcome<void> bind_pod(access::Claims& claims, const state::Object& object, access::NamedObject named) {
        auto pod = TRY(codec::read_stored(object.bytes, call_.memory));
        const auto* spec = kinds::object_at(pod.get_object(), "spec");
        auto account = spec ? kinds::text_at(*spec, "serviceAccountName") : std::string_view();
        if (account.empty()) account = "default";
        if (account != call_.name)
            return bad_request(
                fmt::format("cannot bind token for serviceaccount {} to pod running with different "
                            "serviceaccount name.",
                            json_quote(call_.name)));
        claims.pod = std::move(named);
        std::string node(spec ? kinds::text_at(*spec, "nodeName") : std::string_view());
        if (node.empty()) return {};
        auto live = state_.get("core/nodes/" + node);
        claims.node = access::NamedObject{node, live ? std::string(access::uid_of(*live)) : ""};
        return {};
    }

    const state::State& state_;
    const Call& call_;
};

}  // namespace

Outcome<json::value> answer_token_request(const access::Authenticator& authenticator, const state::State& state,
                                          const Call& call, json::value request) {
    TRY(fit_question(request, "io.k8s.api.authentication.v1.TokenRequest"));
    auto& object = request.get_object();
    static const json::object none;
    const auto* spec = kinds::object_at(object, "spec");
    const auto* head = kinds::object_at(object, "metadata");
    auto given = head ? kinds::text_at(*head, "name") : std::string_view();
    if (!given.empty() && given != call.name)
        return bad_request(
            fmt::format("the name of the object ({}) does not match the name on the URL ({})", given, call.name));
    auto claims = TRY(Maker(state, call).claims(spec ? *spec : none, authenticator.keys().issuer()));
    auto token = TRY(authenticator.keys().issue(claims));
    auto& metadata = meta(object);
    metadata["name"] = call.name;
    metadata["namespace"] = call.name_space;
    metadata["creationTimestamp"] = codec::format_time(claims.issued_at);
    auto& shown = object["spec"];
    if (!shown.is_object()) shown.emplace_object();
    shown.get_object()["audiences"] = json::array(claims.audiences.begin(), claims.audiences.end());
    shown.get_object()["expirationSeconds"] = claims.expires_at - claims.issued_at;
    object["status"] = json::object{{"token", token}, {"expirationTimestamp", codec::format_time(claims.expires_at)}};
    object["kind"] = "TokenRequest";
    object["apiVersion"] = "authentication.k8s.io/v1";
    return request;
}

}  // namespace pila::cluster::api

// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/signers.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/log.h"
#include "base/text.h"
#include "cluster/api/metadata.h"
#include "cluster/kinds/tree.h"
#include "cluster/schema/catalogue.h"
#include "crypto/base64.h"

namespace pila::cluster::api {

namespace {

using Words = std::vector<std::string>;

constexpr std::chrono::seconds longest{365 * 24 * 3600};
constexpr std::int64_t shortest_seconds = 600;
const User self{"system:apiserver", "", {"system:masters"}};

bool has(const Words& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_ours(std::string_view signer) {
    return signer == client_signer || signer == node_client_signer || signer == node_server_signer;
}

// What the three have in common: a signature, and the one use that the signer is for.
std::optional<std::string> check_usages(const Words& usages, std::string_view needed) {
    for (const auto& usage : usages)
        if (usage != needed && usage != "digital signature" && usage != "key encipherment")
            return fmt::format("usages did not match [digital signature key encipherment {}]", needed);
    if (!has(usages, needed)) return fmt::format("usages lack {}", json_quote(needed));
    return std::nullopt;
}

std::optional<std::string> check_node(const crypto::RequestFacts& facts, const Words& usages) {
    if (facts.subject.organizations != Words{"system:nodes"}) return "subject organization is not system:nodes";
    if (!facts.subject.common_name.starts_with("system:node:"))
        return "subject common name does not begin with system:node:";
    if (!has(usages, "digital signature")) return "usages lack \"digital signature\"";
    return std::nullopt;
}

struct Request {
    std::string signer, pem;
    Words usages;
    std::chrono::seconds lifetime = longest;
    json::array conditions;
};

std::string_view type_of(const json::value& condition) {
    return condition.is_object() ? kinds::text_at(condition.get_object(), "type") : std::string_view();
}

// nullopt: nothing is to be done with it.
std::optional<Request> read_approved(const json::object& object) {
    const auto *spec = kinds::object_at(object, "spec"), *status = kinds::object_at(object, "status");
    if (!spec || !status || !kinds::text_at(*status, "certificate").empty()) return std::nullopt;
    Request request;
    request.signer = kinds::text_at(*spec, "signerName");
    const auto* conditions = status->if_contains("conditions");
    if (!is_ours(request.signer) || !conditions || !conditions->is_array()) return std::nullopt;
    request.conditions = conditions->get_array();
    bool approved = false;
    for (const auto& one : request.conditions) {
        auto type = type_of(one);
        if (type == "Denied" || type == "Failed") return std::nullopt;
        approved = approved || type == "Approved";
    }
    if (!approved) return std::nullopt;
    request.pem = crypto::base64_decode(kinds::text_at(*spec, "request")).value_or("");
    request.usages = kinds::texts_at(*spec, "usages");
    const auto* seconds = spec->if_contains("expirationSeconds");
    if (seconds && seconds->is_int64())
        request.lifetime =
            std::clamp(std::chrono::seconds(seconds->get_int64()), std::chrono::seconds(shortest_seconds), longest);
    return request;
}

crypto::Uses uses_of(const Words& usages) {
    crypto::Uses uses;
    if (has(usages, "digital signature")) uses.key.emplace_back("digitalSignature");
    if (has(usages, "key encipherment")) uses.key.emplace_back("keyEncipherment");
    if (has(usages, "client auth")) uses.extended.emplace_back("clientAuth");
    if (has(usages, "server auth")) uses.extended.emplace_back("serverAuth");
    return uses;
}

json::value status_patch(std::string_view member, json::value value) {
    json::object status, patch;
    status[member] = std::move(value);
    patch["status"] = std::move(status);
    return patch;
}

json::value failure(json::array conditions, const std::string& why) {
    conditions.push_back(json::object{{"type", "Failed"},
                                      {"status", "True"},
                                      {"reason", "SignerValidationFailure"},
                                      {"message", why},
                                      {"lastUpdateTime", now_text()},
                                      {"lastTransitionTime", now_text()}});
    return status_patch("conditions", std::move(conditions));
}

json::value verdict_on(const Request& request, const crypto::KeyPair& authority) {
    auto facts = crypto::read_request(request.pem);
    if (!facts) return failure(request.conditions, facts.error().message());
    if (auto why = refusal_of(request.signer, *facts, request.usages)) return failure(request.conditions, *why);
    auto certificate = crypto::sign_request(authority, request.pem, uses_of(request.usages), request.lifetime);
    if (!certificate) return failure(request.conditions, certificate.error().message());
    return status_patch("certificate", json::value(crypto::base64_encode(*certificate)));
}

}  // namespace

std::optional<std::string> refusal_of(std::string_view signer, const crypto::RequestFacts& facts,
                                      const std::vector<std::string>& usages) {
    if (signer == client_signer) {
        if (has(facts.subject.organizations, access::masters_group)) return "system:masters is not to be had so";
        return check_usages(usages, "client auth");
    }
    if (auto why = check_node(facts, usages)) return why;
    bool named = !facts.dns_names.empty() || !facts.addresses.empty();
    if (facts.has_other_names) return "only DNS names and addresses are allowed";
    if (signer == node_client_signer) {
        if (named) return "DNS names and addresses are not allowed";
        return check_usages(usages, "client auth");
    }
    if (!named) return "at least one DNS name or address is required";
    return check_usages(usages, "server auth");
}

void sign_if_approved(Registry& registry, const crypto::KeyPair& authority, const state::Object& object) {
    static const auto& kind =
        *schema::Catalogue::builtin().find_resource({"certificates.k8s.io", "v1"}, "certificatesigningrequests");
    if (object.is_deleted || object.bytes.find("\"Approved\"") == std::string::npos) return;
    auto tree = codec::read_stored(object.bytes);
    if (!tree || !tree->is_object()) return;
    auto request = read_approved(tree->get_object());
    if (!request) return;
    Call call{.kind = kind,
              .name = std::string(meta_text(tree->get_object(), "name")),
              .subresource = "status",
              .user = self,
              .manager = "pila"};
    auto written = registry.patch(call, PatchType::Merge, verdict_on(*request, authority), false, {});
    if (!written && written.error().code != 404)
        log::warning("certificate request {}: {}", call.name, written.error().message);
}

}  // namespace pila::cluster::api

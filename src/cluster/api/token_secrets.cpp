// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/token_secrets.h"

#include <boost/json.hpp>

#include "base/log.h"
#include "base/random.h"
#include "base/time.h"
#include "cluster/api/metadata.h"
#include "cluster/codec/codec.h"
#include "cluster/kinds/tree.h"
#include "cluster/schema/catalogue.h"
#include "crypto/base64.h"

namespace pila::cluster::api {

namespace {

constexpr std::string_view type = "kubernetes.io/service-account-token";
constexpr std::string_view account_note = "kubernetes.io/service-account.name";
constexpr std::string_view uid_note = "kubernetes.io/service-account.uid";
// Kubernetes' have no end; ours outlive any cluster that is kept up to date.
constexpr std::int64_t lasts_seconds = 10LL * 365 * 24 * 3600;

const User self{"system:serviceaccount:kube-system:tokens-controller", "", {"system:masters"}};

const schema::Kind& secret_kind() {
    static const auto& kind = *schema::Catalogue::builtin().find_resource({"", "v1"}, "secrets");
    return kind;
}

std::string note_of(const json::object& object, std::string_view name) {
    const auto* notes = kinds::object_at(object, "metadata.annotations");
    return std::string(notes ? kinds::text_at(*notes, name) : std::string_view());
}

}  // namespace

Outcome<void> TokenSecrets::fill(const state::Object& stored) const {
    auto secret = TRY(read_object(stored));
    const auto* data = kinds::object_at(secret, "data");
    if (kinds::text_at(secret, "type") != type || is_going(secret) || (data && data->contains("token"))) return {};
    std::string space(meta_text(secret, "namespace"));
    auto name = note_of(secret, account_note), wanted = note_of(secret, uid_note);
    auto found = registry_.state().get("core/serviceaccounts/" + space + "/" + name);
    if (name.empty() || !found) return {};
    auto account = TRY(read_object(*found));
    std::string uid(meta_text(account, "uid"));
    if (!wanted.empty() && wanted != uid) return {};
    access::Claims claims;
    claims.name_space = space;
    claims.account = {name, uid};
    claims.secret = access::NamedObject{std::string(meta_text(secret, "name")), std::string(meta_text(secret, "uid"))};
    claims.audiences = {keys_.issuer()};
    claims.issued_at = now_wall().seconds();
    claims.expires_at = claims.issued_at + lasts_seconds;
    claims.id = random_uuid();
    auto token = TRY(keys_.issue(claims));
    json::object change{
        {"metadata", {{"resourceVersion", meta_text(secret, "resourceVersion")}, {"annotations", {{uid_note, uid}}}}},
        {"data",
         {{"token", crypto::base64_encode(token)},
          {"ca.crt", crypto::base64_encode(authority_)},
          {"namespace", crypto::base64_encode(space)}}}};
    Call call{.kind = secret_kind(),
              .name_space = space,
              .name = std::string(meta_text(secret, "name")),
              .user = self,
              .manager = "kube-controller-manager"};
    TRY(registry_.patch(call, PatchType::Merge, change, false, {}));
    return {};
}

void TokenSecrets::on_secret(const state::Object& secret) const {
    if (secret.is_deleted || secret.bytes.find(type) == std::string::npos) return;
    auto filled = fill(secret);
    // Somebody else's write comes here next.
    if (!filled && filled.error().code != 404 && filled.error().code != 409)
        log::warning("{}: {}", secret.key, filled.error().message);
}

}  // namespace pila::cluster::api

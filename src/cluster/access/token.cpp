// SPDX-License-Identifier: Apache-2.0
#include "cluster/access/token.h"

#include <pthread.h>

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "cluster/access/user.h"
#include "cluster/kinds/tree.h"
#include "crypto/base64.h"
#include "os/file.h"

namespace pila::cluster::access {

namespace {

constexpr std::size_t max_token = 16U << 10;
constexpr std::size_t max_key_file = 64U << 10;
constexpr std::string_view own_claims = "kubernetes.io";
constexpr std::int64_t clock_difference_seconds = 60;  // between whoever issued it and us

Error refused(std::string why) { return {Errc::Unauthenticated, std::move(why)}; }

std::optional<std::int64_t> number_at(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && value->is_int64() ? std::optional(value->get_int64()) : std::nullopt;
}

std::optional<NamedObject> named_at(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (!value || !value->is_object()) return std::nullopt;
    return NamedObject{std::string(kinds::text_at(value->get_object(), "name")),
                       std::string(kinds::text_at(value->get_object(), "uid"))};
}

json::object written(const NamedObject& object) { return {{"name", object.name}, {"uid", object.uid}}; }

json::array words(const std::vector<std::string>& list) { return json::array(list.begin(), list.end()); }

std::vector<std::string> audiences_of(const json::object& payload) {
    std::vector<std::string> audiences;
    const auto* value = payload.if_contains("aud");
    if (value && value->is_string()) audiences.emplace_back(value->get_string());
    if (value && value->is_array())
        for (const auto& one : value->get_array())
            if (one.is_string()) audiences.emplace_back(one.get_string());
    return audiences;
}

struct Parts {
    json::object header, payload;
    std::string_view signed_text;
    std::string signature;
};

Result<json::object> read_part(std::string_view text) {
    auto bytes = crypto::base64_decode(text);
    if (!bytes) return refused("the token is not base64url");
    auto tree = parse_json(*bytes, {.max_bytes = max_token, .max_depth = 16});
    if (!tree || !tree->is_object()) return refused("the token holds no JSON object");
    return std::move(tree->get_object());
}

Result<Parts> split_token(std::string_view token) {
    if (token.size() > max_token) return refused("the token is too long");
    auto pieces = split(token, '.');
    if (pieces.size() != 3) return refused("it is no JSON Web Token");
    Parts parts;
    parts.header = TRY(read_part(pieces[0]));
    parts.payload = TRY(read_part(pieces[1]));
    auto signature = crypto::base64_decode(pieces[2]);
    if (!signature) return refused("the token is not base64url");
    parts.signature = std::move(*signature);
    parts.signed_text = token.substr(0, pieces[0].size() + 1 + pieces[1].size());
    return parts;
}

// What the token says of itself, once it is known to be ours.
Result<Claims> read_claims(const json::object& payload) {
    Claims claims;
    const auto* own = payload.if_contains(own_claims);
    auto issued = number_at(payload, "iat"), expires = number_at(payload, "exp");
    if (!own || !own->is_object() || !issued || !expires) return refused("the token lacks claims");
    const auto& object = own->get_object();
    auto account = named_at(object, "serviceaccount");
    claims.name_space = kinds::text_at(object, "namespace");
    if (!account) return refused("the token names no service account");
    claims.account = *account;
    claims.pod = named_at(object, "pod");
    claims.secret = named_at(object, "secret");
    claims.node = named_at(object, "node");
    claims.audiences = audiences_of(payload);
    claims.issued_at = *issued;
    claims.expires_at = *expires;
    claims.id = kinds::text_at(payload, "jti");
    if (kinds::text_at(payload, "sub") != AccountName{claims.name_space, claims.account.name}.user_name())
        return refused("the token's subject is not its service account");
    return claims;
}

Result<crypto::SigningKey> read_key(const std::string& path) {
    auto text = TRY(os::read_file(path, max_key_file));
    auto key = TRY(crypto::SigningKey::read(text).in(path));
    if (!key.is_private()) return Error(Errc::Invalid, fmt::format("{}: it is no private key", path));
    return key;
}

// In this order: where there is a private key, the public one is there, too.
Result<void> keep(const crypto::SigningKey& key, const std::string& directory) {
    auto own = TRY(key.private_pem());
    auto everybodys = TRY(key.public_pem());
    TRY(os::replace_file(directory + "/sa.pub", everybodys, 0644));
    return os::replace_file(directory + "/sa.key", own, 0600);
}

Result<crypto::SigningKey> make_key(const std::string& directory) {
    ::pthread_setname_np(::pthread_self(), "token-key");
    auto key = crypto::SigningKey::make();
    if (!key || directory.empty()) return key;
    if (auto kept = keep(*key, directory); !kept) {
        log::error("tokens of service accounts cannot be signed: {}", kept.error().message());
        return kept.take_error();
    }
    return key;
}

}  // namespace

Result<TokenKeys> TokenKeys::open(const std::string& directory, std::string issuer) {
    auto path = directory + "/sa.key";
    if (directory.empty() || !os::exists(path))
        return TokenKeys(std::async(std::launch::async, make_key, directory), std::move(issuer));
    std::promise<Result<crypto::SigningKey>> known;
    known.set_value(TRY(read_key(path)));
    return TokenKeys(known.get_future(), std::move(issuer));
}

Result<std::string> TokenKeys::issue(const Claims& claims) const {
    auto key = TRY(this->key());
    json::object header{{"alg", "RS256"}, {"kid", key.id()}};
    json::object own{{"namespace", claims.name_space}};
    if (claims.node) own["node"] = written(*claims.node);
    if (claims.pod) own["pod"] = written(*claims.pod);
    if (claims.secret) own["secret"] = written(*claims.secret);
    own["serviceaccount"] = written(claims.account);
    json::object payload{{"aud", words(claims.audiences)},
                         {"exp", claims.expires_at},
                         {"iat", claims.issued_at},
                         {"iss", issuer_},
                         {"jti", claims.id},
                         {"nbf", claims.issued_at},
                         {"sub", AccountName{claims.name_space, claims.account.name}.user_name()}};
    payload[own_claims] = std::move(own);
    auto text =
        crypto::base64_url_encode(json::serialize(header)) + "." + crypto::base64_url_encode(json::serialize(payload));
    auto signature = TRY(key.sign(text));
    return text + "." + crypto::base64_url_encode(signature);
}

bool TokenKeys::is_ours(std::string_view token) const {
    auto parts = split_token(token);
    return parts && kinds::text_at(parts->payload, "iss") == issuer_;
}

Result<Claims> TokenKeys::check(std::string_view token, const std::vector<std::string>& audiences,
                                std::int64_t now) const {
    auto parts = TRY(split_token(token));
    auto key = TRY(this->key());
    // The form is ours to say, not the token's (RFC 8725 section 3.1): none and HS256 under our public key are
    // forgeries.
    if (kinds::text_at(parts.header, "alg") != "RS256") return refused("the token is not signed by RS256");
    if (parts.header.contains("crit")) return refused("the token asks for extensions");
    if (parts.header.contains("kid") && kinds::text_at(parts.header, "kid") != key.id())
        return refused("the token is signed by an unknown key");
    if (!key.verifies(parts.signed_text, parts.signature)) return refused("the token's signature is wrong");
    if (kinds::text_at(parts.payload, "iss") != issuer_) return refused("the token is another issuer's");
    auto claims = TRY(read_claims(parts.payload));
    if (claims.expires_at <= now) return refused("service account token has expired");
    auto not_before = number_at(parts.payload, "nbf").value_or(claims.issued_at);
    if (not_before > now + clock_difference_seconds) return refused("the token is not valid yet");
    bool meant = std::any_of(claims.audiences.begin(), claims.audiences.end(), [&](const std::string& one) {
        return std::find(audiences.begin(), audiences.end(), one) != audiences.end();
    });
    if (!meant)
        return refused(fmt::format("token audiences [{}] is invalid for the target audiences [{}]",
                                   join(claims.audiences, " "), join(audiences, " ")));
    return claims;
}

std::string TokenKeys::configuration_json(const std::string& server) const {
    return json::serialize(json::object{{"issuer", issuer_},
                                        {"jwks_uri", "https://" + server + "/openid/v1/jwks"},
                                        {"response_types_supported", {"id_token"}},
                                        {"subject_types_supported", {"public"}},
                                        {"id_token_signing_alg_values_supported", {"RS256"}}});
}

Result<std::string> TokenKeys::key_set_json() const {
    auto key = TRY(this->key());
    auto numbers = TRY(key.numbers());
    json::object entry{{"use", "sig"},
                       {"kty", "RSA"},
                       {"kid", key.id()},
                       {"alg", "RS256"},
                       {"n", crypto::base64_url_encode(numbers.modulus)},
                       {"e", crypto::base64_url_encode(numbers.exponent)}};
    json::array keys;
    keys.push_back(std::move(entry));
    return json::serialize(json::object{{"keys", std::move(keys)}});
}

}  // namespace pila::cluster::access

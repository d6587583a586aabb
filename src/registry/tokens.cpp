// SPDX-License-Identifier: Apache-2.0
#include "registry/tokens.h"

#include <algorithm>
#include <cerrno>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/base64.h"
#include "crypto/hmac.h"
#include "os/file.h"
#include "registry/names.h"

namespace pila::registry {

static constexpr std::time_t skew_seconds = 5;
static constexpr std::size_t key_bytes = 32;

std::optional<Scope> Scope::parse(std::string_view text) {
    auto first = text.find(':');
    auto last = text.rfind(':');
    if (first == std::string_view::npos || first == last) return std::nullopt;
    Scope scope{std::string(text.substr(0, first)), std::string(text.substr(first + 1, last - first - 1)), {}};
    for (auto action : split(text.substr(last + 1), ','))
        if (!action.empty()) scope.actions.emplace(action);
    bool known = (scope.type == "repository" && is_repository_name(scope.name)) ||
                 (scope.type == "registry" && scope.name == "catalog");
    for (const auto& action : scope.actions)
        known = known && (action == "pull" || action == "push" || action == "delete" || action == "*");
    return known ? std::optional(scope) : std::nullopt;
}

std::string Scope::text() const { return fmt::format("{}:{}:{}", type, name, fmt::join(actions, ",")); }

static std::string encode(std::string_view bytes) {
    auto text = crypto::base64_encode(bytes);
    while (text.ends_with('=')) text.pop_back();
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    return text;
}

static std::string sign(const std::string& key, const json::object& claims) {
    auto text = encode(R"({"alg":"HS256","typ":"JWT"})") + "." + encode(json::serialize(claims));
    return text + "." + encode(crypto::hmac_sha256(key, text));
}

// The claims, if we wrote them with this key and their time is not over.
static std::optional<json::object> verify(const std::string& key, const std::string& token, std::time_t now) {
    auto dot = token.rfind('.');
    if (dot == std::string::npos || key.empty()) return std::nullopt;
    auto text = token.substr(0, dot);
    if (!crypto::equal_secrets(encode(crypto::hmac_sha256(key, text)), token.substr(dot + 1))) return std::nullopt;
    // From here on it is what sign() wrote.
    auto claims_text = crypto::base64_decode(text.substr(text.find('.') + 1));
    auto claims = claims_text ? parse_json(*claims_text) : Result<json::value>(Error(Errc::Invalid, ""));
    if (!claims) return std::nullopt;
    if (now > claims->get_object().at("exp").to_number<std::int64_t>() + skew_seconds) return std::nullopt;
    return std::move(claims->get_object());
}

static Result<std::string> load_key(const std::string& path) {
    auto kept = os::read_file(path, key_bytes);
    if (kept && kept->size() == key_bytes) return kept;
    if (kept) return Error(Errc::Invalid, fmt::format("{} is damaged: remove it, and users log in again", path));
    if (kept.error().os_errno() != ENOENT) return kept;
    auto made = random_bytes(key_bytes);
    TRY(os::replace_file(path, made, 0600));
    return made;
}

Result<std::unique_ptr<Tokens>> Tokens::create(const std::string& key_file) {
    std::unique_ptr<Tokens> made(new Tokens);
    made->key_ = random_bytes(key_bytes);
    if (!key_file.empty()) made->refresh_key_ = TRY(load_key(key_file).in("the key of refresh tokens"));
    return made;
}

std::string Tokens::access(const Access& granted, std::time_t now) const {
    json::array scopes;
    for (const auto& scope : granted.scopes)
        scopes.push_back(json::object{{"type", scope.type},
                                      {"name", scope.name},
                                      {"actions", json::array(scope.actions.begin(), scope.actions.end())}});
    return sign(
        key_,
        {{"iss", "pila"}, {"sub", granted.user}, {"iat", now}, {"exp", now + access_seconds}, {"access", scopes}});
}

std::optional<Access> Tokens::read_access(const std::string& token, std::time_t now) const {
    auto claims = verify(key_, token, now);
    if (!claims) return std::nullopt;
    Access access{std::string(claims->at("sub").get_string()), {}};
    for (const auto& entry : claims->at("access").get_array()) {
        Scope scope{std::string(entry.at("type").get_string()), std::string(entry.at("name").get_string()), {}};
        for (const auto& action : entry.at("actions").get_array()) scope.actions.emplace(action.get_string());
        access.scopes.push_back(std::move(scope));
    }
    return access;
}

std::string Tokens::mark_of(const std::string& hash) const { return encode(crypto::hmac_sha256(refresh_key_, hash)); }

std::string Tokens::refresh(const std::string& user, const std::string& hash, std::time_t now) const {
    if (refresh_key_.empty()) return "";
    return sign(
        refresh_key_,
        {{"iss", "pila"}, {"sub", user}, {"iat", now}, {"exp", now + refresh_seconds}, {"mark", mark_of(hash)}});
}

std::optional<Tokens::Refresh> Tokens::read_refresh(const std::string& token, std::time_t now) const {
    auto claims = verify(refresh_key_, token, now);
    if (!claims) return std::nullopt;
    return Refresh{std::string(claims->at("sub").get_string()), std::string(claims->at("mark").get_string())};
}

}  // namespace pila::registry

// SPDX-License-Identifier: Apache-2.0
#include "registry/authority.h"

#include <algorithm>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/base64.h"
#include "crypto/hmac.h"
#include "registry/problem.h"

namespace pila::registry {

static constexpr std::time_t token_seconds = 300, skew_seconds = 5, remember_seconds = 300;
static constexpr std::size_t max_scopes = 64, max_form = 64U << 10, max_known = 1000;

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

Credentials Credentials::parse(std::string_view header) {
    header = trim(header);
    if (header.empty()) return {};
    auto space = header.find(' ');
    auto scheme = to_lower(header.substr(0, space));
    auto value = space == std::string_view::npos ? std::string_view() : trim(header.substr(space));
    if (scheme == "bearer" && !value.empty()) return {Kind::Bearer, "", "", std::string(value)};
    auto decoded = scheme == "basic" ? crypto::base64_decode(value) : std::nullopt;
    auto colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos) return {Kind::Unreadable, "", "", ""};
    return {Kind::Basic, decoded->substr(0, colon), decoded->substr(colon + 1), ""};
}

Result<std::unique_ptr<Authority>> Authority::create(const Options& options) {
    std::unique_ptr<Authority> made(new Authority(options));
    if (!options.htpasswd.empty()) made->users_ = TRY(PasswordFile::open(options.htpasswd));
    made->key_ = random_bytes(32);
    return made;
}

bool Authority::is_user(const std::string& name, const std::string& password) const {
    auto now = ::time(nullptr);
    auto fingerprint = crypto::hmac_sha256(
        key_, fmt::format("{} {}:{} {}:{}", users_->version(), name.size(), name, password.size(), password));
    {
        Lock lock(mutex_);
        auto found = known_.find(fingerprint);
        if (found != known_.end() && now < found->second) return true;
    }
    if (!users_->verify(name, password)) return false;
    Lock lock(mutex_);
    if (known_.size() >= max_known) known_.clear();
    known_[fingerprint] = now + remember_seconds;
    return true;
}

bool Authority::Grant::allows(const Scope& wanted) const {
    if (everything) return true;
    return std::any_of(scopes.begin(), scopes.end(), [&](const Scope& scope) {
        return scope.type == wanted.type && scope.name == wanted.name &&
               std::all_of(wanted.actions.begin(), wanted.actions.end(), [&](const auto& action) {
                   return scope.actions.contains(action) || scope.actions.contains("*");
               });
    });
}

std::optional<Authority::Grant> Authority::grant_of(const http::Request& request) const {
    auto credentials = Credentials::parse(request.headers.get("Authorization"));
    if (credentials.kind == Credentials::Kind::Basic && is_user(credentials.user, credentials.password))
        return Grant{credentials.user, {}, true};
    if (credentials.kind == Credentials::Kind::Bearer) return verify(credentials.token, ::time(nullptr));
    return std::nullopt;
}

std::optional<http::Response> Authority::refusal(const http::Request& request, const std::string& name,
                                                 const std::string& action) const {
    if (!users_) return std::nullopt;
    auto grant = grant_of(request);
    if (name.empty() && action.empty()) {  // "/v2/": who is it?
        if (grant) return std::nullopt;
        return challenge(request, std::nullopt, false);
    }
    Scope wanted{name.empty() ? "registry" : "repository", name.empty() ? "catalog" : name, {action}};
    if (grant && grant->allows(wanted)) return std::nullopt;
    if (options_.anonymous_pull && !name.empty() && action == "pull") return std::nullopt;
    // Who may push has to read, too: clients ask for both at once.
    if (action == "push") wanted.actions.insert("pull");
    return challenge(request, wanted, grant.has_value());
}

// The Host header goes into URLs and quoted strings.
std::string Authority::base_url(const http::Request& request) const {
    if (!options_.url.empty()) return options_.url;
    std::string host(request.headers.get("Host"));
    constexpr auto allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:[]-_";
    if (host.empty() || host.find_first_not_of(allowed) != std::string::npos) host = "localhost";
    return (request.is_tls ? "https://" : "http://") + host;
}

http::Response Authority::challenge(const http::Request& request, const std::optional<Scope>& wanted,
                                    bool insufficient) const {
    auto detail = wanted ? fmt::format(R"([{{"Type":{},"Name":{},"Action":{}}}])", json_quote(wanted->type),
                                       json_quote(wanted->name), json_quote(*wanted->actions.rbegin()))
                         : std::string();
    auto response = refuse(Problem::Unauthorized, {}, detail);
    if (options_.challenge == Challenge::Basic) {
        response.headers.set("WWW-Authenticate", R"(Basic realm="pila registry")");
        return response;
    }
    auto url = base_url(request);
    auto text = fmt::format(R"(Bearer realm="{}/token",service="{}")", url, url.substr(url.find("://") + 3));
    if (wanted) text += fmt::format(R"(,scope="{}")", wanted->text());
    if (insufficient) text += R"(,error="insufficient_scope")";
    response.headers.set("WWW-Authenticate", text);
    return response;
}

http::Response Authority::token(http::Request& request) const {
    if (!users_) return refuse(Problem::Unsupported, "this registry asks nobody for tokens");
    auto credentials = Credentials::parse(request.headers.get("Authorization"));
    auto asked = request.query.all("scope");
    http::Query form;
    if (request.method == "POST") {  // OAuth2's way
        auto body = request.body->read_all(max_form);
        if (!body) return refuse(Problem::Unauthorized, body.error().message());
        form = http::Query::parse(*body);
        if (form.get("grant_type") != "password")
            return http::Response::json(400, R"({"error":"unsupported_grant_type"})");
        credentials = {Credentials::Kind::Basic, std::string(form.get("username")), std::string(form.get("password")),
                       ""};
        asked = form.all("scope");
    } else if (request.method != "GET") {
        return refuse(Problem::Unsupported);
    }
    bool user = credentials.kind == Credentials::Kind::Basic && is_user(credentials.user, credentials.password);
    bool anonymous = credentials.kind == Credentials::Kind::None && options_.anonymous_pull;
    if (!user && !anonymous) return refuse(Problem::Unauthorized);

    std::vector<Scope> granted;
    for (auto list : asked)
        for (auto one : split(list, ' ')) {
            auto scope = Scope::parse(one);
            if (!scope || granted.size() == max_scopes) continue;
            if (!user) std::erase_if(scope->actions, [](const auto& action) { return action != "pull"; });
            if (!user && scope->type != "repository") continue;
            if (!scope->actions.empty()) granted.push_back(std::move(*scope));
        }
    auto now = ::time(nullptr);
    auto quoted = json_quote(sign(credentials.user, granted, now));
    return http::Response::json(
        200, fmt::format(R"({{"token":{},"access_token":{},"expires_in":{},"issued_at":"{}"}})", quoted, quoted,
                         token_seconds, rfc3339_nano(WallTime{now * 1'000'000'000})));
}

static std::string encode(std::string_view bytes) {
    auto text = crypto::base64_encode(bytes);
    while (text.ends_with('=')) text.pop_back();
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    return text;
}

// RFC 7519, HS256: only this process signs and verifies.
std::string Authority::sign(const std::string& user, const std::vector<Scope>& scopes, std::time_t now) const {
    json::array access;
    for (const auto& scope : scopes)
        access.push_back(json::object{{"type", scope.type},
                                      {"name", scope.name},
                                      {"actions", json::array(scope.actions.begin(), scope.actions.end())}});
    json::object claims{{"iss", "pila"}, {"sub", user}, {"iat", now}, {"exp", now + token_seconds}, {"access", access}};
    auto text = encode(R"({"alg":"HS256","typ":"JWT"})") + "." + encode(json::serialize(claims));
    return text + "." + encode(crypto::hmac_sha256(key_, text));
}

std::optional<Authority::Grant> Authority::verify(const std::string& token, std::time_t now) const {
    auto dot = token.rfind('.');
    if (dot == std::string::npos) return std::nullopt;
    auto text = token.substr(0, dot);
    if (!crypto::equal_secrets(encode(crypto::hmac_sha256(key_, text)), token.substr(dot + 1))) return std::nullopt;
    // From here on it is what sign() wrote.
    auto claims_text = crypto::base64_decode(text.substr(text.find('.') + 1));
    auto claims = claims_text ? parse_json(*claims_text) : Result<json::value>(Error(Errc::Invalid, ""));
    if (!claims) return std::nullopt;
    const auto& object = claims->get_object();
    if (now > object.at("exp").to_number<std::int64_t>() + skew_seconds) return std::nullopt;
    Grant grant{std::string(object.at("sub").get_string()), {}, false};
    for (const auto& entry : object.at("access").get_array()) {
        Scope scope{std::string(entry.at("type").get_string()), std::string(entry.at("name").get_string()), {}};
        for (const auto& action : entry.at("actions").get_array()) scope.actions.emplace(action.get_string());
        grant.scopes.push_back(std::move(scope));
    }
    return grant;
}

}  // namespace pila::registry

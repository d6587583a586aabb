// SPDX-License-Identifier: Apache-2.0
#include "registry/authority.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/base64.h"
#include "crypto/hmac.h"
#include "registry/problem.h"

namespace pila::registry {

static constexpr std::time_t remember_seconds = 300;
static constexpr std::size_t max_scopes = 64, max_form = 64U << 10, max_known = 1000;

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
    bool tokens = options.challenge == Challenge::Token;
    if (!options.htpasswd.empty()) made->users_ = TRY(PasswordFile::open(options.htpasswd));
    made->tokens_ = TRY(Tokens::create(made->users_ && tokens ? options.directory + "/token-key" : ""));
    if (options.rights.empty()) return made;
    if (!made->users_) return Error(Errc::Invalid, "rights are of no use without htpasswd: nobody has a name");
    if (options.anonymous_pull)
        return Error(Errc::Invalid, "anonymous-pull and rights: say `- ** pull` in " + options.rights);
    made->rights_ = TRY(Rights::open(options.rights));
    if (made->rights_->has_anonymous() && !tokens)
        return Error(Errc::Invalid,
                     "rights of who says nothing (-) need auth token: clients ask for passwords once or never");
    return made;
}

bool Authority::is_user(const std::string& name, const std::string& password) const {
    auto now = ::time(nullptr);
    auto fingerprint = crypto::hmac_sha256(
        tokens_->process_key(),
        fmt::format("{} {}:{} {}:{}", users_->version(), name.size(), name, password.size(), password));
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
    if (credentials.kind != Credentials::Kind::Bearer) return std::nullopt;
    auto access = tokens_->read_access(credentials.token, ::time(nullptr));
    return access ? std::optional(Grant{access->user, std::move(access->scopes), false}) : std::nullopt;
}

// What may be asked for at all; a token that was given for more before the rights changed is worth no more.
bool Authority::permitted(const std::string& user, const Scope& wanted) const {
    if (wanted.type == "registry") return !user.empty();  // the catalog, of what may be seen
    if (!rights_) return !user.empty() || (options_.anonymous_pull && wanted.actions == std::set<std::string>{"pull"});
    auto given = rights_->of(user, wanted.name);
    return std::includes(given.begin(), given.end(), wanted.actions.begin(), wanted.actions.end());
}

bool Authority::may_see(const http::Request& request, const std::string& name) const {
    if (!rights_) return true;
    auto grant = grant_of(request);
    return grant && permitted(grant->user, {"repository", name, {"pull"}});
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
    if (grant && !grant->user.empty() && !permitted(grant->user, wanted))  // no other token would help
        return refuse(Problem::Denied, fmt::format("{} may not {} {}", grant->user, action, name));
    if (grant && grant->allows(wanted) && permitted(grant->user, wanted)) return std::nullopt;
    if (!grant && permitted("", wanted)) return std::nullopt;
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

// Of what a token is asked for, what its user may have.
Scope Authority::limited(Scope asked, const std::string& user) const {
    if (asked.type != "repository") {
        if (user.empty()) asked.actions.clear();
        return asked;
    }
    if (rights_ && asked.actions.contains("*")) asked.actions = {"pull", "push", "delete"};
    std::erase_if(asked.actions, [&](const auto& action) {
        return !permitted(user, {asked.type, asked.name, {action}});
    });
    return asked;
}

// "": who says nothing, where that is enough. nullopt: nobody.
std::optional<std::string> Authority::user_of(const Asked& asked) const {
    if (!asked.refresh.empty()) {
        auto token = tokens_->read_refresh(asked.refresh, ::time(nullptr));
        auto hash = token ? users_->hash_of(token->user) : std::nullopt;
        if (!hash || !crypto::equal_secrets(tokens_->mark_of(*hash), token->mark)) return std::nullopt;
        return token->user;
    }
    const auto& credentials = asked.credentials;
    if (credentials.kind == Credentials::Kind::Basic && is_user(credentials.user, credentials.password))
        return credentials.user;
    bool welcome = options_.anonymous_pull || (rights_ && rights_->has_anonymous());
    if (credentials.kind == Credentials::Kind::None && welcome) return "";
    return std::nullopt;
}

http::Response Authority::token(http::Request& request) const {
    if (!users_) return refuse(Problem::Unsupported, "this registry asks nobody for tokens");
    Asked asked;
    http::Query form;
    if (request.method == "POST") {  // OAuth2's way
        auto body = request.body->read_all(max_form);
        if (!body) return refuse(Problem::Unauthorized, body.error().message());
        form = http::Query::parse(*body);
        auto type = form.get("grant_type");
        if (type == "refresh_token" && !form.get("refresh_token").empty())
            asked.refresh = form.get("refresh_token");
        else if (type == "password")
            asked.credentials = {Credentials::Kind::Basic, std::string(form.get("username")),
                                 std::string(form.get("password")), ""};
        else
            return http::Response::json(400, R"({"error":"unsupported_grant_type"})");
        asked.scopes = form.all("scope");
        asked.offline = form.get("access_type") == "offline";
    } else if (request.method == "GET") {
        asked.credentials = Credentials::parse(request.headers.get("Authorization"));
        asked.scopes = request.query.all("scope");
        asked.offline = request.query.get("offline_token") == "true";
    } else {
        return refuse(Problem::Unsupported);
    }
    auto user = user_of(asked);
    return user ? issue(asked, *user) : refuse(Problem::Unauthorized);
}

http::Response Authority::issue(const Asked& asked, const std::string& user) const {
    Access granted{user, {}};
    std::string scopes;
    for (auto list : asked.scopes)
        for (auto one : split(list, ' ')) {
            auto scope = Scope::parse(one);
            if (!scope || granted.scopes.size() == max_scopes) continue;
            auto given = limited(std::move(*scope), user);
            if (given.actions.empty()) continue;
            scopes += (scopes.empty() ? "" : " ") + given.text();
            granted.scopes.push_back(std::move(given));
        }
    auto now = ::time(nullptr);
    json::object answer{{"expires_in", Tokens::access_seconds},
                        {"issued_at", rfc3339_nano(WallTime{now * 1'000'000'000})},
                        {"scope", scopes}};
    auto token = tokens_->access(granted, now);
    answer["token"] = token;
    answer["access_token"] = token;
    // Its user keeps it instead of the password: `docker login` does.
    auto refresh = asked.refresh;
    if (auto hash = asked.offline && !user.empty() ? users_->hash_of(user) : std::nullopt; hash && refresh.empty())
        refresh = tokens_->refresh(user, *hash, now);
    if (!refresh.empty()) answer["refresh_token"] = refresh;
    return http::Response::json(200, json::serialize(answer));
}

}  // namespace pila::registry

// SPDX-License-Identifier: Apache-2.0
#include "image/registry_auth.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "crypto/base64.h"

namespace pila::image {

namespace {

constexpr std::size_t max_token_bytes = 1U << 20;
constexpr std::size_t max_auth_bytes = 64U << 10;

std::string text_of(const json::object& object, std::string_view key) {
    auto* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

bool is_token_character(char c) {
    constexpr std::string_view separators = "()<>@,;:\\\"/[]?={} \t";
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && separators.find(c) == separators.npos;
}

// RFC 9110 section 11: challenge = auth-scheme [ 1*SP ( token68 / #auth-param ) ], in a comma-separated list.
class ChallengeScanner {
public:
    explicit ChallengeScanner(std::string_view text) : rest_(text) {}

    std::vector<Challenge> run() {
        std::vector<Challenge> found;
        for (;;) {
            skip(", \t");
            auto word = token();
            if (word.empty()) return found;
            skip(" \t");
            if (!rest_.empty() && rest_.front() == '=' && !found.empty()) {
                if (!parameter(found.back(), word)) return found;
            } else {
                found.push_back({to_lower(word), {}});
            }
        }
    }

private:
    void skip(std::string_view characters) {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(characters), rest_.size()));
    }
    std::string_view token() {
        std::size_t size = 0;
        while (size < rest_.size() && is_token_character(rest_[size])) ++size;
        auto word = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return word;
    }
    bool parameter(Challenge& challenge, std::string_view name) {
        rest_.remove_prefix(1);
        skip(" \t");
        std::string value;
        if (!rest_.empty() && rest_.front() == '"') {
            std::size_t at = 1;
            while (at < rest_.size() && rest_[at] != '"') {
                if (rest_[at] == '\\') ++at;
                if (at < rest_.size()) value += rest_[at++];
            }
            if (at >= rest_.size()) return false;
            rest_.remove_prefix(at + 1);
        } else {
            value = token();
        }
        challenge.parameters.emplace(to_lower(name), std::move(value));
        return true;
    }
    std::string_view rest_;
};

std::string parameter(const Challenge& challenge, const std::string& name) {
    auto found = challenge.parameters.find(name);
    return found == challenge.parameters.end() ? std::string() : found->second;
}

std::string basic(const RegistryAuth& credentials) {
    return "Basic " + crypto::base64_encode(credentials.username + ":" + credentials.password);
}

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) { return ChallengeScanner(header).run(); }

Result<RegistryAuth> RegistryAuth::parse_json(std::string_view text) {
    auto parsed = TRY(pila::parse_json(text, {.max_bytes = max_auth_bytes}).in("registry credentials"));
    if (!parsed.is_object()) return Error(Errc::Invalid, "registry credentials: not an object");
    const auto& object = parsed.get_object();
    RegistryAuth auth{text_of(object, "username"), text_of(object, "password"), text_of(object, "identitytoken"),
                      text_of(object, "registrytoken"), text_of(object, "serveraddress")};
    if (auto both = text_of(object, "auth"); auth.username.empty() && !both.empty()) {
        auto decoded = crypto::base64_decode(both);
        auto colon = decoded ? decoded->find(':') : std::string::npos;
        if (colon == std::string::npos) return Error(Errc::Invalid, "registry credentials: malformed auth");
        auth.username = decoded->substr(0, colon);
        auth.password = decoded->substr(colon + 1);
    }
    return auth;
}

Result<RegistryAuth> RegistryAuth::parse(std::string_view header) {
    if (header.empty()) return RegistryAuth{};
    auto text = header.size() > max_auth_bytes ? std::nullopt : crypto::base64_decode(header);
    if (!text) return Error(Errc::Invalid, "X-Registry-Auth is not base64");
    if (trim(*text).empty() || trim(*text) == "null") return RegistryAuth{};
    return parse_json(*text);
}

Result<void> Authorizer::challenged(const http::Headers& headers) {
    std::optional<Challenge> chosen;
    for (const auto& [name, value] : headers.all()) {
        if (to_lower(name) != "www-authenticate") continue;
        for (auto& challenge : parse_challenges(value))
            if (challenge.scheme == "bearer" || (challenge.scheme == "basic" && !chosen)) chosen = std::move(challenge);
    }
    if (!chosen) return Error(Errc::Unauthenticated, "registry asks for an authentication that is not supported");
    // An error without credentials reads as Docker's, which scripts look for.
    if (chosen->scheme == "basic" && credentials_.username.empty())
        return Error(Errc::Unauthenticated, "no basic auth credentials");
    Lock lock(mutex_);
    challenge_ = std::move(chosen);
    return {};
}

void Authorizer::rejected(const std::string& scopes) {
    Lock lock(mutex_);
    tokens_.erase(scopes);
}

Result<std::string> Authorizer::header(const Context& context, const std::string& scopes) {
    if (!credentials_.registry_token.empty()) return "Bearer " + credentials_.registry_token;
    auto ready = [&]() -> std::optional<std::string> {
        Lock lock(mutex_);
        if (!challenge_) return std::string();
        if (challenge_->scheme == "basic") return basic(credentials_);
        auto found = tokens_.find(scopes);
        if (found == tokens_.end() || found->second.expires <= std::chrono::steady_clock::now()) return std::nullopt;
        return "Bearer " + found->second.value;
    };
    if (auto value = ready()) return *value;
    auto guard = fetching_.lock(scopes);
    if (auto value = ready()) return *value;
    Challenge challenge;
    {
        Lock lock(mutex_);
        challenge = *challenge_;
    }
    auto token = TRY(fetch(context, challenge, scopes, false));
    auto value = "Bearer " + token.value;
    Lock lock(mutex_);
    tokens_[scopes] = std::move(token);
    return value;
}

Result<std::string> Authorizer::identity_token(const Context& context) {
    Challenge challenge;
    {
        Lock lock(mutex_);
        if (!challenge_ || challenge_->scheme != "bearer") return std::string();
        challenge = *challenge_;
    }
    auto token = TRY(fetch(context, challenge, "", true));
    Lock lock(mutex_);
    auto refresh = token.refresh;
    tokens_[""] = std::move(token);
    return refresh;
}

Result<http::ClientRequest> Authorizer::token_request(const http::Endpoint& realm, const Challenge& challenge,
                                                      const std::string& scopes, bool offline) const {
    http::ClientRequest request;
    auto service = parameter(challenge, "service");
    request.target = realm.path_and_query;
    if (!credentials_.identity_token.empty()) {
        request.method = "POST";
        request.headers.add("Content-Type", "application/x-www-form-urlencoded");
        request.body = fmt::format("grant_type=refresh_token&service={}&client_id=pila&scope={}&refresh_token={}",
                                   http::percent_encode(service), http::percent_encode(scopes),
                                   http::percent_encode(credentials_.identity_token));
        return request;
    }
    char separator = request.target.find('?') == std::string::npos ? '?' : '&';
    auto add = [&](std::string_view name, std::string_view value) {
        request.target += fmt::format("{}{}={}", separator, name, http::percent_encode(value));
        separator = '&';
    };
    if (!credentials_.username.empty()) add("account", credentials_.username);
    add("client_id", "pila");
    if (offline) add("offline_token", "true");
    for (auto scope : split(scopes, ' '))
        if (!scope.empty()) add("scope", scope);
    if (!service.empty()) add("service", service);
    if (!credentials_.username.empty()) request.headers.add("Authorization", basic(credentials_));
    return request;
}

Result<Authorizer::Token> Authorizer::fetch(const Context& context, const Challenge& challenge,
                                            const std::string& scopes, bool offline) {
    auto realm = TRY(http::Endpoint::parse(parameter(challenge, "realm")).in("token server of " + registry_.host));
    if (realm.scheme == "unix")
        return Error(Errc::Invalid, "token server of " + registry_.host + " is not an HTTP server");
    // A registry must not be able to have credentials sent in the clear that it was itself only given encrypted.
    if (realm.scheme == "http" && registry_.scheme == "https" && has_credentials() && !realm.is_loopback())
        return Error(Errc::Denied, "refused to send credentials to " + realm.host + " unencrypted");
    auto request = TRY(token_request(realm, challenge, scopes, offline));
    auto options = options_;
    if (proxies_) options.proxy = http::proxy_from_environment(realm);
    auto doing = "token from " + realm.host;
    auto client = TRY(http::Client::create(realm, options));
    auto response = TRY(client->send(context, request).in(doing));
    auto body = TRY(response.body->read_all(max_token_bytes).in(doing));
    if (response.status == 401 || response.status == 403)
        return Error(Errc::Unauthenticated, "unauthorized: incorrect username or password");
    if (response.status != 200)
        return Error(response.status >= 500 ? Errc::Unavailable : Errc::Denied,
                     fmt::format("{}: status {}", doing, response.status));
    auto parsed = TRY(pila::parse_json(body).in(doing));
    if (!parsed.is_object()) return Error(Errc::Invalid, doing + ": not an object");
    const auto& object = parsed.get_object();
    Token token;
    token.value = text_of(object, "token");
    if (token.value.empty()) token.value = text_of(object, "access_token");
    token.refresh = text_of(object, "refresh_token");
    if (token.value.empty()) return Error(Errc::Unauthenticated, doing + ": no token in the answer");
    if (token.value.size() > (32U << 10) || token.value.find_first_of("\r\n ") != std::string::npos)
        return Error(Errc::Invalid, doing + ": malformed token");
    // The specification's default is 60 s; half a minute early, so that it does not expire on its way.
    std::int64_t seconds = 60;
    if (auto* expires = object.if_contains("expires_in"); expires && expires->is_int64())
        seconds = expires->get_int64();
    token.expires =
        std::chrono::steady_clock::now() + std::chrono::seconds(std::clamp<std::int64_t>(seconds - 30, 10, 86'400));
    return token;
}

}  // namespace pila::image

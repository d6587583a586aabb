// SPDX-License-Identifier: Apache-2.0
#include "cluster/access/authenticator.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "cluster/kinds/tree.h"
#include "crypto/base64.h"
#include "crypto/hmac.h"

namespace pila::cluster::access {

namespace {

constexpr std::int64_t grace_seconds = 60;  // a token outlives the end of what it is bound to by so much

Error nobody(std::string why = "invalid bearer token") { return {Errc::Unauthenticated, std::move(why)}; }

// When it ended, if it has: objects with finalizers stay for a while.
std::optional<std::int64_t> end_of(const state::Object& object) {
    if (object.bytes.find("\"deletionTimestamp\":") == std::string::npos) return std::nullopt;
    auto tree = parse_json(object.bytes);
    if (!tree || !tree->is_object()) return std::nullopt;
    const auto* metadata = kinds::object_at(tree->get_object(), "metadata");
    auto time = metadata ? parse_rfc3339(kinds::text_at(*metadata, "deletionTimestamp")) : std::nullopt;
    return time ? std::optional(time->seconds()) : std::nullopt;
}

bool is_made_of(std::string_view text, std::size_t size, std::string_view more = "") {
    return text.size() == size && std::all_of(text.begin(), text.end(), [&](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || more.find(c) != more.npos;
           });
}

bool is_bootstrap_group(std::string_view group) {
    constexpr std::string_view prefix = "system:bootstrappers:";
    if (!group.starts_with(prefix) || group.size() == prefix.size() || group.size() > prefix.size() + 256) return false;
    auto rest = group.substr(prefix.size());
    return is_made_of(rest, rest.size(), ":-") && rest.back() != ':' && rest.back() != '-';
}

std::map<std::string, std::vector<std::string>> extra_of(const Claims& claims) {
    std::map<std::string, std::vector<std::string>> extra;
    auto add = [&](std::string_view name, const std::string& value) {
        extra["authentication.kubernetes.io/" + std::string(name)] = {value};
    };
    if (claims.pod) add("pod-name", claims.pod->name), add("pod-uid", claims.pod->uid);
    if (claims.node) add("node-name", claims.node->name);
    if (claims.node && !claims.node->uid.empty()) add("node-uid", claims.node->uid);
    if (!claims.id.empty()) add("credential-id", "JTI=" + claims.id);
    return extra;
}

}  // namespace

std::string_view uid_of(const state::Object& object) {
    constexpr std::string_view mark = "\"uid\":\"";
    auto head = std::string_view(object.bytes).substr(0, object.revision_at);
    auto begin = head.find(mark);
    if (begin == head.npos) return {};
    head.remove_prefix(begin + mark.size());
    return head.substr(0, head.find('"'));
}

Result<Identified> Authenticator::identify(std::string_view token, std::vector<std::string> audiences) const {
    if (token.empty()) return nobody();
    const std::vector<std::string> own{keys_.issuer()};
    bool for_us = audiences.empty() || std::find(audiences.begin(), audiences.end(), own[0]) != audiences.end();
    if (for_us) {
        if (const auto* user = static_tokens_.find(token)) return Identified{*user, own};
        if (auto user = find_bootstrap(token)) return Identified{std::move(*user), own};
    }
    auto identified = identify_account(token, audiences.empty() ? own : audiences);
    if (!identified && !keys_.is_ours(token)) return nobody();  // what it lacks is not for us to say
    return identified;
}

Result<void> Authenticator::check_alive(const std::string& key, const NamedObject& object,
                                        std::string_view what) const {
    auto found = state_.get(key);
    if (!found || uid_of(*found) != object.uid)
        return nobody(fmt::format("the {} that the token is bound to is gone", what));
    auto end = end_of(*found);
    if (end && *end + grace_seconds < now_wall().seconds())
        return nobody(fmt::format("the {} that the token is bound to has ended", what));
    return {};
}

Result<Identified> Authenticator::identify_account(std::string_view token,
                                                   const std::vector<std::string>& audiences) const {
    auto claims = TRY(keys_.check(token, audiences, now_wall().seconds()));
    const auto& space = claims.name_space;
    TRY(check_alive("core/serviceaccounts/" + space + "/" + claims.account.name, claims.account, "service account"));
    if (claims.pod) TRY(check_alive("core/pods/" + space + "/" + claims.pod->name, *claims.pod, "pod"));
    if (claims.secret) TRY(check_alive("core/secrets/" + space + "/" + claims.secret->name, *claims.secret, "secret"));
    // Of a pod's token its node is information: the pod's own life says enough.
    if (claims.node && !claims.pod) TRY(check_alive("core/nodes/" + claims.node->name, *claims.node, "node"));
    AccountName account{space, claims.account.name};
    Identified made;
    made.user = {account.user_name(), claims.account.uid, account.groups(), extra_of(claims)};
    made.user.groups.emplace_back(authenticated_group);
    for (const auto& audience : audiences)
        if (std::find(claims.audiences.begin(), claims.audiences.end(), audience) != claims.audiences.end())
            made.audiences.push_back(audience);
    return made;
}

// "abcdef.0123456789abcdef": the secret bootstrap-token-abcdef in kube-system says what it is good for.
std::optional<User> Authenticator::find_bootstrap(std::string_view token) const {
    auto dot = token.find('.');
    if (dot != 6 || !is_made_of(token.substr(0, 6), 6) || !is_made_of(token.substr(7), 16)) return std::nullopt;
    std::string id(token.substr(0, 6));
    auto found = state_.get("core/secrets/kube-system/bootstrap-token-" + id);
    if (!found) return std::nullopt;
    auto tree = parse_json(found->bytes);
    if (!tree || !tree->is_object()) return std::nullopt;
    const auto& secret = tree->get_object();
    const auto* data = kinds::object_at(secret, "data");
    if (!data || kinds::text_at(secret, "type") != "bootstrap.kubernetes.io/token" || end_of(*found))
        return std::nullopt;
    auto value = [&](std::string_view name) { return crypto::base64_decode(kinds::text_at(*data, name)).value_or(""); };
    if (value("token-id") != id || !crypto::equal_secrets(value("token-secret"), token.substr(7))) return std::nullopt;
    if (value("usage-bootstrap-authentication") != "true") return std::nullopt;
    if (auto text = value("expiration"); !text.empty()) {
        auto time = parse_rfc3339(text);
        if (!time || time->seconds() <= now_wall().seconds()) return std::nullopt;
    }
    User user{"system:bootstrap:" + id, "", {"system:bootstrappers"}};
    auto groups = value("auth-extra-groups");
    for (auto group : split(groups, ',')) {
        group = trim(group);
        if (group.empty()) continue;
        if (!is_bootstrap_group(group)) return std::nullopt;
        user.groups.emplace_back(group);
    }
    user.groups.emplace_back(authenticated_group);
    return user;
}

}  // namespace pila::cluster::access

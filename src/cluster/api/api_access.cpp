// SPDX-License-Identifier: Apache-2.0
// What the API needs to know people, and what it does by itself so that they may do things.
#include <fmt/core.h>

#include "base/log.h"
#include "cluster/api/api.h"
#include "cluster/api/guard.h"
#include "cluster/api/signers.h"
#include "cluster/api/standing.h"
#include "os/file.h"

namespace pila::cluster::api {

namespace {

constexpr std::string_view issuer = "https://kubernetes.default.svc.cluster.local";
constexpr std::size_t max_file = 16U << 20;

Result<access::StaticTokens> read_tokens(const std::string& path) {
    if (path.empty()) return access::StaticTokens();
    auto text = TRY(os::read_file(path, max_file));
    return access::StaticTokens::parse(text).in(path);
}

Result<crypto::KeyPair> read_authority(const std::string& directory) {
    crypto::KeyPair authority;
    if (directory.empty()) return authority;
    authority.certificate = TRY(os::read_file(directory + "/ca.crt", max_file));
    authority.key = TRY(os::read_file(directory + "/ca.key", max_file));
    return authority;
}

}  // namespace

Result<void> Api::start_access() {
    auto tokens = TRY(read_tokens(options_.token_file).in("--token-auth-file"));
    if (!options_.audit_policy_file.empty()) {
        auto policy = TRY(os::read_file(options_.audit_policy_file, 1U << 20).in("--audit-policy-file"));
        audit_ = std::make_unique<Audit>();
        audit_->policy = TRY(audit::Policy::read(policy).in("--audit-policy-file"));
        audit_->log = TRY(audit::Log::open(options_.audit_log).in("--audit-log-path"));
    }
    auto keys = TRY(access::TokenKeys::open(options_.pki_directory, std::string(issuer)));
    if (auto made = ensure_standing_roles(registry_); !made) log::error("{}", made.error().message());
    authority_ = TRY(read_authority(options_.pki_directory));
    access_ = std::make_unique<Access>(state_, access::Authenticator(state_, std::move(keys), std::move(tokens)));
    registry_.add_gate([this](Call& call, json::object& object, const json::object* before) {
        return guard_write(*access_, call, object, before);
    });
    admit_ = std::make_unique<Admit>(registry_);
    if (auto made = ensure_standing_objects(registry_); !made) log::error("{}", made.error().message());
    auto follow = [&](std::string prefix, Follower::Look look) {
        followers_.push_back(std::make_shared<Follower>(state_, following_, std::move(prefix), std::move(look)));
        followers_.back()->start();
    };
    follow("rbac.authorization.k8s.io/clusterroles/", [this](const auto&) {
        auto done = aggregate_roles(registry_);
        if (!done) log::error("{}", done.error().message());
    });
    secrets_ = std::make_unique<TokenSecrets>(registry_, access_->authenticator().keys(), authority_.certificate);
    follow("core/secrets/", [this](const std::vector<state::Event>& events) {
        for (const auto& event : events) secrets_->on_secret(*event.object);
    });
    if (authority_.key.empty()) return {};
    follow("certificates.k8s.io/certificatesigningrequests/", [this](const std::vector<state::Event>& events) {
        for (const auto& event : events) sign_if_approved(registry_, authority_, *event.object);
    });
    return {};
}

Outcome<http::Response> Api::answer_token_keys(bool wants_keys) const {
    const auto& keys = access_->authenticator().keys();
    auto body = wants_keys ? TRY(keys.key_set_json()) : keys.configuration_json(options_.address);
    auto response = http::Response::json(200, std::move(body));
    if (wants_keys) response.headers.set("Content-Type", "application/jwk-set+json");
    response.headers.set("Cache-Control", "public, max-age=3600");
    return response;
}

}  // namespace pila::cluster::api

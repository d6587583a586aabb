// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whose a bearer token is: one of the administrator's file, of a service account, or for nodes that join. Threads: any.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/access/static_tokens.h"
#include "cluster/access/token.h"
#include "cluster/access/user.h"
#include "cluster/state/state.h"

namespace pila::cluster::access {

struct Identified {
    User user;
    std::vector<std::string> audiences;  // of those asked for, whom the token is meant for
};

class Authenticator {
public:
    Authenticator(const state::State& state, TokenKeys keys, StaticTokens static_tokens)
        : state_(state), keys_(std::move(keys)), static_tokens_(std::move(static_tokens)) {}

    // `audiences` empty: the API server's own. Unauthenticated: nobody's, or no longer.
    Result<Identified> identify(std::string_view token, std::vector<std::string> audiences = {}) const;
    const TokenKeys& keys() const { return keys_; }

private:
    Result<Identified> identify_account(std::string_view token, const std::vector<std::string>& audiences) const;
    std::optional<User> find_bootstrap(std::string_view token) const;
    Result<void> check_alive(const std::string& key, const NamedObject& object, std::string_view what) const;

    const state::State& state_;
    const TokenKeys keys_;
    const StaticTokens static_tokens_;
};

// metadata.uid of a stored object, without parsing it: it stands before the revision.
std::string_view uid_of(const state::Object& object);

}  // namespace pila::cluster::access

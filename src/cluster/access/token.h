// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tokens of service accounts: JSON Web Tokens (RFC 7519, RFC 8725) under the cluster's own key. Threads: any.

#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/signature.h"

namespace pila::cluster::access {

struct NamedObject {
    std::string name, uid;
};

struct Claims {
    std::string name_space;
    NamedObject account;
    std::optional<NamedObject> pod, secret, node;  // those it lives and dies with; of a pod, its node for information
    std::vector<std::string> audiences;
    std::int64_t issued_at = 0, expires_at = 0;  // seconds since 1970
    std::string id;                              // jti
};

class TokenKeys {
public:
    // The key in DIRECTORY/sa.key (0600) and sa.pub. If it is not there it is made and kept on a thread of its own,
    // which takes a tenth of a second: who needs it waits. "": a key that nobody keeps (tests).
    static Result<TokenKeys> open(const std::string& directory, std::string issuer);

    Result<std::string> issue(const Claims& claims) const;
    // Unauthenticated says why not: no token of this cluster, forged, too old, or for nobody among `audiences`.
    Result<Claims> check(std::string_view token, const std::vector<std::string>& audiences, std::int64_t now) const;
    // Whether it claims to be of this issuer; nothing is proved by that.
    bool is_ours(std::string_view token) const;

    const std::string& issuer() const { return issuer_; }
    Result<crypto::SigningKey> key() const { return key_.get(); }
    std::string configuration_json(const std::string& server) const;  // /.well-known/openid-configuration
    Result<std::string> key_set_json() const;                         // RFC 7517: /openid/v1/jwks

private:
    using Key = std::shared_future<Result<crypto::SigningKey>>;
    TokenKeys(Key key, std::string issuer) : key_(std::move(key)), issuer_(std::move(issuer)) {}
    Key key_;
    std::string issuer_;
};

}  // namespace pila::cluster::access

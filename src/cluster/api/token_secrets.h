// SPDX-License-Identifier: Apache-2.0
#pragma once
// Secrets of type kubernetes.io/service-account-token: a token of the account that their annotation names is put into
// them, bound to the secret. Who deletes the secret or the account takes the token back.

#include "cluster/access/token.h"
#include "cluster/api/registry.h"

namespace pila::cluster::api {

class TokenSecrets {
public:
    // `authority`: PEM, for ca.crt.
    TokenSecrets(Registry& registry, const access::TokenKeys& keys, std::string authority)
        : registry_(registry), keys_(keys), authority_(std::move(authority)) {}

    // It came or changed. Those that name nobody are a controller's to take away.
    void on_secret(const state::Object& secret) const;

private:
    Outcome<void> fill(const state::Object& secret) const;

    Registry& registry_;
    const access::TokenKeys& keys_;
    const std::string authority_;
};

}  // namespace pila::cluster::api

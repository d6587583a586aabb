// SPDX-License-Identifier: Apache-2.0
#pragma once
// The signers of every cluster (kubernetes.io/...): certificates for requests that have been approved, under the
// cluster's own authority.

#include <optional>
#include <string>

#include "cluster/api/registry.h"
#include "crypto/certificates.h"

namespace pila::cluster::api {

inline constexpr std::string_view client_signer = "kubernetes.io/kube-apiserver-client";
inline constexpr std::string_view node_client_signer = "kubernetes.io/kube-apiserver-client-kubelet";
inline constexpr std::string_view node_server_signer = "kubernetes.io/kubelet-serving";

// Why a signer would not sign such a request; nullopt: it would. Other signers' requests are not for us.
std::optional<std::string> refusal_of(std::string_view signer, const crypto::RequestFacts& facts,
                                      const std::vector<std::string>& usages);

// Signs a stored request that is approved and not signed yet, or notes why it does not (condition Failed).
void sign_if_approved(Registry& registry, const crypto::KeyPair& authority, const state::Object& object);

}  // namespace pila::cluster::api

// SPDX-License-Identifier: Apache-2.0
#pragma once
// The cluster's own authority, the certificates it gives, and the kubeconfig that an administrator uses.
// Files in DIRECTORY (0700): ca.crt, ca.key, server.crt, server.key, admin.kubeconfig (0600 but *.crt).

#include <string>
#include <vector>

#include "base/result.h"

namespace pila::cluster::api {

struct Authority {
    std::string directory;
    std::string ca_certificate() const { return directory + "/ca.crt"; }
    std::string server_certificate() const { return directory + "/server.crt"; }
    std::string server_key() const { return directory + "/server.key"; }
    std::string admin_kubeconfig() const { return directory + "/admin.kubeconfig"; }
};

// Makes what is missing, is about to expire (30 days) or does not name all of `names` (beside those that every server
// of a cluster has). `server`: the URL that the kubeconfig gives.
Result<Authority> prepare_authority(const std::string& directory, const std::vector<std::string>& names,
                                    const std::string& server);

}  // namespace pila::cluster::api

// SPDX-License-Identifier: Apache-2.0
#pragma once
// The control plane of a daemon: the cluster's objects and the Kubernetes API over them. And `pila kubeconfig`.

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "cluster/audit/log.h"
#include "http/server.h"

namespace pila::cluster::state {
class State;
}
namespace pila::cluster::api {
class Api;
}
namespace pila::cluster::controllers {
class Controllers;
}

namespace pila::app {

struct ControlPlaneOptions {
    std::string listen = "127.0.0.1:6443";  // ADDRESS:PORT of the Kubernetes API
    bool listen_is_given = false;           // otherwise a port that is taken is no reason not to start
    std::vector<std::string> names;         // further host names and addresses that clients use
    std::string audit_policy_file;          // of the API; with audit_log.path or neither
    cluster::audit::LogOptions audit_log;
    std::string token_file;  // TOKEN,USER,UID,"GROUPS" a line; "": none
};

// DATA_DIR/cluster: state.db and pki/. The destructor ends it.
class ControlPlane {
public:
    static Result<std::unique_ptr<ControlPlane>> open(const ControlPlaneOptions& options,
                                                      const std::string& data_directory);
    ~ControlPlane();

private:
    ControlPlane();
    std::unique_ptr<cluster::state::State> state_;
    std::unique_ptr<cluster::api::Api> api_;
    std::unique_ptr<cluster::controllers::Controllers> controllers_;
    std::unique_ptr<http::Server> server_;
};

// What `pila kubeconfig ARGUMENTS` prints.
Result<std::string> print_kubeconfig(const std::vector<std::string>& arguments);

}  // namespace pila::app

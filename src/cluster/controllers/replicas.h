// SPDX-License-Identifier: Apache-2.0
#pragma once
// As many pods of a template as wished: ReplicaSet and ReplicationController, which differ in name only.

#include "cluster/controllers/controller.h"
#include "cluster/controllers/pods.h"

namespace pila::cluster::controllers {

class ReplicaSets : public Controller {
public:
    ReplicaSets(const Means& means, std::string name, const schema::Kind& kind);
    Outcome<void> sync(const std::string& key) override;

private:
    struct Failure {
        std::string reason, message;  // "FailedCreate"
    };

    // What went wrong is told in the status, and then tried again.
    Outcome<void> manage(const json::object& set, const std::vector<Pod>& active, std::optional<Failure>& failure);
    Outcome<void> add_pods(const json::object& set, std::int64_t count, std::optional<Failure>& failure);
    Outcome<void> remove_pods(const json::object& set, const std::vector<Pod>& active, std::size_t count,
                              std::optional<Failure>& failure);
    // How many active pods of the sets with the same owner are on each node.
    std::map<std::string, std::size_t> kin_by_node(const json::object& set, const std::vector<Pod>& active) const;
    Outcome<void> write_status(const json::object& set, const std::vector<Pod>& active,
                               const std::optional<Failure>& failure);

    const schema::Kind& kind_;
    Informer& pods_;
    Informer& sets_;
};

}  // namespace pila::cluster::controllers

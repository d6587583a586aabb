// SPDX-License-Identifier: Apache-2.0
#pragma once
// One look at one DaemonSet: which nodes are to have a pod of it, which have one too many, and which pod is the next to
// be exchanged. Source: kube-controller-manager's pkg/controller/daemon.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/controllers/controller.h"
#include "cluster/controllers/pods.h"
#include "cluster/controllers/revisions.h"

namespace pila::cluster::controllers {

const schema::Kind& daemon_set_kind();
const schema::Kind& node_kind();

class DaemonLook {
public:
    // What the controller remembers between looks, by node: pods that fail there are exchanged less and less often.
    struct Failure {
        int in_a_row = 0;
        std::int64_t last = 0;  // microseconds since 1970
    };
    using Failures = std::map<std::string, Failure>;
    struct Tools {
        const Client& client;
        Recorder& events;
        Revisions& revisions;
        Failures& failures;
        std::int64_t now;
    };
    DaemonLook(Tools tools, json::object set, std::vector<json::object> pods, const std::vector<json::object>& nodes);

    Outcome<void> run();
    // Seconds after which time alone may change something.
    std::optional<std::int64_t> look_again_in() const { return again_; }

private:
    struct Place {
        bool should_run = false, may_stay = false;
        std::vector<Pod> pods;  // the first that is to be looked at first
    };
    struct Pair {  // of one node: the pod of today, that of yesterday
        const Pod* today = nullptr;
        const Pod* before = nullptr;
        bool is_clear = true;  // at most one of each
    };

    Outcome<void> choose_revision();
    json::object new_pod(const std::string& node) const;
    // What is to be done is noted, and done once everything has been looked at.
    void manage();
    void manage_place(const std::string& node, const Place& place);
    bool exchange_failed(const std::string& node, const Pod& pod);
    void drop_surplus(const std::vector<const Pod*>& running);
    Outcome<bool> carry_out();
    Outcome<void> make_pods(const std::vector<std::string>& nodes);
    Outcome<void> remove_pods(const std::vector<const Pod*>& pods);

    void update();
    void update_in_place(std::int64_t most);
    void update_with_surge(std::int64_t most);
    Pair pair_of(const Place& place) const;

    Outcome<void> write_status();
    bool is_of_today(const Pod& pod) const;
    bool is_available(const Pod& pod);
    void look_again(std::int64_t seconds);
    std::int64_t surge() const;
    std::int64_t count_wished() const;

    const Tools tools_;
    json::object set_;
    std::string hash_, revision_;  // of today
    std::int64_t collisions_ = 0;
    std::map<std::string, Place> places_;  // by node
    std::vector<Pod> lost_;                // of nodes that are not there
    std::vector<std::string> to_make_;     // on these nodes
    std::vector<const Pod*> to_remove_;
    std::optional<std::int64_t> again_;
};

}  // namespace pila::cluster::controllers

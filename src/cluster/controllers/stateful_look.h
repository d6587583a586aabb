// SPDX-License-Identifier: Apache-2.0
#pragma once
// One look at one StatefulSet: which of its numbered pods are there, which is the next to come or to go, and which
// claims they have. Source: kube-controller-manager's pkg/controller/statefulset.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/controllers/controller.h"
#include "cluster/controllers/pods.h"
#include "cluster/controllers/revisions.h"

namespace pila::cluster::controllers {

const schema::Kind& stateful_set_kind();
const schema::Kind& claim_kind();
inline constexpr std::string_view pod_name_label = "statefulset.kubernetes.io/pod-name";
// Of "web-3", if it is a pod of the set "web".
std::optional<std::int64_t> ordinal_of(const json::object& set, std::string_view pod_name);

class StatefulLook {
public:
    struct Tools {
        const Client& client;
        Recorder& events;
        Revisions& revisions;
        std::int64_t now;  // microseconds since 1970
    };
    StatefulLook(Tools tools, json::object set, std::vector<json::object> pods);

    Outcome<void> run();
    // Seconds after which time alone may change something.
    std::optional<std::int64_t> look_again_in() const { return again_; }

private:
    // Whether what was found means that nothing else is done this time.
    using Stops = bool;

    Outcome<void> choose_revisions();
    void sort_pods(std::vector<json::object> pods);
    Outcome<void> manage();
    Outcome<Stops> look_after(std::int64_t ordinal);
    Outcome<Stops> let_go(const Pod& pod, const Pod* first_unhealthy);
    Outcome<void> update();
    const Pod* first_unhealthy() const;

    // stateful_pods.cpp
    Outcome<void> make_pods(const std::vector<std::int64_t>& ordinals);
    Outcome<json::object> make_pod(std::int64_t ordinal) const;
    Outcome<void> remove_pod(const Pod& pod);
    Outcome<void> mend_pod(Pod& pod);
    json::object new_pod(std::int64_t ordinal) const;
    bool belongs_to_current(std::int64_t ordinal) const;

    // stateful_claims.cpp
    std::map<std::string, const json::object*> claim_templates(std::int64_t ordinal) const;  // by the claim's name
    json::object new_claim(const std::string& name, const json::object& claim_template) const;
    Outcome<void> make_claims(std::int64_t ordinal) const;
    Outcome<bool> has_stale_claim(std::int64_t ordinal);
    Outcome<void> mend_claims(const Pod& pod, std::int64_t ordinal);
    void put_claims_into(json::object& pod_spec, std::int64_t ordinal) const;

    void count();
    void settle_update();
    Outcome<void> write_status();
    Outcome<void> forget_revisions();

    std::int64_t start() const;
    std::int64_t wanted() const;
    bool is_wanted(std::int64_t ordinal) const { return ordinal >= start() && ordinal < start() + wanted(); }
    bool is_ordered() const;
    bool is_rolling() const;
    std::int64_t partition() const;
    bool is_available(const Pod& pod);
    static bool is_healthy(const Pod& pod) { return is_running(pod) && !pod.is_going; }
    static bool is_running(const Pod& pod) { return pod.phase == Pod::Phase::Running && pod.is_ready; }
    void look_again(std::int64_t seconds);
    std::string name() const;

    const Tools tools_;
    json::object set_;
    json::object status_;
    std::string current_, next_;  // names of revisions
    json::object current_template_;
    std::map<std::int64_t, Pod> pods_;                       // by ordinal, those that are wanted
    std::map<std::int64_t, Pod, std::greater<>> condemned_;  // and those that are not, the last first
    std::vector<std::int64_t> missing_;                      // to be made together
    std::optional<std::int64_t> again_;
};

}  // namespace pila::cluster::controllers

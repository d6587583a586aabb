// SPDX-License-Identifier: Apache-2.0
#pragma once
// One look at one Deployment: which of its replica sets is the one of today's template, how many pods each of them is
// to have, and what is to be said about it. Source: kube-controller-manager's pkg/controller/deployment.

#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "cluster/controllers/controller.h"

namespace pila::cluster::controllers {

// A replica set of the deployment, as numbers.
struct Replicas {
    json::object tree;
    std::string name() const;
    std::int64_t wanted() const;     // spec.replicas
    std::int64_t there() const;      // status.replicas
    std::int64_t available() const;  // status.availableReplicas
    std::int64_t revision() const;
    std::int64_t created() const;
};

class Rollout {
public:
    struct Tools {
        const Client& client;
        Recorder& events;
        Informer& pods;
        std::int64_t now;  // microseconds since 1970
    };
    Rollout(Tools tools, json::object deployment, std::vector<json::object> sets);

    Outcome<void> run();
    // Seconds after which time alone may change something (the deadline of progress).
    std::optional<std::int64_t> look_again_in() const { return again_; }

private:
    using Sets = std::vector<Replicas*>;

    Outcome<void> roll();
    Outcome<void> recreate();
    Outcome<bool> grow_new();
    Outcome<bool> shrink_old();
    Outcome<std::int64_t> drop_unhealthy(std::int64_t most);
    Outcome<void> drop_while_available();
    bool has_old_pods() const;

    // rollout_sets.cpp
    Outcome<void> find_new(bool may_make);
    Outcome<void> update_new(std::int64_t revision);
    Outcome<void> make_new(std::int64_t revision);
    Outcome<void> accept_existing(const std::string& name, const json::object& wished);
    Outcome<void> note_revision(std::string_view revision);
    bool annotate(json::object& set, std::int64_t revision, bool is_there) const;
    Outcome<void> forget_oldest();

    // rollout_scale.cpp
    std::int64_t surge() const;
    std::int64_t unavailable() const;
    std::int64_t size_of_new(std::int64_t current) const;
    Outcome<void> scale_to(Replicas& set, std::int64_t count);
    Outcome<void> scale();
    Outcome<void> scale_in_proportion();
    std::int64_t fraction_of(const Replicas& set) const;
    bool is_being_scaled() const;
    bool annotate_counts(json::object& set) const;

    // rollout_status.cpp
    void note_pause();
    void set_condition(std::string_view type, std::string_view value, std::string_view reason, std::string message,
                       bool anew = false);
    void count();
    void judge_progress();
    void tell_failures();
    bool is_complete(const json::object& status) const;
    bool has_deadline() const;
    std::optional<std::int64_t> time_to_deadline() const;
    Outcome<void> write_status();
    Outcome<void> finish();  // counts, judges, writes

    std::string name() const;
    std::int64_t wanted() const;
    bool is_rolling() const;
    bool is_paused() const;
    Sets all() const;
    static std::int64_t sum_wanted(const Sets& sets);

    const Tools tools_;
    json::object deployment_;
    json::object status_;  // as it will be
    std::vector<Replicas> sets_;
    Sets old_;                 // by age
    Replicas* new_ = nullptr;  // in sets_, or made_
    std::optional<Replicas> made_;
    std::optional<std::int64_t> again_;
};

namespace deployment {
inline constexpr std::string_view revision = "deployment.kubernetes.io/revision";
inline constexpr std::string_view revision_history = "deployment.kubernetes.io/revision-history";
inline constexpr std::string_view desired_replicas = "deployment.kubernetes.io/desired-replicas";
inline constexpr std::string_view max_replicas = "deployment.kubernetes.io/max-replicas";
inline constexpr std::string_view template_hash = "pod-template-hash";
const schema::Kind& kind();
const schema::Kind& set_kind();
}  // namespace deployment

}  // namespace pila::cluster::controllers

// SPDX-License-Identifier: Apache-2.0
#pragma once
// One look at one Job. A pod that ended is counted exactly once: it has a finalizer, its uid is noted in the status,
// the finalizer goes, and then the note becomes part of the count. Source: kube-controller-manager's
// pkg/controller/job.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/controllers/controller.h"
#include "cluster/controllers/pods.h"

namespace pila::cluster::controllers {

const schema::Kind& job_kind();
inline constexpr std::string_view job_finalizer = "batch.kubernetes.io/job-tracking";
inline constexpr std::string_view job_index_annotation = "batch.kubernetes.io/job-completion-index";
std::optional<std::int64_t> job_index_of(const json::object& pod);
// Its pod without the finalizer, if it has it.
Outcome<void> drop_job_finalizer(const Client& client, const json::object& pod);
const json::object* finished_condition(const json::object& job);  // Complete or Failed; null: neither

class JobLook {
public:
    // What the controller remembers between looks: failures in a row hold back the next pod.
    struct Failures {
        int in_a_row = 0;
        std::int64_t last = 0;  // microseconds since 1970
    };
    struct Tools {
        const Client& client;
        Recorder& events;
        Failures& failures;
        std::int64_t now;
    };
    JobLook(Tools tools, json::object job, std::vector<json::object> pods);

    Outcome<void> run();
    std::optional<std::int64_t> look_again_in() const { return again_; }

private:
    // job_count.cpp
    Outcome<void> count_ended();
    void find_fatal_failure();
    void note_ended();
    bool note_failed(const Pod& pod, std::set<std::string>& failed);
    void settle_notes();
    bool has_notes() const;
    bool replaces_only_failed() const;
    bool has_failed(const Pod& pod) const;

    void start_or_suspend();
    void judge();
    bool is_past_restarts() const;
    bool is_done() const;

    // job_indexes.cpp
    bool counts_by_index() const;
    std::set<std::int64_t> indexes_in(std::string_view member) const;  // of the status
    void note_failed_indexes();
    void find_unanswered();
    const Pod* last_failed(std::int64_t index) const;
    bool is_kept(const Pod& pod) const;
    std::int64_t wait_of_index(std::int64_t index) const;
    void put_failures(json::object& pod_annotations, std::int64_t index) const;
    bool judge_indexes();

    // job_pods.cpp
    Outcome<void> manage();
    Outcome<void> remove_pods(std::size_t count);
    Outcome<void> add_pods(std::int64_t count);
    json::object new_pod(std::optional<std::int64_t> index) const;
    std::vector<std::int64_t> free_indexes(std::int64_t count);

    void conclude();
    Outcome<void> write_status();
    void set_condition(std::string_view type, bool value, std::string_view reason, std::string_view message);
    bool has_condition(std::string_view type) const;
    void look_again(std::int64_t seconds);

    bool is_indexed() const;
    std::optional<std::int64_t> completions() const;
    std::int64_t parallelism() const;
    std::size_t count_active() const;
    std::size_t count_terminating() const;

    const Tools tools_;
    json::object job_;
    json::object status_;
    std::vector<Pod> pods_;
    std::map<std::int64_t, const Pod*> unanswered_;  // in pods_, by index: the last that failed, if no other is there
    std::set<std::string> ignored_;                  // uids of pods whose failure does not count
    std::optional<std::int64_t> again_;
};

}  // namespace pila::cluster::controllers

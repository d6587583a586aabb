// SPDX-License-Identifier: Apache-2.0
// Cells of pods. A pod's status is not a field: it is told from the phase, the conditions and what the containers do.
#include <set>

#include <fmt/core.h>

#include "cluster/table/age.h"
#include "cluster/table/code_internal.h"

namespace pila::cluster::table {

namespace {

// Why a container has ended: what was said, else its signal or exit code.
std::string end_reason(View terminated) {
    if (auto reason = terminated["reason"].text(); !reason.empty()) return std::string(reason);
    if (auto signal = terminated["signal"].count(); signal != 0) return fmt::format("Signal:{}", signal);
    return fmt::format("ExitCode:{}", terminated["exitCode"].count());
}

struct Restarts {
    std::int64_t count = 0;
    std::optional<std::int64_t> last;

    void add(View container) {
        count += container["restartCount"].count();
        auto ended = read_time(container["lastState"]["terminated"]["finishedAt"].text());
        if (ended && (!last || *ended > *last)) last = ended;
    }
};

class Summary {
public:
    explicit Summary(View pod) : pod_(pod), status_(pod["status"]), conditions_(status_["conditions"]) {}

    PodSummary make() {
        made_.total = static_cast<int>(pod_["spec"]["containers"].list().size());
        begin_with_phase();
        bool initializing = read_init_containers();
        if (!initializing || has_true_condition(conditions_, "Initialized")) read_containers();
        end_with_deletion();
        return std::move(made_);
    }

private:
    void begin_with_phase() {
        auto reason = status_["reason"].text();
        made_.status = reason.empty() ? status_["phase"].text() : reason;
        for (View condition : conditions_.list())
            if (condition["type"].text() == "PodScheduled" && condition["reason"].text() == "SchedulingGated")
                made_.status = "SchedulingGated";
    }

    // True: one of them has not done its work yet, and says so in the status.
    bool read_init_containers() {
        const auto& specified = pod_["spec"]["initContainers"].list();
        std::set<std::string_view> sidecars;  // init containers that go on running beside the others
        for (View container : specified)
            if (container["restartPolicy"].text() == "Always") sidecars.insert(container["name"].text());
        made_.total += static_cast<int>(sidecars.size());

        Restarts all;
        std::size_t done = 0;
        bool initializing = false;
        for (View container : status_["initContainerStatuses"].list()) {
            bool is_sidecar = sidecars.contains(container["name"].text());
            all.add(container);
            if (is_sidecar) sidecars_.add(container);
            View state = container["state"];
            View terminated = state["terminated"];
            if (terminated && terminated["exitCode"].count() == 0) {
                ++done;
                continue;
            }
            if (is_sidecar && container["started"].is_true()) {
                if (container["ready"].is_true()) ++made_.ready;
                ++done;
                continue;
            }
            auto waiting = state["waiting"]["reason"].text();
            if (terminated)
                made_.status = "Init:" + end_reason(terminated);
            else if (!waiting.empty() && waiting != "PodInitializing")
                made_.status = fmt::format("Init:{}", waiting);
            else
                made_.status = fmt::format("Init:{}/{}", done, specified.size());
            initializing = true;
            break;
        }
        made_.restarts = all.count;
        made_.last_restart = all.last;
        return initializing;
    }

    void read_containers() {
        Restarts restarts = sidecars_;  // those of init containers that are done tell nothing any more
        bool has_running = false;
        const auto& containers = status_["containerStatuses"].list();
        for (auto at = containers.size(); at-- > 0;) {
            View container(containers[at]);
            restarts.add(container);
            View state = container["state"];
            auto waiting = state["waiting"]["reason"].text();
            if (!waiting.empty()) {
                made_.status = waiting;
            } else if (View terminated = state["terminated"]) {
                made_.status = end_reason(terminated);
            } else if (container["ready"].is_true() && state["running"]) {
                has_running = true;
                ++made_.ready;
            }
        }
        made_.restarts = restarts.count;
        made_.last_restart = restarts.last;
        if (made_.status == "Completed" && has_running)
            made_.status = has_true_condition(conditions_, "Ready") ? "Running" : "NotReady";
    }

    void end_with_deletion() {
        if (!pod_["metadata"]["deletionTimestamp"]) return;
        auto phase = status_["phase"].text();
        if (status_["reason"].text() == "NodeLost")
            made_.status = "Unknown";
        else if (phase != "Succeeded" && phase != "Failed")
            made_.status = "Terminating";
    }

    View pod_, status_, conditions_;
    Restarts sidecars_;
    PodSummary made_;
};

const PodSummary& summary(Row& row) {
    if (!row.pod) row.pod = Summary(row.object).make();
    return *row.pod;
}

void pod_ready(Row& row, Cell& cell) {
    const auto& pod = summary(row);
    cell.text(fmt::format("{}/{}", pod.ready, pod.total));
}

void pod_status(Row& row, Cell& cell) { cell.text(summary(row).status); }

void pod_restarts(Row& row, Cell& cell) {
    const auto& pod = summary(row);
    if (pod.restarts != 0 && pod.last_restart)
        cell.text(fmt::format("{} ({} ago)", pod.restarts, age_of(pod.last_restart, row.now)));
    else
        cell.text(fmt::format("{}", pod.restarts));
}

void pod_readiness_gates(Row& row, Cell& cell) {
    const auto& gates = row.object["spec"]["readinessGates"].list();
    if (gates.empty()) return cell.text("<none>");
    std::size_t passed = 0;
    for (View gate : gates)
        if (has_true_condition(row.object["status"]["conditions"], gate["conditionType"].text())) ++passed;
    cell.text(fmt::format("{}/{}", passed, gates.size()));
}

constexpr CodeCell cells[] = {
    {"pod_ready", "Containers that are ready, of all that should be", pod_ready},
    {"pod_status", "What the pod is doing, or why it does not run", pod_status},
    {"pod_restarts", "How often its containers were started again, and when last", pod_restarts},
    {"pod_readiness_gates", "Extra conditions of readiness that hold, of all that are asked for", pod_readiness_gates},
};

}  // namespace

std::span<const CodeCell> pod_cells() { return cells; }

}  // namespace pila::cluster::table

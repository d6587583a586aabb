// SPDX-License-Identifier: Apache-2.0
#include "cluster/table/testing_internal.h"

using namespace pila::cluster::table;

namespace {

struct Case {
    const char* what;
    const char *spec, *status;
    const char *ready, *shown, *restarts;
    const char* metadata = "";
};

// Two containers unless said otherwise.
constexpr const char* two = R"("containers":[{"name":"a"},{"name":"b"}])";
constexpr const char* with_init = R"("containers":[{"name":"a"}],"initContainers":[{"name":"i"},{"name":"j"}])";
constexpr const char* with_sidecar =
    R"("containers":[{"name":"a"}],"initContainers":[{"name":"i"},{"name":"s","restartPolicy":"Always"}])";
constexpr const char* deleted = R"("deletionTimestamp":"2025-06-01T11:59:00Z")";

const Case cases[] = {
    {"nothing is known yet", two, "", "0/2", "", "0"},
    {"not scheduled", two, R"("phase":"Pending")", "0/2", "Pending", "0"},
    {"a reason for the whole pod", two, R"("phase":"Failed","reason":"Evicted")", "0/2", "Evicted", "0"},
    {"held back by gates", two,
     R"("phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}])", "0/2",
     "SchedulingGated", "0"},
    {"unschedulable is no status", two,
     R"("phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable"}])", "0/2",
     "Pending", "0"},
    {"running", two,
     R"("phase":"Running","containerStatuses":[{"name":"a","ready":true,"restartCount":0,"state":{"running":{}}},)"
     R"({"name":"b","ready":true,"restartCount":0,"state":{"running":{}}}])",
     "2/2", "Running", "0"},
    {"one runs but is not ready", two,
     R"("phase":"Running","containerStatuses":[{"ready":true,"state":{"running":{}}},{"ready":false,"state":{"running":{}}}])",
     "1/2", "Running", "0"},
    {"being created", two,
     R"("phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ContainerCreating"}}},)"
     R"({"state":{"waiting":{"reason":"ContainerCreating"}}}])",
     "0/2", "ContainerCreating", "0"},
    {"the first container that tells a reason is shown", two,
     R"("phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ErrImagePull"}}},)"
     R"({"state":{"waiting":{"reason":"ContainerCreating"}}}])",
     "0/2", "ErrImagePull", "0"},
    {"a running container does not hide the reason of one behind it", two,
     R"("phase":"Running","containerStatuses":[{"ready":true,"state":{"running":{}}},)"
     R"({"restartCount":4,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}])",
     "1/2", "CrashLoopBackOff", "4"},
    {"restarts are summed, the last one is told", two,
     R"("phase":"Running","containerStatuses":[)"
     R"({"ready":true,"restartCount":2,"state":{"running":{}},"lastState":{"terminated":{"finishedAt":"2025-06-01T10:00:00Z"}}},)"
     R"({"ready":true,"restartCount":3,"state":{"running":{}},"lastState":{"terminated":{"finishedAt":"2025-06-01T11:55:00Z"}}}])",
     "2/2", "Running", "5 (5m ago)"},
    {"no restart, whatever ended before", two,
     R"("phase":"Running","containerStatuses":[{"ready":true,"restartCount":0,"state":{"running":{}},)"
     R"("lastState":{"terminated":{"finishedAt":"2025-06-01T10:00:00Z"}}}])",
     "1/2", "Running", "0"},
    {"completed", two,
     R"("phase":"Succeeded","containerStatuses":[{"state":{"terminated":{"reason":"Completed","exitCode":0}}},)"
     R"({"state":{"terminated":{"reason":"Completed","exitCode":0}}}])",
     "0/2", "Completed", "0"},
    {"failed with a reason", two,
     R"("phase":"Failed","containerStatuses":[{"state":{"terminated":{"reason":"Error","exitCode":1}}}])", "0/2",
     "Error", "0"},
    {"killed for memory", two,
     R"("phase":"Failed","containerStatuses":[{"state":{"terminated":{"reason":"OOMKilled","exitCode":137}}}])", "0/2",
     "OOMKilled", "0"},
    {"an exit code without a reason", two,
     R"("phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":3}}}])", "0/2", "ExitCode:3", "0"},
    {"a zero exit code without a reason", two,
     R"("phase":"Succeeded","containerStatuses":[{"state":{"terminated":{"exitCode":0}}}])", "0/2", "ExitCode:0", "0"},
    {"a signal without a reason", two,
     R"("phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":137,"signal":9}}}])", "0/2",
     "Signal:9", "0"},
    {"one is done, the other runs and the pod is ready", two,
     R"("phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[)"
     R"({"state":{"terminated":{"reason":"Completed"}}},{"ready":true,"state":{"running":{}}}])",
     "1/2", "Running", "0"},
    {"one is done, the other runs and the pod is not ready", two,
     R"("phase":"Running","conditions":[{"type":"Ready","status":"False"}],"containerStatuses":[)"
     R"({"state":{"terminated":{"reason":"Completed"}}},{"ready":true,"state":{"running":{}}}])",
     "1/2", "NotReady", "0"},
    {"one is done, the other runs without being ready", two,
     R"("phase":"Running","containerStatuses":[{"state":{"terminated":{"reason":"Completed"}}},)"
     R"({"ready":false,"state":{"running":{}}}])",
     "0/2", "Completed", "0"},
    {"being deleted", two, R"("phase":"Running","containerStatuses":[{"ready":true,"state":{"running":{}}}])", "1/2",
     "Terminating", "0", deleted},
    {"deleted after its end", two,
     R"("phase":"Succeeded","containerStatuses":[{"state":{"terminated":{"reason":"Completed"}}}])", "0/2", "Completed",
     "0", deleted},
    {"deleted after its failure", two, R"("phase":"Failed","reason":"Evicted")", "0/2", "Evicted", "0", deleted},
    {"deleted on a lost node", two, R"("phase":"Running","reason":"NodeLost")", "0/2", "Unknown", "0", deleted},
    {"on a lost node", two, R"("phase":"Running","reason":"NodeLost")", "0/2", "NodeLost", "0"},

    {"the first init container runs", with_init,
     R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{"running":{}}},)"
     R"({"name":"j","state":{"waiting":{"reason":"PodInitializing"}}}],)"
     R"("containerStatuses":[{"state":{"waiting":{"reason":"PodInitializing"}}}])",
     "0/1", "Init:0/2", "0"},
    {"the second init container runs", with_init,
     R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}},)"
     R"({"name":"j","state":{"running":{}}}])",
     "0/1", "Init:1/2", "0"},
    {"init containers wait for the pod", with_init,
     R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{"waiting":{"reason":"PodInitializing"}}}])",
     "0/1", "Init:0/2", "0"},
    {"an init container cannot start", with_init,
     R"("phase":"Pending","initContainerStatuses":[{"name":"i","restartCount":3,)"
     R"("lastState":{"terminated":{"finishedAt":"2025-06-01T11:59:30Z"}},"state":{"waiting":{"reason":"CrashLoopBackOff"}}}])",
     "0/1", "Init:CrashLoopBackOff", "3 (30s ago)"},
    {"an init container failed", with_init,
     R"("phase":"Failed","initContainerStatuses":[{"name":"i","state":{"terminated":{"reason":"Error","exitCode":1}}}])",
     "0/1", "Init:Error", "0"},
    {"an init container failed with an exit code", with_init,
     R"("phase":"Failed","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":2}}}])", "0/1",
     "Init:ExitCode:2", "0"},
    {"an init container failed with a signal", with_init,
     R"("phase":"Failed","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":130,"signal":2}}}])",
     "0/1", "Init:Signal:2", "0"},
    {"restarts of init containers that are done are forgotten", with_init,
     R"("phase":"Running","initContainerStatuses":[{"name":"i","restartCount":5,"state":{"terminated":{"exitCode":0}}},)"
     R"({"name":"j","restartCount":1,"state":{"terminated":{"exitCode":0}}}],)"
     R"("containerStatuses":[{"ready":true,"restartCount":1,"state":{"running":{}}}])",
     "1/1", "Running", "1"},

    {"a sidecar counts", with_sidecar,
     R"("phase":"Running","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}},)"
     R"({"name":"s","ready":true,"started":true,"restartCount":2,"state":{"running":{}}}],)"
     R"("containerStatuses":[{"ready":true,"restartCount":1,"state":{"running":{}}}])",
     "2/2", "Running", "3"},
    {"a sidecar that is started but not ready", with_sidecar,
     R"("phase":"Running","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}},)"
     R"({"name":"s","ready":false,"started":true,"state":{"running":{}}}],)"
     R"("containerStatuses":[{"ready":true,"state":{"running":{}}}])",
     "1/2", "Running", "0"},
    {"a sidecar that has not started yet", with_sidecar,
     R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}},)"
     R"({"name":"s","started":false,"state":{"running":{}}}])",
     "0/2", "Init:1/2", "0"},
    {"a sidecar that is started again beside running containers", with_sidecar,
     R"("phase":"Running","conditions":[{"type":"Initialized","status":"True"}],)"
     R"("initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}},)"
     R"({"name":"s","started":false,"restartCount":1,"lastState":{"terminated":{"finishedAt":"2025-06-01T11:00:00Z"}},)"
     R"("state":{"waiting":{"reason":"CrashLoopBackOff"}}}],)"
     R"("containerStatuses":[{"ready":true,"state":{"running":{}}}])",
     "1/2", "Init:CrashLoopBackOff", "1 (60m ago)"},
};

}  // namespace

TEST_CASE("a pod's status, readiness and restarts") {
    const auto& kind = builtin_kind("v1", "Pod");
    for (const auto& one : cases) {
        INFO(one.what);
        auto object = std::string(R"({"metadata":{)") + one.metadata + R"(},"spec":{)" + one.spec + R"(},"status":{)" +
                      one.status + "}}";
        auto cells = cells_of(kind, object);
        CHECK(cells.at(1) == one.ready);
        CHECK(cells.at(2) == one.shown);
        CHECK(cells.at(3) == one.restarts);
    }
    CHECK(std::size(cases) >= 25);
}

TEST_CASE("finished pods carry a condition by which clients may hide them") {
    const auto& kind = builtin_kind("v1", "Pod");
    auto row = [&](const char* object) { return whole_table(kind, object).at("rows").at(0).as_object(); };
    CHECK_FALSE(row(R"({"status":{"phase":"Running"}})").contains("conditions"));
    auto done = row(R"({"status":{"phase":"Succeeded"}})").at("conditions").at(0).as_object();
    CHECK(done.at("type") == "Completed");
    CHECK(done.at("status") == "True");
    CHECK(done.at("reason") == "Succeeded");
    CHECK(done.at("message") == "The pod has run to completion.");
    CHECK(row(R"({"status":{"phase":"Failed"}})").at("conditions").at(0).at("reason") == "Failed");
    CHECK_FALSE(whole_table(builtin_kind("v1", "Namespace"), R"({"status":{"phase":"Failed"}})")
                    .at("rows")
                    .at(0)
                    .as_object()
                    .contains("conditions"));
}

TEST_CASE("gates of readiness") {
    const auto& kind = builtin_kind("v1", "Pod");
    auto gates = [&](const char* object) { return cell_of(kind, "Readiness Gates", object); };
    CHECK(gates("{}") == R"("<none>")");
    CHECK(gates(R"({"spec":{"readinessGates":[{"conditionType":"a"},{"conditionType":"b"},{"conditionType":"c"}]},)"
                R"("status":{"conditions":[{"type":"a","status":"True"},{"type":"b","status":"False"}]}})") ==
          R"("1/3")");
}

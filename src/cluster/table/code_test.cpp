// SPDX-License-Identifier: Apache-2.0
// Cells of code beyond what kinds_test.cpp has of each kind.
#include "cluster/table/labels_internal.h"
#include "cluster/table/testing_internal.h"

using namespace pila::cluster::table;

namespace {

struct Case {
    const char *group_version, *kind, *column, *object, *cell;
};

const Case workloads[] = {
    {"apps/v1", "Deployment", "Ready", R"({"spec":{"replicas":3},"status":{"readyReplicas":2}})", R"("2/3")"},
    {"apps/v1", "Deployment", "Up-to-date", R"({"status":{"updatedReplicas":2}})", "2"},
    {"apps/v1", "Deployment", "Available", R"({"status":{"availableReplicas":1.0}})", "1"},
    {"apps/v1", "ReplicaSet", "Selector", R"({"spec":{"selector":{}}})", R"("<none>")"},
    {"apps/v1", "ReplicaSet", "Selector",
     R"({"spec":{"selector":{"matchExpressions":[{"key":"b","operator":"DoesNotExist"},{"key":"c","operator":"Exists"},)"
     R"({"key":"a","operator":"NotIn","values":["y","x"]}]}}})",
     R"~("a notin (x,y),!b,c")~"},
    {"apps/v1", "ReplicaSet", "Selector",
     R"({"spec":{"selector":{"matchExpressions":[{"key":"b","operator":"Like","values":["x"]}]}}})", R"("<error>")"},
    {"apps/v1", "ReplicaSet", "Selector", R"({"spec":{"selector":{"matchExpressions":[{"key":"b","operator":"In"}]}}})",
     R"("<error>")"},
    {"apps/v1", "ReplicaSet", "Selector",
     R"({"spec":{"selector":{"matchExpressions":[{"key":"b","operator":"Exists","values":["x"]}]}}})", R"("<error>")"},
    {"apps/v1", "ControllerRevision", "Controller",
     R"({"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n","controller":true}]}})",
     R"("node/n")"},
    {"apps/v1", "ControllerRevision", "Controller",
     R"({"metadata":{"ownerReferences":[{"apiVersion":"apps/v1","kind":"DaemonSet","name":"n"}]}})", R"("<none>")"},
    {"batch/v1", "Job", "Status", R"({"status":{"conditions":[{"type":"Complete","status":"True"}]}})",
     R"("Complete")"},
    {"batch/v1", "Job", "Status", R"({"status":{"conditions":[{"type":"Complete","status":"False"}]}})",
     R"("Running")"},
    {"batch/v1", "Job", "Status",
     R"({"metadata":{"deletionTimestamp":"2025-06-01T11:00:00Z"},"status":{"conditions":[{"type":"Failed","status":"True"},)"
     R"({"type":"FailureTarget","status":"True"}]}})",
     R"("Failed")"},
    {"batch/v1", "Job", "Status",
     R"({"metadata":{"deletionTimestamp":"2025-06-01T11:00:00Z"},"status":{"conditions":[{"type":"Suspended",)"
     R"("status":"True"}]}})",
     R"("Terminating")"},
    {"batch/v1", "Job", "Status",
     R"({"status":{"conditions":[{"type":"FailureTarget","status":"True"},{"type":"Suspended","status":"True"}]}})",
     R"("Suspended")"},
    {"batch/v1", "Job", "Status", R"({"status":{"conditions":[{"type":"FailureTarget","status":"True"}]}})",
     R"("FailureTarget")"},
    {"batch/v1", "Job", "Completions", R"({"spec":{"parallelism":4},"status":{"succeeded":2}})", R"("2/1 of 4")"},
    {"batch/v1", "Job", "Completions", R"({"spec":{"parallelism":1},"status":{"succeeded":1}})", R"("1/1")"},
    {"batch/v1", "Job", "Completions", R"({"spec":{"completions":0,"parallelism":4}})", R"("0/0")"},
    {"batch/v1", "Job", "Duration",
     R"({"status":{"startTime":"2025-06-01T10:00:00Z","completionTime":"2025-06-01T10:00:42Z"}})", R"("42s")"},
    {"batch/v1", "CronJob", "Suspend", R"({"spec":{"suspend":true}})", R"("True")"},
    {"batch/v1", "CronJob", "Selector", R"({"spec":{"jobTemplate":{"spec":{"selector":{"matchLabels":{"a":"b"}}}}}})",
     R"("a=b")"},
    {"policy/v1", "PodDisruptionBudget", "Max Unavailable", R"({"spec":{"maxUnavailable":1}})", R"("1")"},
    {"policy/v1", "PodDisruptionBudget", "Max Unavailable", R"({"spec":{"maxUnavailable":0}})", R"("0")"},
};

const Case targets[] = {
    {"", "", "", R"([{"type":"Resource","resource":{"name":"cpu","target":{"averageUtilization":50}}}])",
     "cpu: 10%/50%"},
    {"", "", "", R"([{"type":"Resource","resource":{"name":"cpu","target":{"averageValue":"100m"}}}])",
     "cpu: 20m/100m"},
    {"", "", "", R"([{"type":"Resource","resource":{"name":"cpu","target":{}}}])", "cpu: 10%/<auto>"},
    {"", "", "",
     R"([{"type":"ContainerResource","containerResource":{"name":"memory","target":{"averageValue":1048576}}}])",
     "memory: <unknown>/1048576"},
    {"", "", "", R"([{"type":"Pods","pods":{"metric":{"name":"rps"},"target":{"averageValue":"1k"}}}])", "5/1k"},
    {"", "", "", R"([{"type":"Object","object":{"target":{"value":"10"}}}])", "7/10"},
    {"", "", "", R"([{"type":"Object","object":{"target":{"averageValue":"10"}}}])", "3/10 (avg)"},
    {"", "", "", R"([{"type":"External","external":{"target":{"value":"1"}}}])", "<unknown>/1"},
    {"", "", "", R"([{"type":"External","external":{"target":{"averageValue":"1"}}}])", "4/1 (avg)"},
    {"", "", "", R"([{"type":"Weather"}])", "<unknown type>"},
    {"", "", "", R"([])", "<none>"},
    {"", "", "", R"([{"type":"Weather"},{"type":"Pods"},{"type":"Pods"},{"type":"Pods"}])",
     "<unknown type>, <unknown>/<unknown> + 2 more..."},
};

const Case network[] = {
    {"v1", "Service", "Cluster-IP", R"({"spec":{"clusterIP":"None","clusterIPs":["None"]}})", R"("None")"},
    {"v1", "Service", "External-IP", R"({"spec":{"type":"ClusterIP"}})", R"("<none>")"},
    {"v1", "Service", "External-IP", R"({"spec":{"type":"ClusterIP","externalIPs":["1.1.1.1","2.2.2.2"]}})",
     R"("1.1.1.1,2.2.2.2")"},
    {"v1", "Service", "External-IP", R"({"spec":{"type":"LoadBalancer"}})", R"("<pending>")"},
    {"v1", "Service", "External-IP", R"({"spec":{"type":"LoadBalancer","externalIPs":["1.1.1.1"]}})", R"("1.1.1.1")"},
    {"v1", "Service", "External-IP",
     R"({"spec":{"type":"LoadBalancer","externalIPs":["1.1.1.1"]},)"
     R"("status":{"loadBalancer":{"ingress":[{"ip":"3.3.3.3"},{"hostname":"2.example.org"},{"ip":"3.3.3.3"}]}}})",
     R"("2.example.org,3.3.3.3,1.1.1.1")"},
    {"v1", "Service", "External-IP", R"({"spec":{"type":"ExternalName","externalName":"db.example.org"}})",
     R"("db.example.org")"},
    {"v1", "Endpoints", "Endpoints", R"({"subsets":[{"notReadyAddresses":[{"ip":"1.1.1.1"}],"ports":[{"port":1}]}]})",
     R"("")"},
    {"v1", "Endpoints", "Endpoints", R"({"subsets":[{"addresses":[{"ip":"1.1.1.1"},{"ip":"2.2.2.2"}]}]})",
     R"("1.1.1.1,2.2.2.2")"},
    {"discovery.k8s.io/v1", "EndpointSlice", "Ports", R"({"ports":[{"port":1},{"port":2},{"port":3},{"port":4}]})",
     R"("1,2,3 + 1 more...")"},
    {"discovery.k8s.io/v1", "EndpointSlice", "Ports", R"({"ports":[{"name":""}]})", R"("<unset>")"},
    {"networking.k8s.io/v1", "Ingress", "Hosts",
     R"({"spec":{"rules":[{"host":"a"},{"host":"b"},{"host":"c"},{"host":"d"},{}]}})", R"("a,b,c + 2 more...")"},
    {"networking.k8s.io/v1", "Ingress", "Hosts", R"({"spec":{"rules":[{},{}]}})", R"("*")"},
    {"networking.k8s.io/v1", "IngressClass", "Parameters", R"({"spec":{"parameters":{"kind":"ConfigMap","name":"c"}}})",
     R"("ConfigMap/c")"},
    {"networking.k8s.io/v1", "IPAddress", "ParentRef",
     R"({"spec":{"parentRef":{"group":"gateway.networking.k8s.io","resource":"gateways","name":"g"}}})",
     R"("gateways.gateway.networking.k8s.io/g")"},
};

const Case others[] = {
    {"v1", "Node", "Status", R"({"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}})", R"("NotReady")"},
    {"v1", "Node", "Status", R"({"spec":{"unschedulable":true}})", R"("Unknown,SchedulingDisabled")"},
    {"v1", "Node", "Roles",
     R"({"metadata":{"labels":{"node-role.kubernetes.io/worker":"","node-role.kubernetes.io/control-plane":"",)"
     R"("node-role.kubernetes.io/":"","kubernetes.io/role":"edge","other":"x"}}})",
     R"("control-plane,edge,worker")"},
    {"v1", "PersistentVolumeClaim", "Status",
     R"({"metadata":{"deletionTimestamp":"2025-06-01T11:00:00Z"},"status":{"phase":"Bound"}})", R"("Terminating")"},
    {"v1", "PersistentVolumeClaim", "Capacity", R"({"spec":{"volumeName":"pv"}})", R"("0")"},
    {"v1", "PersistentVolumeClaim", "Capacity", R"({"status":{"capacity":{"storage":"1Gi"}}})", R"("")"},
    {"v1", "PersistentVolumeClaim", "Access Modes", R"({"status":{"accessModes":["ReadWriteOnce"]}})", R"("")"},
    {"v1", "PersistentVolumeClaim", "StorageClass",
     R"({"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"old"}},"spec":{"storageClassName":"new"}})",
     R"("old")"},
    {"v1", "PersistentVolume", "Access Modes", R"({"spec":{"accessModes":["ReadWriteMany","Other"]}})", R"("RWX")"},
    {"v1", "PersistentVolume", "Capacity", R"({"spec":{"capacity":{"storage":1024}}})", R"("1024")"},
    {"storage.k8s.io/v1", "StorageClass", "Name",
     R"({"metadata":{"name":"s","annotations":{"storageclass.beta.kubernetes.io/is-default-class":"true"}}})",
     R"~("s (default)")~"},
    {"storage.k8s.io/v1", "StorageClass", "Name",
     R"({"metadata":{"name":"s","annotations":{"storageclass.kubernetes.io/is-default-class":"false"}}})", R"("s")"},
    {"storage.k8s.io/v1", "CSIDriver", "TokenRequests", R"({"spec":{"tokenRequests":[]}})", R"("")"},
    {"v1", "ComponentStatus", "Status", R"({"conditions":[{"type":"Healthy","status":"True"}]})", R"("Healthy")"},
    {"certificates.k8s.io/v1", "CertificateSigningRequest", "Condition",
     R"({"status":{"conditions":[{"type":"Approved"},{"type":"Denied"}]}})", R"("Denied")"},
    {"certificates.k8s.io/v1", "CertificateSigningRequest", "Condition",
     R"({"status":{"conditions":[{"type":"Approved"},{"type":"Failed"}],"certificate":"AA=="}})",
     R"("Approved,Failed,Issued")"},
    {"certificates.k8s.io/v1", "CertificateSigningRequest", "RequestedDuration",
     R"({"spec":{"expirationSeconds":600}})", R"("10m")"},
    {"admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "ParamRef",
     R"({"spec":{"paramRef":{"name":"c","namespace":"n"}}})", R"("n/c")"},
    {"admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "ParamRef",
     R"({"spec":{"paramRef":{"selector":{"matchLabels":{"a":"b"}}}}})", R"("a=b")"},
    {"apiregistration.k8s.io/v1", "APIService", "Available",
     R"({"status":{"conditions":[{"type":"Available","status":"True","reason":"Local"}]}})", R"("True")"},
    {"v1", "Event", "Last Seen", R"({"firstTimestamp":"2025-06-01T11:00:00Z"})", R"("60m")"},
    {"v1", "Event", "Last Seen", R"({"eventTime":"2025-06-01T11:59:00.250000Z"})", R"("60s")"},
    {"v1", "Event", "Last Seen", R"({"lastTimestamp":"2025-06-01T11:59:00Z","series":{"count":3}})", R"("<unknown>")"},
    {"v1", "Event", "Count", R"({"count":2,"series":{"count":3}})", "3"},
    {"v1", "Event", "Source", R"({"reportingComponent":"c","reportingInstance":"i"})", R"("c, i")"},
    {"v1", "Event", "Source", R"({"source":{"component":"kubelet"},"reportingComponent":"other"})", R"("kubelet")"},
    {"v1", "Event", "Object", R"({"involvedObject":{"kind":"Node"}})", R"("node")"},
    {"events.k8s.io/v1", "Event", "Source",
     R"({"deprecatedSource":{"component":"kubelet","host":"n1"},"reportingController":"other"})", R"("kubelet, n1")"},
    {"events.k8s.io/v1", "Event", "First Seen", R"({"deprecatedFirstTimestamp":"2025-06-01T11:00:00Z"})", R"("60m")"},
    {"events.k8s.io/v1", "Event", "Last Seen", R"({"deprecatedLastTimestamp":"2025-06-01T11:59:00Z"})", R"("60s")"},
    {"events.k8s.io/v1", "Event", "Count", R"({"deprecatedCount":5})", "5"},
    {"v1", "ResourceQuota", "Request", R"({"status":{"hard":{"limits":"1","count/jobs.batch":5}}})",
     R"("count/jobs.batch: 0/5, limits: 0/1")"},
};

template <std::size_t size>
void check(const Case (&cases)[size]) {
    for (const auto& one : cases) {
        INFO(one.group_version, " ", one.kind, " ", one.column, " ", one.object);
        CHECK(cell_of(builtin_kind(one.group_version, one.kind), one.column, one.object) == one.cell);
    }
}

}  // namespace

TEST_CASE("cells of workloads") { check(workloads); }
TEST_CASE("cells of the network") { check(network); }
TEST_CASE("cells of nodes, storage, access and events") { check(others); }

TEST_CASE("targets of autoscalers") {
    const auto& kind = builtin_kind("autoscaling/v2", "HorizontalPodAutoscaler");
    // One status fits them all: what is not of the metric's type is not looked at.
    constexpr const char* reported =
        R"({"resource":{"current":{"averageUtilization":10,"averageValue":"20m"}},"pods":{"current":{"averageValue":"5"}},)"
        R"("object":{"current":{"value":"7","averageValue":"3"}},"external":{"current":{"averageValue":"4"}}})";
    for (const auto& one : targets) {
        INFO(one.object);
        auto object =
            std::string(R"({"spec":{"metrics":)") + one.object + R"(},"status":{"currentMetrics":[)" + reported + "]}}";
        CHECK(cell_of(kind, "Targets", object) == '"' + std::string(one.cell) + '"');
    }
}

TEST_CASE("texts of labels, and lists that are cut") {
    CHECK(labels_text({}) == "<none>");
    CHECK(labels_text(View(json::parse(R"({"b":"","a":7})"))) == "a=,b=");
    Joined joined(",", 2);
    CHECK(joined.text("none") == "none");
    joined.add("a");
    joined.add("b");
    CHECK(joined.text() == "a,b");
    joined.add("c");
    CHECK(joined.text("none") == "a,b + 1 more...");
}

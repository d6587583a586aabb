// SPDX-License-Identifier: Apache-2.0
// Each kind's cells, of an object as it is in use and of one in which nothing is said.
#include <set>

#include "cluster/table/code_internal.h"
#include "cluster/table/testing_internal.h"

using namespace pila::cluster;
using namespace pila::cluster::table;

namespace {

struct Case {
    const char *group_version, *kind;
    const char* object;  // without metadata.name and creationTimestamp: "x", an hour old
    const char* cells;
    const char* empty;  // cells of {}
};

constexpr const char* templated =
    R"("spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"In",)"
    R"("values":["b","a"]}]},"template":{"spec":{"nodeSelector":{"disk":"ssd","arch":"arm64"},)"
    R"("containers":[{"name":"c","image":"nginx:1"},{"name":"d","image":"redis"}]}}})";

const Case cases[] = {
    {"v1", "Pod",
     R"({"spec":{"nodeName":"n1","containers":[{"name":"c"}]},"status":{"phase":"Running","podIP":"10.0.0.4",)"
     R"("nominatedNodeName":"n2","containerStatuses":[{"ready":true,"state":{"running":{}}}]}})",
     R"(["x","1/1","Running","0","60m","10.0.0.4","n1","n2","<none>"])",
     R"(["","0/0","","0","<unknown>","<none>","<none>","<none>","<none>"])"},
    {"v1", "PodTemplate",
     R"({"template":{"metadata":{"labels":{"b":"2","a":"1"}},"spec":{"containers":[{"name":"c","image":"i"}]}}})",
     R"(["x","c","i","a=1,b=2"])", R"(["","","","<none>"])"},
    {"v1", "PersistentVolumeClaim",
     R"({"spec":{"volumeName":"pv1","storageClassName":"fast","volumeMode":"Block","volumeAttributesClassName":"gold"},)"
     R"("status":{"phase":"Bound","accessModes":["ReadWriteMany","ReadWriteOnce"],"capacity":{"storage":"5Gi"}}})",
     R"(["x","Bound","pv1","5Gi","RWO,RWX","fast","gold","60m","Block"])",
     R"(["","","","","","","<unset>","<unknown>","<unset>"])"},
    {"v1", "PersistentVolume",
     R"({"spec":{"capacity":{"storage":"1Ti"},"accessModes":["ReadOnlyMany","ReadWriteOncePod","ReadOnlyMany"],)"
     R"("persistentVolumeReclaimPolicy":"Retain","claimRef":{"namespace":"n","name":"c"},"storageClassName":"fast",)"
     R"("volumeMode":"Filesystem"},"status":{"phase":"Released","reason":"why"}})",
     R"(["x","1Ti","ROX,RWOP","Retain","Released","n/c","fast","<unset>","why","60m","Filesystem"])",
     R"(["","","","","","","","<unset>","","<unknown>","<unset>"])"},
    {"v1", "ComponentStatus",
     R"({"conditions":[{"type":"Healthy","status":"False","message":"no","error":"dial tcp"}]})",
     R"(["x","Unhealthy","no","dial tcp"])", R"(["","Unknown","",""])"},
    {"v1", "ConfigMap", R"({"data":{"a":"1","b":"2"},"binaryData":{"c":"AA=="}})", R"(["x",3,"60m"])",
     R"(["",0,"<unknown>"])"},
    {"v1", "Endpoints",
     R"({"subsets":[{"addresses":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}],"ports":[{"port":80},{"port":443}]}]})",
     R"(["x","10.0.0.1:80,[fd00::1]:80,10.0.0.1:443 + 1 more...","60m"])", R"(["","<none>","<unknown>"])"},
    {"v1", "Event",
     R"({"type":"Warning","reason":"BackOff","involvedObject":{"kind":"Pod","name":"p","fieldPath":"spec.containers{c}"},)"
     R"("source":{"component":"kubelet","host":"n1"},"message":" again\n","firstTimestamp":"2025-06-01T10:00:00Z",)"
     R"("lastTimestamp":"2025-06-01T11:59:00Z","count":7})",
     R"(["60s","Warning","BackOff","pod/p","spec.containers{c}","kubelet, n1","again","120m",7,"x"])",
     R"(["<unknown>","","","","","","","<unknown>",1,""])"},
    {"v1", "LimitRange", "{}", R"(["x","2025-06-01T11:00:00Z"])", R"(["","0001-01-01T00:00:00Z"])"},
    {"v1", "Namespace", R"({"status":{"phase":"Active"}})", R"(["x","Active","60m"])", R"(["","","<unknown>"])"},
    {"v1", "Node",
     R"({"spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}],)"
     R"("addresses":[{"type":"Hostname","address":"h"},{"type":"InternalIP","address":"10.1.1.1"},)"
     R"({"type":"ExternalIP","address":"1.2.3.4"}],"nodeInfo":{"kubeletVersion":"v1.33.1","osImage":"Debian",)"
     R"("kernelVersion":"6.1","containerRuntimeVersion":"pila://0.1"}}})",
     R"(["x","Ready,SchedulingDisabled","<none>","60m","v1.33.1","10.1.1.1","1.2.3.4","Debian","6.1","pila://0.1"])",
     R"(["","Unknown","<none>","<unknown>","","<none>","<none>","<unknown>","<unknown>","<unknown>"])"},
    {"v1", "ReplicationController",
     R"({"spec":{"replicas":2,"selector":{"b":"2","a":"1"},"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}},)"
     R"("status":{"replicas":1,"readyReplicas":1}})",
     R"(["x",2,1,1,"60m","c","i","a=1,b=2"])", R"(["",0,0,0,"<unknown>","","","<none>"])"},
    {"v1", "ResourceQuota",
     R"({"status":{"hard":{"requests.cpu":"2","limits.cpu":"4","pods":"10","limits.memory":"1Gi"},)"
     R"("used":{"requests.cpu":"500m","limits.cpu":"1"}}})",
     R"(["x","pods: 0/10, requests.cpu: 500m/2","limits.cpu: 1/4, limits.memory: 0/1Gi","60m"])",
     R"(["","","","<unknown>"])"},
    {"v1", "Secret", R"({"type":"Opaque","data":{"a":"MQ=="}})", R"(["x","Opaque",1,"60m"])",
     R"(["","",0,"<unknown>"])"},
    {"v1", "ServiceAccount", R"({"secrets":[{"name":"a"},{"name":"b"}]})", R"(["x",2,"60m"])", R"(["",0,"<unknown>"])"},
    {"v1", "Service",
     R"({"spec":{"type":"NodePort","clusterIP":"10.96.0.9","clusterIPs":["10.96.0.9","fd00::9"],"selector":{"app":"web"},)"
     R"("ports":[{"port":80,"nodePort":30080,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]}})",
     R"(["x","NodePort","10.96.0.9","<none>","80:30080/TCP,53/UDP","60m","app=web"])",
     R"(["","","<none>","<unknown>","<none>","<unknown>","<none>"])"},

    {"apps/v1", "ControllerRevision",
     R"({"revision":4,"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Other","name":"o"},)"
     R"({"apiVersion":"apps/v1","kind":"DaemonSet","name":"d","controller":true}]}})",
     R"(["x","daemonset.apps/d",4,"60m"])", R"(["","<none>",0,"<unknown>"])"},
    {"apps/v1", "DaemonSet", "TEMPLATED",
     R"~(["x",0,0,0,0,0,"arch=arm64,disk=ssd","60m","c,d","nginx:1,redis","app=web,tier in (a,b)"])~",
     R"(["",0,0,0,0,0,"<none>","<unknown>","","","<none>"])"},
    {"apps/v1", "Deployment", "TEMPLATED", R"~(["x","0/3",0,0,"60m","c,d","nginx:1,redis","app=web,tier in (a,b)"])~",
     R"(["","0/0",0,0,"<unknown>","","","<none>"])"},
    {"apps/v1", "ReplicaSet", "TEMPLATED", R"~(["x",3,0,0,"60m","c,d","nginx:1,redis","app=web,tier in (a,b)"])~",
     R"(["",0,0,0,"<unknown>","","","<none>"])"},
    {"apps/v1", "StatefulSet", "TEMPLATED", R"(["x","0/3","60m","c,d","nginx:1,redis"])",
     R"(["","0/0","<unknown>","",""])"},
    {"batch/v1", "CronJob",
     R"({"spec":{"schedule":"* * * * *","timeZone":"Europe/Rome","suspend":false,"jobTemplate":{"spec":{"template":)"
     R"({"spec":{"containers":[{"name":"c","image":"i"}]}}}}},)"
     R"("status":{"active":[{"name":"j"}],"lastScheduleTime":"2025-06-01T11:59:30Z"}})",
     R"(["x","* * * * *","Europe/Rome","False",1,"30s","60m","c","i","<none>"])",
     R"(["","","<none>","<unset>",0,"<none>","<unknown>","","","<none>"])"},
    {"batch/v1", "Job",
     R"({"spec":{"completions":3,"selector":{"matchLabels":{"a":"b"}},"template":{"spec":{"containers":[{"name":"c",)"
     R"("image":"i"}]}}},"status":{"succeeded":1,"startTime":"2025-06-01T11:55:00Z"}})",
     R"(["x","Running","1/3","5m","60m","c","i","a=b"])", R"(["","Running","0/1","","<unknown>","","","<none>"])"},
    {"autoscaling/v1", "HorizontalPodAutoscaler",
     R"({"spec":{"scaleTargetRef":{"kind":"Deployment","name":"web"},"minReplicas":1,"maxReplicas":9,)"
     R"("targetCPUUtilizationPercentage":80},"status":{"currentReplicas":2,"currentCPUUtilizationPercentage":10}})",
     R"(["x","Deployment/web","cpu: 10%/80%",1,9,2,"60m"])", R"(["","/","<none>","<unset>",0,0,"<unknown>"])"},
    {"autoscaling/v2", "HorizontalPodAutoscaler",
     R"({"spec":{"scaleTargetRef":{"kind":"Deployment","name":"web"},"maxReplicas":9,"metrics":[{"type":"Resource",)"
     R"("resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}]}})",
     R"(["x","Deployment/web","cpu: <unknown>/50%","<unset>",9,0,"60m"])",
     R"(["","/","<none>","<unset>",0,0,"<unknown>"])"},
    {"policy/v1", "PodDisruptionBudget", R"({"spec":{"minAvailable":"50%"},"status":{"disruptionsAllowed":1}})",
     R"(["x","50%","N/A",1,"60m"])", R"(["","N/A","N/A",0,"<unknown>"])"},

    {"networking.k8s.io/v1", "IngressClass",
     R"({"spec":{"controller":"example.org/c","parameters":{"apiGroup":"example.org","kind":"Params","name":"p"}}})",
     R"(["x","example.org/c","Params.example.org/p","60m"])", R"(["","","<none>","<unknown>"])"},
    {"networking.k8s.io/v1", "Ingress",
     R"({"spec":{"ingressClassName":"nginx","tls":[{}],"rules":[{"host":"a"},{"host":"b"}]},)"
     R"("status":{"loadBalancer":{"ingress":[{"hostname":"lb"},{"ip":"1.2.3.4"}]}}})",
     R"(["x","nginx","a,b","1.2.3.4,lb","80, 443","60m"])", R"(["","<none>","*","","80","<unknown>"])"},
    {"networking.k8s.io/v1", "IPAddress",
     R"({"spec":{"parentRef":{"resource":"services","namespace":"default","name":"kubernetes"}}})",
     R"(["x","services/default/kubernetes"])", R"(["","<none>"])"},
    {"networking.k8s.io/v1", "NetworkPolicy", R"({"spec":{"podSelector":{"matchLabels":{"a":"b"}}}})",
     R"(["x","a=b","60m"])", R"(["","<none>","<unknown>"])"},
    {"networking.k8s.io/v1", "ServiceCIDR", R"({"spec":{"cidrs":["10.96.0.0/16","fd00::/108"]}})",
     R"(["x","10.96.0.0/16,fd00::/108","60m"])", R"(["","","<unknown>"])"},
    {"discovery.k8s.io/v1", "EndpointSlice",
     R"({"addressType":"IPv4","ports":[{"name":"http","port":80},{"name":"any"},{}],)"
     R"("endpoints":[{"addresses":["10.0.0.1","10.0.0.2"]},{"addresses":["10.0.0.3","10.0.0.4","10.0.0.5"]}]})",
     R"(["x","IPv4","80,any,*","10.0.0.1,10.0.0.2,10.0.0.3 + 2 more...","60m"])",
     R"(["","","<unset>","<unset>","<unknown>"])"},

    {"rbac.authorization.k8s.io/v1", "ClusterRoleBinding",
     R"({"roleRef":{"kind":"ClusterRole","name":"admin"},"subjects":[{"kind":"User","name":"u"},{"kind":"User","name":"v"},)"
     R"({"kind":"Group","name":"g"},{"kind":"ServiceAccount","namespace":"n","name":"s"}]})",
     R"(["x","ClusterRole/admin","60m","u, v","g","n/s"])", R"(["","/","<unknown>","","",""])"},
    {"rbac.authorization.k8s.io/v1", "RoleBinding",
     R"({"roleRef":{"kind":"Role","name":"r"},"subjects":[{"kind":"ServiceAccount","name":"s"}]})",
     R"(["x","Role/r","60m","","","s"])", R"(["","/","<unknown>","","",""])"},
    {"rbac.authorization.k8s.io/v1", "ClusterRole", "{}", R"(["x","2025-06-01T11:00:00Z"])",
     R"(["","0001-01-01T00:00:00Z"])"},
    {"rbac.authorization.k8s.io/v1", "Role", "{}", R"(["x","2025-06-01T11:00:00Z"])", R"(["","0001-01-01T00:00:00Z"])"},
    {"certificates.k8s.io/v1", "CertificateSigningRequest",
     R"({"spec":{"signerName":"example.org/s","username":"u","expirationSeconds":86400},)"
     R"("status":{"conditions":[{"type":"Approved"}],"certificate":"AA=="}})",
     R"(["x","60m","example.org/s","u","24h","Approved,Issued"])",
     R"(["","<unknown>","<none>","","<none>","Pending"])"},
    {"admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", R"({"webhooks":[{},{}]})", R"(["x",2,"60m"])",
     R"(["",0,"<unknown>"])"},
    {"admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", R"({"webhooks":[{}]})", R"(["x",1,"60m"])",
     R"(["",0,"<unknown>"])"},
    {"admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy",
     R"({"spec":{"validations":[{}],"paramKind":{"apiVersion":"v1","kind":"ConfigMap"}}})",
     R"(["x",1,"v1/ConfigMap","60m"])", R"(["",0,"<unset>","<unknown>"])"},
    {"admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding",
     R"({"spec":{"policyName":"p","paramRef":{"name":"c"}}})", R"(["x","p","*/c","60m"])",
     R"(["","","<unset>","<unknown>"])"},
    {"apiextensions.k8s.io/v1", "CustomResourceDefinition", "{}", R"(["x","2025-06-01T11:00:00Z"])",
     R"(["","0001-01-01T00:00:00Z"])"},
    {"apiregistration.k8s.io/v1", "APIService",
     R"({"spec":{"service":{"namespace":"n","name":"s"}},)"
     R"("status":{"conditions":[{"type":"Available","status":"False","reason":"MissingEndpoints"}]}})",
     R"~(["x","n/s","False (MissingEndpoints)","60m"])~", R"(["","Local","","<unknown>"])"},

    {"storage.k8s.io/v1", "CSIDriver",
     R"({"spec":{"attachRequired":true,"podInfoOnMount":false,"storageCapacity":true,"tokenRequests":[{"audience":"a"},)"
     R"({"audience":"b"}],"volumeLifecycleModes":["Persistent","Ephemeral"]}})",
     R"(["x",true,false,true,"a,b",false,"Persistent,Ephemeral","60m"])",
     R"(["",false,false,false,"<unset>",false,"<none>","<unknown>"])"},
    {"storage.k8s.io/v1", "CSINode", R"({"spec":{"drivers":[{}]}})", R"(["x",1,"60m"])", R"(["",0,"<unknown>"])"},
    {"storage.k8s.io/v1", "CSIStorageCapacity", R"({"storageClassName":"fast","capacity":"5Gi"})",
     R"(["x","fast","5Gi"])", R"(["","",""])"},
    {"storage.k8s.io/v1", "StorageClass",
     R"({"provisioner":"example.org/p","reclaimPolicy":"Retain","volumeBindingMode":"WaitForFirstConsumer",)"
     R"("allowVolumeExpansion":true,"metadata":{"annotations":{"storageclass.kubernetes.io/is-default-class":"true"}}})",
     R"~(["x (default)","example.org/p","Retain","WaitForFirstConsumer",true,"60m"])~",
     R"(["","","Delete","Immediate",false,"<unknown>"])"},
    {"storage.k8s.io/v1", "VolumeAttachment",
     R"({"spec":{"attacher":"a","source":{"persistentVolumeName":"pv"},"nodeName":"n"},"status":{"attached":true}})",
     R"(["x","a","pv","n",true,"60m"])", R"(["","","","",false,"<unknown>"])"},
    {"node.k8s.io/v1", "RuntimeClass", R"({"handler":"vm"})", R"(["x","vm","60m"])", R"(["","","<unknown>"])"},
    {"scheduling.k8s.io/v1", "PriorityClass", R"({"value":1000,"globalDefault":true,"preemptionPolicy":"Never"})",
     R"(["x",1000,true,"60m","Never"])", R"(["",0,false,"<unknown>",""])"},
    {"coordination.k8s.io/v1", "Lease", R"({"spec":{"holderIdentity":"n1"}})", R"(["x","n1","60m"])",
     R"(["","","<unknown>"])"},
    {"events.k8s.io/v1", "Event",
     R"({"type":"Normal","reason":"Pulled","regarding":{"kind":"Pod","name":"p","fieldPath":"f"},"note":"done",)"
     R"("reportingController":"example.org/c","reportingInstance":"c-1","eventTime":"2025-06-01T11:30:00.000000Z",)"
     R"("series":{"count":4,"lastObservedTime":"2025-06-01T11:59:55.500000Z"}})",
     R"(["5s","Normal","Pulled","pod/p","f","example.org/c, c-1","done","30m",4,"x"])",
     R"(["<unknown>","","","","","","","<unknown>",1,""])"},
    {"flowcontrol.apiserver.k8s.io/v1", "FlowSchema",
     R"({"spec":{"priorityLevelConfiguration":{"name":"exempt"},"matchingPrecedence":1,"distinguisherMethod":{"type":"ByUser"}},)"
     R"("status":{"conditions":[{"type":"Dangling","status":"False"}]}})",
     R"(["x","exempt",1,"ByUser","60m","False"])", R"(["","",0,"<none>","<unknown>","?"])"},
    {"flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration",
     R"({"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":30,"limitResponse":{"type":"Queue",)"
     R"("queuing":{"queues":64,"handSize":8,"queueLengthLimit":50}}}}})",
     R"(["x","Limited",30,64,8,50,"60m"])", R"(["","","<none>","<none>","<none>","<none>","<unknown>"])"},
};

json::object object_of(const Case& one) {
    std::string text = one.object;
    if (text == "TEMPLATED") text = std::string("{") + templated + "}";
    auto object = json::parse(text).as_object();
    auto& metadata = object["metadata"];
    if (!metadata.is_object()) metadata = json::object();
    metadata.as_object()["name"] = "x";
    metadata.as_object()["creationTimestamp"] = "2025-06-01T11:00:00Z";
    return object;
}

}  // namespace

TEST_CASE("cells of each kind") {
    for (const auto& one : cases) {
        INFO(one.group_version, " ", one.kind);
        const auto& kind = builtin_kind(one.group_version, one.kind);
        CHECK(json::serialize(cells_of(kind, json::serialize(object_of(one)))) ==
              json::serialize(json::parse(one.cells)));
        CHECK(json::serialize(cells_of(kind, "{}")) == json::serialize(json::parse(one.empty)));
    }
}

TEST_CASE("every kind that can be listed has its case") {
    std::set<std::string> known;
    for (const auto& one : cases) known.insert(std::string(one.group_version) + " " + one.kind);
    for (const auto& kind : schema::Catalogue::builtin().kinds())
        if (kind.has_verb("list"))
            CHECK_MESSAGE(known.contains(kind.group_version.text() + " " + kind.name), kind.name);
}

TEST_CASE("every code cell that the schema names is there, and none is there for nothing") {
    std::set<std::string, std::less<>> used;
    for (const auto& kind : schema::Catalogue::builtin().kinds())
        for (const auto& column : kind.columns)
            if (column.source == schema::Column::Source::Code) used.insert(column.path);
    for (const auto& name : used) CHECK_MESSAGE(find_code_cell(name), name);
    std::set<std::string_view> seen;
    for (auto cells : {pod_cells(), workload_cells(), autoscaler_cells(), network_cells(), storage_cells(),
                       access_cells(), event_cells(), node_cells()})
        for (const auto& cell : cells) {
            CHECK_MESSAGE(used.contains(cell.name), cell.name);
            CHECK_MESSAGE(seen.insert(cell.name).second, cell.name);
            CHECK_FALSE(cell.description.empty());
        }
    CHECK(seen.size() == used.size());
}

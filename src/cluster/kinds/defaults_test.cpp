// SPDX-License-Identifier: Apache-2.0
// api.md's table of defaults: what goes in, and what must be found in what comes out.
#include "cluster/kinds/test_support.h"
#include "cluster/kinds/tree.h"

using namespace pila::cluster;
using namespace pila::cluster::kinds;

namespace {

// Everything that `wanted` says stands in `actual`, lists element by element.
bool contains(const json::value& actual, const json::value& wanted) {
    if (wanted.is_object()) {
        if (!actual.is_object()) return false;
        for (const auto& member : wanted.get_object()) {
            const auto* value = actual.get_object().if_contains(member.key());
            if (!value || !contains(*value, member.value())) return false;
        }
        return true;
    }
    if (wanted.is_array()) {
        if (!actual.is_array() || actual.get_array().size() != wanted.get_array().size()) return false;
        for (std::size_t i = 0; i < wanted.get_array().size(); ++i)
            if (!contains(actual.get_array()[i], wanted.get_array()[i])) return false;
        return true;
    }
    return actual == wanted;
}

struct Case {
    std::string_view in, out;
};

void check(std::initializer_list<Case> cases) {
    for (const auto& one : cases) {
        INFO(std::string(one.in));
        const json::value actual = complete(one.in);
        CHECK_MESSAGE(contains(actual, json::parse(std::string(one.out))), json::serialize(actual));
    }
}

}  // namespace

TEST_CASE("pods") {
    check({
        {R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"hostNetwork":true,"serviceAccount":"s",
             "initContainers":[{"name":"i","image":"a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","resources":{"limits":{"cpu":1}}}],
             "containers":[{"name":"c","image":"host:5000/a","ports":[{"containerPort":80}],
               "resources":{"limits":{"cpu":"2","memory":"1Gi"},"requests":{"cpu":"1"}},
               "livenessProbe":{"httpGet":{"port":80}},"env":[{"name":"N","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},
               {"name":"L","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu"}}}]},
               {"name":"d","image":"b:1"},{"name":"e","image":"b:latest"}],
             "volumes":[{"name":"a"},{"name":"b","secret":{"secretName":"s"}},{"name":"h","hostPath":{"path":"/"}},
               {"name":"t","projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]}}]}})",
         R"({"spec":{"dnsPolicy":"ClusterFirst","restartPolicy":"Always","terminationGracePeriodSeconds":30,"securityContext":{},
             "schedulerName":"default-scheduler","enableServiceLinks":true,"serviceAccountName":"s","serviceAccount":"s",
             "initContainers":[{"imagePullPolicy":"IfNotPresent","resources":{"requests":{"cpu":"1"}}}],
             "containers":[{"imagePullPolicy":"Always","terminationMessagePath":"/dev/termination-log",
               "terminationMessagePolicy":"File","ports":[{"containerPort":80,"hostPort":80,"protocol":"TCP"}],
               "resources":{"limits":{"cpu":"2","memory":"1Gi"},"requests":{"cpu":"1","memory":"1Gi"}},
               "livenessProbe":{"httpGet":{"path":"/","port":80,"scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,
                 "successThreshold":1,"failureThreshold":3},
               "env":[{"valueFrom":{"fieldRef":{"apiVersion":"v1"}}},{"valueFrom":{"resourceFieldRef":{"divisor":"0"}}}]},
               {"imagePullPolicy":"IfNotPresent","resources":{}},{"imagePullPolicy":"Always"}],
             "volumes":[{"name":"a","emptyDir":{}},{"secret":{"defaultMode":420}},{"hostPath":{"path":"/","type":""}},
               {"projected":{"defaultMode":420,"sources":[{"serviceAccountToken":{"expirationSeconds":3600}}]}}]},
             "status":{"phase":"Pending"}})"},
    });
    // What belongs to pods alone is not put into templates.
    const auto deployment = complete(
        R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},
            "template":{"metadata":{"labels":{"a":"b"}},"spec":{"hostNetwork":true,"containers":[{"name":"c","image":"a",
            "ports":[{"containerPort":80}],"resources":{"limits":{"cpu":1}}}]}}}})");
    const auto* spec = object_at(deployment, "spec.template.spec");
    REQUIRE(spec);
    CHECK_FALSE(spec->contains("enableServiceLinks"));
    const auto& container = spec->at("containers").as_array()[0].as_object();
    CHECK_FALSE(object_at(container, "resources")->contains("requests"));
    CHECK_FALSE(container.at("ports").as_array()[0].as_object().contains("hostPort"));
}

TEST_CASE("controllers of pods") {
    check({
        {R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"template":{}}})",
         R"({"spec":{"replicas":1,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}},
             "revisionHistoryLimit":10,"progressDeadlineSeconds":600,"template":{"spec":{"restartPolicy":"Always"}}}})"},
        {R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"replicas":0,"strategy":{"type":"Recreate"}}})",
         R"({"spec":{"replicas":0,"strategy":{"type":"Recreate"}}})"},
        {R"({"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"d"},"spec":{"volumeClaimTemplates":[{"metadata":{"name":"v"}}]}})",
         R"({"spec":{"replicas":1,"podManagementPolicy":"OrderedReady","updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":0}},
             "revisionHistoryLimit":10,"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain","whenScaled":"Retain"},
             "volumeClaimTemplates":[{"apiVersion":"v1","kind":"PersistentVolumeClaim","spec":{"volumeMode":"Filesystem"},"status":{"phase":"Pending"}}]}})"},
        {R"({"apiVersion":"apps/v1","kind":"DaemonSet","metadata":{"name":"d"}})",
         R"({"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":0}},"revisionHistoryLimit":10}})"},
        {R"({"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"d"}})", R"({"spec":{"replicas":1}})"},
        {R"({"apiVersion":"v1","kind":"ReplicationController","metadata":{"name":"d"},"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}})",
         R"({"metadata":{"labels":{"a":"b"}},"spec":{"replicas":1,"selector":{"a":"b"}}})"},
        {R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"},"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}})",
         R"({"metadata":{"labels":{"a":"b"}},"spec":{"completions":1,"parallelism":1,"backoffLimit":6,"completionMode":"NonIndexed",
             "suspend":false,"podReplacementPolicy":"TerminatingOrFailed","selector":{"matchLabels":{
             "batch.kubernetes.io/controller-uid":"0b1c5a1e-7d2f-4a63-9a53-0d0a8a1f6f01"}},"template":{"metadata":{"labels":{
             "batch.kubernetes.io/controller-uid":"0b1c5a1e-7d2f-4a63-9a53-0d0a8a1f6f01","batch.kubernetes.io/job-name":"j",
             "controller-uid":"0b1c5a1e-7d2f-4a63-9a53-0d0a8a1f6f01","job-name":"j"}}}}})"},
        {R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"},"spec":{"parallelism":2,"backoffLimitPerIndex":1,
             "podFailurePolicy":{"rules":[{"action":"Ignore","onPodConditions":[{"type":"X"}]}]}}})",
         R"({"spec":{"parallelism":2,"backoffLimit":2147483647,"podReplacementPolicy":"Failed",
             "podFailurePolicy":{"rules":[{"onPodConditions":[{"type":"X","status":"True"}]}]}}})"},
        {R"({"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"j"}})",
         R"({"spec":{"concurrencyPolicy":"Allow","suspend":false,"successfulJobsHistoryLimit":3,"failedJobsHistoryLimit":1}})"},
        {R"({"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"h"},"spec":{"behavior":{}}})",
         R"({"spec":{"minReplicas":1,"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}],
             "behavior":{"scaleUp":{"stabilizationWindowSeconds":0,"selectPolicy":"Max","policies":[{"type":"Pods","value":4,"periodSeconds":15},
             {"type":"Percent","value":100,"periodSeconds":15}]},"scaleDown":{"selectPolicy":"Max","policies":[{"type":"Percent","value":100,"periodSeconds":15}]}}}})"},
        {R"({"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"name":"h"}})",
         R"({"spec":{"minReplicas":1,"targetCPUUtilizationPercentage":80}})"},
    });
}

TEST_CASE("services, storage, network") {
    check({
        {R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{"port":80}]}})",
         R"({"spec":{"type":"ClusterIP","sessionAffinity":"None","internalTrafficPolicy":"Cluster","ipFamilyPolicy":"SingleStack",
             "ipFamilies":["IPv4"],"ports":[{"port":80,"protocol":"TCP","targetPort":80}]}})"},
        {R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"type":"LoadBalancer","sessionAffinity":"ClientIP","ports":[{"port":80,"targetPort":"x"}]}})",
         R"({"spec":{"externalTrafficPolicy":"Cluster","allocateLoadBalancerNodePorts":true,"sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10800}},"ports":[{"targetPort":"x"}]}})"},
        {R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"clusterIP":"None"}})",
         R"({"spec":{"clusterIP":"None","clusterIPs":["None"]}})"},
        {R"({"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"s"},"subsets":[{"ports":[{"port":1}]}]})",
         R"({"subsets":[{"ports":[{"protocol":"TCP"}]}]})"},
        {R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"s"},"ports":[{"port":1}]})",
         R"({"ports":[{"name":"","protocol":"TCP"}]})"},
        {R"({"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"s"}})",
         R"({"spec":{"persistentVolumeReclaimPolicy":"Retain","volumeMode":"Filesystem"},"status":{"phase":"Pending"}})"},
        {R"({"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"s"}})",
         R"({"spec":{"volumeMode":"Filesystem"},"status":{"phase":"Pending"}})"},
        {R"({"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"s"},"provisioner":"x"})",
         R"({"reclaimPolicy":"Delete","volumeBindingMode":"Immediate"})"},
        {R"({"apiVersion":"storage.k8s.io/v1","kind":"CSIDriver","metadata":{"name":"s"}})",
         R"({"spec":{"attachRequired":true,"podInfoOnMount":false,"storageCapacity":false,"requiresRepublish":false,"seLinuxMount":false,
             "fsGroupPolicy":"ReadWriteOnceWithFSType","volumeLifecycleModes":["Persistent"]}})"},
        {R"({"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"s"},"spec":{"ingress":[{"ports":[{"port":1}]}]}})",
         R"({"spec":{"podSelector":{},"policyTypes":["Ingress"],"ingress":[{"ports":[{"protocol":"TCP"}]}]}})"},
        {R"({"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"s"},"spec":{"egress":[{}]}})",
         R"({"spec":{"policyTypes":["Ingress","Egress"]}})"},
        {R"({"apiVersion":"networking.k8s.io/v1","kind":"IngressClass","metadata":{"name":"s"},"spec":{"parameters":{"kind":"a","name":"b"}}})",
         R"({"spec":{"parameters":{"scope":"Cluster"}}})"},
    });
}

TEST_CASE("policies and machinery") {
    check({
        {R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"}})",
         R"({"metadata":{"labels":{"kubernetes.io/metadata.name":"n"}},"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}})"},
        {R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"n"},"data":{"a":"eA==","b":"eQ=="},"stringData":{"a":"z"}})",
         R"({"type":"Opaque","data":{"a":"eg==","b":"eQ=="}})"},
        {R"({"apiVersion":"v1","kind":"LimitRange","metadata":{"name":"n"},"spec":{"limits":[{"type":"Container","max":{"cpu":"2"},"min":{"memory":"1Mi"}}]}})",
         R"({"spec":{"limits":[{"default":{"cpu":"2"},"defaultRequest":{"cpu":"2","memory":"1Mi"}}]}})"},
        {R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"status":{"capacity":{"cpu":"2"}}})",
         R"({"status":{"allocatable":{"cpu":"2"}}})"},
        {R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"n"},"roleRef":{"kind":"Role","name":"r"},
             "subjects":[{"kind":"User","name":"u"},{"kind":"Group","name":"g"},{"kind":"ServiceAccount","name":"s","namespace":"n"}]})",
         R"({"roleRef":{"apiGroup":"rbac.authorization.k8s.io"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io"},
             {"apiGroup":"rbac.authorization.k8s.io"},{"kind":"ServiceAccount"}]})"},
        {R"({"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{"name":"n"},"value":1})",
         R"({"preemptionPolicy":"PreemptLowerPriority"})"},
        {R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"n"},"spec":{"group":"g.x","scope":"Cluster","names":{"plural":"widgets","kind":"Widget"},"versions":[]}})",
         R"({"spec":{"names":{"singular":"widget","listKind":"WidgetList"},"conversion":{"strategy":"None"}}})"},
        {R"({"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration","metadata":{"name":"n"},
             "webhooks":[{"name":"a.b.c","clientConfig":{"service":{"name":"s","namespace":"n"}},"rules":[{"resources":["pods"]}]}]})",
         R"({"webhooks":[{"failurePolicy":"Fail","matchPolicy":"Equivalent","timeoutSeconds":10,"reinvocationPolicy":"Never",
             "namespaceSelector":{},"objectSelector":{},"clientConfig":{"service":{"port":443}},"rules":[{"scope":"*"}]}]})"},
        {R"({"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration","metadata":{"name":"n"},"webhooks":[{"name":"a.b.c"}]})",
         R"({"webhooks":[{"failurePolicy":"Fail","matchPolicy":"Equivalent","timeoutSeconds":10}]})"},
        {R"({"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"n"},"spec":{"matchConstraints":{"resourceRules":[{}]}}})",
         R"({"spec":{"failurePolicy":"Fail","matchConstraints":{"matchPolicy":"Equivalent","resourceRules":[{"scope":"*"}]}}})"},
        {R"({"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","metadata":{"name":"n"},"spec":{"service":{"name":"s"}}})",
         R"({"spec":{"service":{"port":443}}})"},
        {R"({"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"PriorityLevelConfiguration","metadata":{"name":"n"},"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{}}}}})",
         R"({"spec":{"limited":{"nominalConcurrencyShares":30,"lendablePercent":0,"limitResponse":{"queuing":{"queues":64,"handSize":8,"queueLengthLimit":50}}}}})"},
        {R"({"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"FlowSchema","metadata":{"name":"n"},"spec":{}})",
         R"({"spec":{"matchingPrecedence":1000}})"},
    });
    const auto secret =
        complete(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"n"},"stringData":{"a":"z"}})");
    CHECK_FALSE(secret.contains("stringData"));
}

TEST_CASE("a new version of an object keeps what only the server gives") {
    const auto old = complete(
        R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"clusterIP":"10.0.0.7","ports":[{"port":80}]}})");
    auto now =
        complete(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{"port":81}]}})");
    prepare_for_update(now, old, kind_of(now));
    CHECK(now.at("spec").as_object().at("clusterIP") == "10.0.0.7");
    CHECK(texts(validate_update(now, old, kind_of(now))).empty());
    auto space = complete(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"}})");
    auto emptied = space;
    emptied["spec"] = json::object();
    prepare_for_update(emptied, space, kind_of(space));
    CHECK(emptied.at("spec") == space.at("spec"));
}

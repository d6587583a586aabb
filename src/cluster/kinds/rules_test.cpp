// SPDX-License-Identifier: Apache-2.0
// What is refused, and in which words: clients and people compare them.
#include <algorithm>

#include "cluster/kinds/schedule.h"
#include "cluster/kinds/test_support.h"

using namespace pila::cluster;
using namespace pila::cluster::kinds;

namespace {

// `spec` in a pod with one container that has nothing wrong, if it names none itself.
std::string pod(std::string_view spec) {
    std::string text = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{)";
    if (spec.find("\"containers\"") == std::string_view::npos)
        text += R"("containers":[{"name":"c","image":"i"}])" + std::string(spec.empty() ? "" : ",");
    return text + std::string(spec) + "}}";
}

std::string container(std::string_view fields) {
    return pod(R"("containers":[{"name":"c","image":"i",)" + std::string(fields) + "}]");
}

std::string object(std::string_view version, std::string_view kind, std::string_view fields) {
    return R"({"apiVersion":")" + std::string(version) + R"(","kind":")" + std::string(kind) +
           R"(","metadata":{"name":"n"},)" + std::string(fields) + "}";
}

struct Case {
    std::string text, cause;  // among the causes; "": none at all
};

void check(const std::vector<Case>& cases) {
    for (const auto& one : cases) {
        INFO(one.text);
        const auto faults = faults_of(one.text);
        if (one.cause.empty())
            CHECK_MESSAGE(faults.empty(), joined(faults));
        else
            CHECK_MESSAGE(std::find(faults.begin(), faults.end(), one.cause) != faults.end(), joined(faults));
    }
}

constexpr std::string_view workload =
    R"("selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}})";

}  // namespace

TEST_CASE("metadata") {
    auto with = [](std::string_view metadata) {
        return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{)" + std::string(metadata) + "}}";
    };
    check({
        {with(R"("name":"a")"), ""},
        {with(R"("labels":{})"), "metadata.name: Required value: name or generateName is required"},
        {with(R"("name":"a","labels":{"-x":"y"})"),
         "metadata.labels: Invalid value: \"-x\": name part must consist of alphanumeric characters, '-', '_' or '.', "
         "and "
         "must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
         "for "
         "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"},
        {with(R"("name":"a","labels":{"x":"a b"})"),
         "metadata.labels: Invalid value: \"a b\": a valid label must be an empty string or consist of alphanumeric "
         "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
         "'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
        {with(R"("name":"a","annotations":{"Upper.Example.com/A":"y"})"), ""},
        {with(R"("name":"a","annotations":{"x":")" + std::string(270000, 'y') + "\"}"),
         "metadata.annotations: Too long: may not be more than 262144 bytes"},
        {with(R"("name":"a","finalizers":["odd"])"),
         "metadata.finalizers: Invalid value: \"odd\": name is neither a standard finalizer name nor is it fully "
         "qualified"},
        {with(R"("name":"a","ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p"}])"),
         "metadata.ownerReferences[0].uid: Invalid value: \"\": must not be empty"},
        {with(R"("name":"a","namespace":"A")"),
         "metadata.namespace: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric "
         "characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
         "regex "
         "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"},
        {R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"a","namespace":"x"}})",
         "metadata.namespace: Forbidden: not allowed on this type"},
    });
}

TEST_CASE("pods and containers") {
    check({
        {pod(""), ""},
        {R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{}})", "spec.containers: Required value"},
        {pod(R"("containers":[{"name":"c"}])"), "spec.containers[0].image: Required value"},
        {pod(R"("containers":[{"name":"c","image":" i"}])"),
         "spec.containers[0].image: Invalid value: \" i\": must not have leading or trailing whitespace"},
        {pod(R"("containers":[{"name":"c","image":"i"},{"name":"c","image":"i"}])"),
         "spec.containers[1].name: Duplicate value: \"c\""},
        {pod(R"("restartPolicy":"Sometimes")"),
         "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"Never\", "
         "\"OnFailure\""},
        {container(R"("restartPolicy":"Always")"),
         "spec.containers[0].restartPolicy: Forbidden: may not be set for non-init containers"},
        {pod(R"("initContainers":[{"name":"i","image":"i","restartPolicy":"Never"}])"),
         "spec.initContainers[0].restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""},
        {pod(R"("initContainers":[{"name":"c","image":"i"}])"), "spec.initContainers[0].name: Duplicate value: \"c\""},
        {pod(R"("initContainers":[{"name":"i","image":"i","livenessProbe":{"exec":{"command":["a"]}}}])"),
         "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
         "restartPolicy=Always"},
        {container(R"("volumeMounts":[{"name":"v","mountPath":"/v"}])"),
         "spec.containers[0].volumeMounts[0].name: Not found: \"v\""},
        {container(R"("ports":[{"containerPort":70000}])"),
         "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"},
        {container(R"("ports":[{"name":"much-too-long-name","containerPort":1}])"),
         "spec.containers[0].ports[0].name: Invalid value: \"much-too-long-name\": must be no more than 15 bytes"},
        {container(R"("ports":[{"containerPort":1,"protocol":"ICMP"}])"),
         "spec.containers[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", "
         "\"UDP\""},
        {container(R"("env":[{"name":"a=b"}])"),
         "spec.containers[0].env[0].name: Invalid value: \"a=b\": a valid environment variable name must consist only "
         "of "
         "printable ASCII characters other than '='"},
        {container(R"("env":[{"name":"A","valueFrom":{}}])"),
         "spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, "
         "`resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"},
        {container(R"("env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"spec.hostname"}}}])"),
         "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"spec.hostname\": supported "
         "values: \"metadata.name\", \"metadata.namespace\", \"metadata.uid\", \"spec.nodeName\", "
         "\"spec.serviceAccountName\", \"status.hostIP\", \"status.hostIPs\", \"status.podIP\", \"status.podIPs\""},
        {container(R"("livenessProbe":{})"),
         "spec.containers[0].livenessProbe: Required value: must specify a handler type"},
        {container(R"("livenessProbe":{"tcpSocket":{"port":1},"exec":{"command":["a"]}})"),
         "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"},
        {container(R"("livenessProbe":{"tcpSocket":{"port":1},"successThreshold":2})"),
         "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"},
        {container(R"("readinessProbe":{"httpGet":{"port":"HTTP"}})"),
         "spec.containers[0].readinessProbe.httpGet.port: Invalid value: \"HTTP\": must contain only alpha-numeric "
         "characters (a-z, 0-9), and hyphens (-)"},
        {container(R"("readinessProbe":{"exec":{"command":["a"]},"periodSeconds":-1})"),
         "spec.containers[0].readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0"},
        {container(R"("resources":{"requests":{"cpu":"2"},"limits":{"cpu":"1"}})"),
         "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"},
        {container(R"("resources":{"limits":{"cpus":"1"}})"),
         "spec.containers[0].resources.limits[cpus]: Invalid value: \"cpus\": must be a standard resource for "
         "containers"},
        {container(R"("resources":{"requests":{"memory":"-1Gi"}})"),
         "spec.containers[0].resources.requests[memory]: Invalid value: \"-1Gi\": must be greater than or equal to 0"},
        {container(R"("resources":{"limits":{"nvidia.com/gpu":"500m"}})"),
         "spec.containers[0].resources.limits[nvidia.com/gpu]: Invalid value: \"500m\": must be an integer"},
        {container(R"("securityContext":{"privileged":true,"allowPrivilegeEscalation":false})"),
         "spec.containers[0].securityContext: Invalid value: {\"privileged\":true,\"allowPrivilegeEscalation\":false}: "
         "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"},
        {container(R"("lifecycle":{"preStop":{"sleep":{"seconds":40}}})"),
         "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 40: must be non-negative and less than "
         "terminationGracePeriodSeconds (30)"},
        {pod(R"("securityContext":{"runAsUser":-1})"),
         "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 4294967295, inclusive"},
        {pod(R"("tolerations":[{"effect":"NoSchedule"}])"),
         "spec.tolerations[0].operator: Invalid value: \"\": operator must be Exists when `key` is empty, which means "
         "\"match all values and all keys\""},
        {pod(R"("activeDeadlineSeconds":0)"),
         "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"},
        {pod(R"("dnsPolicy":"None")"),
         "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"},
        {pod(R"("hostname":"a.b")"), "spec.hostname: Invalid value: \"a.b\": must not contain dots"},
        {pod(R"("nodeSelector":{"a":"b c"})"),
         "spec.nodeSelector: Invalid value: \"b c\": a valid label must be an empty string or consist of alphanumeric "
         "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
         "'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
        {pod(R"("affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[]}}})"),
         "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: "
         "must have at least one node selector term"},
        {pod(R"("affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"labelSelector":{"matchExpressions":[{"key":"a","operator":"Is"}]},"topologyKey":"t"}]}})"),
         "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchExpressions[0]"
         ".operator: Invalid value: \"Is\": not a valid selector operator"},
    });
}

TEST_CASE("volumes") {
    auto volume = [](std::string_view source) {
        return pod(R"("volumes":[{"name":"v",)" + std::string(source) + "}]");
    };
    check({
        {volume(R"("emptyDir":{},"hostPath":{"path":"/"})"),
         "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"},
        {volume(R"("secret":{})"), "spec.volumes[0].secret.secretName: Required value"},
        {volume(R"("configMap":{"name":"c","defaultMode":512})"),
         "spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both "
         "inclusive"},
        {volume(R"("configMap":{"name":"c","items":[{"key":"k","path":"../x"}]})"),
         "spec.volumes[0].configMap.items[0].path: Invalid value: \"../x\": must not contain '..'"},
        {volume(R"("hostPath":{"path":"/x","type":"Dir"})"),
         "spec.volumes[0].hostPath.type: Unsupported value: \"Dir\": supported values: \"BlockDevice\", "
         "\"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\""},
        {volume(
             R"("projected":{"sources":[{"secret":{"name":"a","items":[{"key":"k","path":"p"}]}},{"configMap":{"name":"a","items":[{"key":"k","path":"p"}]}}]})"),
         "spec.volumes[0].projected.sources[1].configMap: Invalid value: \"p\": conflicting duplicate paths"},
        {pod(R"("volumes":[{"name":"v","emptyDir":{}},{"name":"v","emptyDir":{}}])"),
         "spec.volumes[1].name: Duplicate value: \"v\""},
        {object("v1", "PersistentVolumeClaim", R"("spec":{"accessModes":["ReadWriteOnce"]})"),
         "spec.resources[storage]: Required value"},
        {object("v1", "PersistentVolumeClaim", R"("spec":{"resources":{"requests":{"storage":"1Gi"}}})"),
         "spec.accessModes: Required value: at least 1 access mode is required"},
        {object("v1", "PersistentVolume", R"("spec":{"accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"}})"),
         "spec: Required value: must specify a volume type"},
    });
}

TEST_CASE("workloads") {
    const std::string spec(workload);
    check({
        {object("apps/v1", "Deployment", "\"spec\":{" + spec + "}"), ""},
        {object(
             "apps/v1", "Deployment",
             R"("spec":{"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}})"),
         "spec.selector: Required value"},
        {object(
             "apps/v1", "Deployment",
             R"("spec":{"selector":{"matchLabels":{"a":"x"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}})"),
         "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"},
        {object("apps/v1", "Deployment", "\"spec\":{\"replicas\":-1," + spec + "}"),
         "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
        {object("apps/v1", "Deployment",
                R"("spec":{"strategy":{"type":"Recreate","rollingUpdate":{"maxSurge":1}},)" + spec + "}"),
         "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"},
        {object("apps/v1", "Deployment",
                R"("spec":{"strategy":{"rollingUpdate":{"maxSurge":0,"maxUnavailable":"0%"}},)" + spec + "}"),
         "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0"},
        {object("apps/v1", "Deployment",
                R"("spec":{"strategy":{"rollingUpdate":{"maxUnavailable":"101%"}},)" + spec + "}"),
         "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"},
        {object("apps/v1", "Deployment", R"("spec":{"strategy":{"rollingUpdate":{"maxSurge":"half"}},)" + spec + "}"),
         "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"half\": a valid percent string must be a numeric "
         "string "
         "followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"},
        {object(
             "apps/v1", "DaemonSet",
             R"("spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}})"),
         "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""},
        {object("apps/v1", "StatefulSet", "\"spec\":{\"podManagementPolicy\":\"Random\"," + spec + "}"),
         "spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'"},
        {object("batch/v1", "Job", R"("spec":{"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}})"),
         "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""},
        {object(
             "batch/v1", "Job",
             R"("spec":{"completionMode":"Indexed","parallelism":1,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}})"),
         "spec.completions: Required value: when completion mode is Indexed"},
        {object(
             "batch/v1", "CronJob",
             R"("spec":{"schedule":"* * * *","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}})"),
         "spec.schedule: Invalid value: \"* * * *\": expected exactly 5 fields, found 4: [* * * *]"},
        {object("policy/v1", "PodDisruptionBudget", R"("spec":{"minAvailable":1,"maxUnavailable":1})"),
         "spec: Invalid value: {\"minAvailable\":1,\"maxUnavailable\":1}: minAvailable and maxUnavailable cannot be "
         "both "
         "set"},
        {object("autoscaling/v2", "HorizontalPodAutoscaler",
                R"("spec":{"scaleTargetRef":{"kind":"Deployment","name":"d"},"minReplicas":3,"maxReplicas":2})"),
         "spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`"},
        {object(
             "autoscaling/v2", "HorizontalPodAutoscaler",
             R"("spec":{"scaleTargetRef":{"kind":"Deployment","name":"d"},"maxReplicas":2,"metrics":[{"type":"Pods"}]})"),
         "spec.metrics[0].pods: Required value: must populate information for the given metric source"},
    });
}

TEST_CASE("schedules") {
    for (auto good : {"* * * * *", "*/5 0-6,12 1 jan-MAR mon", "@daily", "@every 1h30m", "0 0 1,15 * ?"})
        CHECK(schedule_fault(good).empty());
    CHECK(schedule_fault("60 * * * *") == "end of range (60) above maximum (59): 60");
    CHECK(schedule_fault("* * 0 * *") == "beginning of range (0) below minimum (1): 0");
    CHECK(schedule_fault("5-1 * * * *") == "beginning of range (5) beyond end of range (1): 5-1");
    CHECK(schedule_fault("*/0 * * * *") == "step of range should be a positive number: */0");
    CHECK(schedule_fault("@sometimes") == "unrecognized descriptor: @sometimes");
    CHECK_FALSE(schedule_fault("a b c d e").empty());
    CHECK_FALSE(schedule_fault("@every soon").empty());
}

TEST_CASE("services, ingresses, policies") {
    check({
        {object("v1", "Service", R"("spec":{})"), "spec.ports: Required value"},
        {object("v1", "Service", R"("spec":{"ports":[{"port":80},{"port":81}]})"),
         "spec.ports[0].name: Required value"},
        {object("v1", "Service", R"("spec":{"ports":[{"port":0}]})"),
         "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"},
        {object("v1", "Service", R"("spec":{"ports":[{"name":"a","port":80},{"name":"b","port":80}]})"),
         "spec.ports[1]: Duplicate value: {\"port\":80,\"protocol\":\"TCP\"}"},
        {object("v1", "Service", R"("spec":{"ports":[{"port":80,"nodePort":30000}]})"),
         "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"},
        {object("v1", "Service", R"("spec":{"type":"NodePort","clusterIP":"None","ports":[{"port":80}]})"),
         "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"},
        {object("v1", "Service", R"("spec":{"type":"ExternalName"})"), "spec.externalName: Required value"},
        {object("v1", "Service", R"("spec":{"clusterIP":"10.0.0","ports":[{"port":80}]})"),
         "spec.clusterIPs[0]: Invalid value: \"10.0.0\": must be a valid IP address, (e.g. 10.9.8.7 or "
         "2001:db8::ffff)"},
        {object("v1", "Service", R"("spec":{"externalTrafficPolicy":"Local","ports":[{"port":80}]})"),
         "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services"},
        {object("v1", "Endpoints", R"("subsets":[{"addresses":[{"ip":"127.0.0.1"}]}])"),
         "subsets[0].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, "
         "::1/128)"},
        {object("networking.k8s.io/v1", "Ingress", R"("spec":{})"),
         "spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"},
        {object(
             "networking.k8s.io/v1", "Ingress",
             R"("spec":{"rules":[{"http":{"paths":[{"path":"/","backend":{"service":{"name":"a","port":{"number":1}}}}]}}]})"),
         "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"},
        {object(
             "networking.k8s.io/v1", "Ingress",
             R"("spec":{"rules":[{"host":"10.0.0.1","http":{"paths":[{"path":"x","pathType":"Prefix","backend":{"service":{"name":"a","port":{}}}}]}}]})"),
         "spec.rules[0].host: Invalid value: \"10.0.0.1\": must be a DNS name, not an IP address"},
        {object(
             "networking.k8s.io/v1", "Ingress",
             R"("spec":{"rules":[{"http":{"paths":[{"path":"x","pathType":"Prefix","backend":{"service":{"name":"a","port":{}}}}]}}]})"),
         "spec.rules[0].http.paths[0].path: Invalid value: \"x\": must be an absolute path"},
        {object(
             "networking.k8s.io/v1", "NetworkPolicy",
             R"("spec":{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["11.0.0.0/16"]}}]}]})"),
         "spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a strict subset of "
         "`cidr`"},
        {object("networking.k8s.io/v1", "NetworkPolicy",
                R"("spec":{"podSelector":{},"egress":[{"to":[{}],"ports":[{"endPort":5}]}]})"),
         "spec.egress[0].to[0]: Required value: must specify a peer"},
    });
}

TEST_CASE("configuration, access, extension") {
    check({
        {object("v1", "ConfigMap", R"("data":{"a/b":"c"})"),
         "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or "
         "'.' "
         "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"},
        {object("v1", "ConfigMap", R"("data":{"a":"c"},"binaryData":{"a":"AA=="})"),
         "data[a]: Invalid value: \"a\": duplicate of key present in binaryData"},
        {object("v1", "Secret", R"("type":"kubernetes.io/tls","data":{"tls.crt":"AA=="})"),
         "data[tls.key]: Required value"},
        {object("v1", "Secret", R"("type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"eA=="})"),
         "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": invalid JSON"},
        {object("v1", "LimitRange", R"("spec":{"limits":[{"type":"Container","min":{"cpu":"2"},"max":{"cpu":"1"}}]})"),
         "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1"},
        {object("v1", "ResourceQuota", R"("spec":{"hard":{"cakes":"1"}})"),
         "spec.hard[cakes]: Invalid value: \"cakes\": must be a standard resource for quota"},
        {object("rbac.authorization.k8s.io/v1", "Role", R"("rules":[{"apiGroups":[""],"resources":["pods"]}])"),
         "rules[0].verbs: Required value: verbs must contain at least one value"},
        {object("rbac.authorization.k8s.io/v1", "Role", R"("rules":[{"nonResourceURLs":["/x"],"verbs":["get"]}])"),
         "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs"},
        {object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", R"("roleRef":{"kind":"Role","name":"r"})"),
         "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\""},
        {object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding",
                R"("roleRef":{"kind":"ClusterRole","name":"r"},"subjects":[{"kind":"ServiceAccount","name":"s"}])"),
         "subjects[0].namespace: Required value"},
        {object("scheduling.k8s.io/v1", "PriorityClass", R"("value":2000000000)"),
         "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"},
        {object("certificates.k8s.io/v1", "CertificateSigningRequest",
                R"("spec":{"request":"AA==","signerName":"a/b","usages":["client auth","tea"]})"),
         "spec.request: Invalid value: \"AA==\": PEM block type must be CERTIFICATE REQUEST"},
        {object(
             "apiextensions.k8s.io/v1", "CustomResourceDefinition",
             R"("spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"cts","kind":"Ct"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]})"),
         "metadata.name: Invalid value: \"n\": must be spec.names.plural+\".\"+spec.group"},
        {object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration",
                R"("webhooks":[{"name":"short","clientConfig":{}}])"),
         "webhooks[0].clientConfig: Required value: exactly one of url or service is required"},
        {object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration",
                R"("webhooks":[{"name":"short","clientConfig":{}}])"),
         "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun"},
    });
}

namespace {

struct Change {
    std::string before, after, cause;
};

void check_changes(const std::vector<Change>& changes) {
    for (const auto& change : changes) {
        INFO(change.after);
        const auto old = complete(change.before), now = complete(change.after);
        const auto faults = texts(validate_update(now, old, kind_of(now)));
        if (change.cause.empty())
            CHECK_MESSAGE(faults.empty(), joined(faults));
        else
            CHECK_MESSAGE(std::find(faults.begin(), faults.end(), change.cause) != faults.end(), joined(faults));
    }
}

}  // namespace

TEST_CASE("what may not change") {
    const std::string spec(workload);
    const std::string only_these =
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
        "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    auto other = [](std::string_view label) {
        return R"("spec":{"selector":{"matchLabels":{")" + std::string(label) +
               R"(":"b"}},"template":{"metadata":{"labels":{")" + std::string(label) +
               R"(":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}})";
    };
    check_changes({
        {pod(""), pod(R"("containers":[{"name":"c","image":"j:2","imagePullPolicy":"Always"}])"), ""},
        {pod(""), pod(R"("tolerations":[{"key":"a","operator":"Exists"}])"), ""},
        {pod(R"("tolerations":[{"key":"a","operator":"Exists"}])"), pod(""),
         "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"},
        {pod(""), pod(R"("hostname":"x")"), only_these},
        {pod(""), pod(R"("containers":[{"name":"c","image":"i"},{"name":"d","image":"i"}])"),
         "spec.containers: Forbidden: pod updates may not add or remove containers"},
        {pod(R"("activeDeadlineSeconds":5)"), pod(R"("activeDeadlineSeconds":6)"),
         "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"},
        {pod(R"("schedulingGates":[{"name":"a"}])"), pod(R"("nodeSelector":{"x":"y"})"), ""},
        {pod(""), pod(R"("schedulingGates":[{"name":"a"}])"),
         "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a'"},
        {object("apps/v1", "Deployment", other("a")), object("apps/v1", "Deployment", other("z")),
         "spec.selector: Invalid value: {\"matchLabels\":{\"z\":\"b\"}}: field is immutable"},
        {object("apps/v1", "StatefulSet", "\"spec\":{\"serviceName\":\"a\"," + spec + "}"),
         object("apps/v1", "StatefulSet", "\"spec\":{\"serviceName\":\"b\"," + spec + "}"),
         "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
         "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
         "forbidden"},
        {object("apps/v1", "StatefulSet", "\"spec\":{\"replicas\":1," + spec + "}"),
         object("apps/v1", "StatefulSet", "\"spec\":{\"replicas\":2," + spec + "}"), ""},
        {object("v1", "Secret", R"("type":"a")"), object("v1", "Secret", R"("type":"b")"),
         "type: Invalid value: \"b\": field is immutable"},
        {object("v1", "ConfigMap", R"("immutable":true,"data":{"a":"b"})"),
         object("v1", "ConfigMap", R"("immutable":true,"data":{"a":"c"})"),
         "data: Forbidden: field is immutable when `immutable` is set"},
        {object("v1", "Service", R"("spec":{"clusterIP":"10.0.0.1","ports":[{"port":1}]})"),
         object("v1", "Service", R"("spec":{"clusterIP":"10.0.0.2","ports":[{"port":1}]})"),
         "spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set"},
        {object("v1", "PersistentVolumeClaim",
                R"("spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}})"),
         object("v1", "PersistentVolumeClaim",
                R"("spec":{"accessModes":["ReadWriteMany"],"resources":{"requests":{"storage":"1Gi"}}})"),
         "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName "
         "for "
         "bound claims"},
        {object(
             "v1", "PersistentVolumeClaim",
             R"("spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Bound"})"),
         object(
             "v1", "PersistentVolumeClaim",
             R"("spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"2Gi"}}},"status":{"phase":"Bound"})"),
         ""},
        {object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", R"("roleRef":{"kind":"ClusterRole","name":"a"})"),
         object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", R"("roleRef":{"kind":"ClusterRole","name":"b"})"),
         "roleRef: Invalid value: "
         "{\"kind\":\"ClusterRole\",\"name\":\"b\",\"apiGroup\":\"rbac.authorization.k8s.io\"}: "
         "cannot change roleRef"},
        {object("storage.k8s.io/v1", "StorageClass", R"("provisioner":"x","parameters":{"a":"b"})"),
         object("storage.k8s.io/v1", "StorageClass", R"("provisioner":"x")"),
         "parameters: Forbidden: updates to parameters are forbidden."},
        {object("node.k8s.io/v1", "RuntimeClass", R"("handler":"a")"),
         object("node.k8s.io/v1", "RuntimeClass", R"("handler":"b")"),
         "handler: Invalid value: \"b\": field is immutable"},
        {object("scheduling.k8s.io/v1", "PriorityClass", R"("value":1)"),
         object("scheduling.k8s.io/v1", "PriorityClass", R"("value":2)"),
         "value: Forbidden: may not be changed in an update."},
        {R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","deletionTimestamp":"2025-01-01T00:00:00Z"}})",
         R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","deletionTimestamp":"2025-01-01T00:00:00Z","finalizers":["a.b/c"]}})",
         "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new "
         "finalizers []string{\"a.b/c\"}"},
    });
}

TEST_CASE("warnings") {
    auto of = [](const std::string& text) {
        const auto value = complete(text);
        return warnings(value, kind_of(value));
    };
    CHECK(
        of(container(R"("env":[{"name":"A"},{"name":"A"}])")) ==
        std::vector<std::string>{"spec.containers[0].env[1]: hides previous definition of \"A\", which may be dropped "
                                 "when using apply"});
    CHECK(of(pod(R"("nodeSelector":{"beta.kubernetes.io/os":"linux"})")) ==
          std::vector<std::string>{
              "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead"});
    CHECK(of(object("v1", "Endpoints", R"("subsets":[])")).size() == 1);
    CHECK(of(pod("")).empty());
}

TEST_CASE("no more than a hundred causes") {
    std::string containers;
    for (int i = 0; i < 300; ++i) containers += std::string(i ? "," : "") + R"({"name":"A"})";
    CHECK(faults_of(pod("\"containers\":[" + containers + "]")).size() == 100);
}

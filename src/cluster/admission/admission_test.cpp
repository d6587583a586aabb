// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <thread>

#include "cluster/admission/testing_internal.h"

using namespace pila;
using namespace pila::cluster;
using namespace pila::cluster::admission;

namespace {

constexpr std::string_view plain = R"({"containers":[{"name":"c","image":"i"}]})";

std::string text_of(const json::value& value) { return json::serialize(value); }

}  // namespace

TEST_CASE("a pod gets its account, and a token of it in every container") {
    World world;
    auto made = world.pod(R"({"initContainers":[{"name":"i"}],"containers":[{"name":"c"},
        {"name":"d","volumeMounts":[{"name":"own","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}]}]})");
    CHECK(made.refusal == "");
    CHECK(made.at("/spec/serviceAccountName") == "default");
    CHECK(made.at("/spec/serviceAccount") == "default");
    auto name = made.at("/spec/volumes/0/name").as_string();
    CHECK(name.starts_with("kube-api-access-"));
    CHECK(
        text_of(made.at("/spec/volumes/0/projected/sources")) ==
        R"([{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},)"
        R"({"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},)"
        R"({"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}])");
    CHECK(made.at("/spec/containers/0/volumeMounts/0/name") == name);
    CHECK(made.at("/spec/initContainers/0/volumeMounts/0/readOnly") == true);
    CHECK(made.at("/spec/containers/1/volumeMounts").as_array().size() == 1);  // its own stays
}

TEST_CASE("accounts that are not there, that mount nothing, that bring secrets") {
    World world;
    CHECK(world.pod(R"({"serviceAccountName":"nobody","containers":[]})").refusal ==
          R"(error looking up service account n/nobody: serviceaccount "nobody" not found)");
    world.put("core/serviceaccounts/n/quiet", R"({"metadata":{"name":"quiet"},"automountServiceAccountToken":false,
        "imagePullSecrets":[{"name":"registry"}]})");
    auto quiet = world.pod(R"({"serviceAccountName":"quiet","containers":[{"name":"c"}]})");
    CHECK_FALSE(quiet.object["spec"].as_object().contains("volumes"));
    CHECK(text_of(quiet.at("/spec/imagePullSecrets")) == R"([{"name":"registry"}])");
    auto loud =
        world.pod(R"({"serviceAccountName":"quiet","automountServiceAccountToken":true,"containers":[{"name":"c"}]})");
    CHECK(loud.object["spec"].as_object().contains("volumes"));
    world.put("core/serviceaccounts/n/strict", R"({"metadata":{"name":"strict",
        "annotations":{"kubernetes.io/enforce-mountable-secrets":"true"}},"secrets":[{"name":"mine"}]})");
    auto with = [&](const std::string& member) {
        return world.pod(R"({"serviceAccountName":"strict",)" + member + "}").refusal;
    };
    CHECK(with(R"("volumes":[{"name":"v","secret":{"secretName":"mine"}}],"containers":[])") == "");
    CHECK(
        with(R"("volumes":[{"name":"v","secret":{"secretName":"yours"}}],"containers":[])") ==
        R"(volume with secret.secretName="yours" is not allowed because service account strict does not reference that secret)");
    CHECK(
        with(
            R"("containers":[{"name":"c","env":[{"name":"E","valueFrom":{"secretKeyRef":{"name":"yours","key":"k"}}}]}])") ==
        R"(container c with envVar E referencing secret.secretName="yours" is not allowed because service account strict does not reference that secret)");
    CHECK(
        with(R"("imagePullSecrets":[{"name":"r"}],"containers":[])") ==
        R"(imagePullSecret="r" is not allowed because service account strict does not reference that imagePullSecret)");
    CHECK(world
              .pod(R"({"serviceAccountName":"default","containers":[]})",
                   R"({"annotations":{"kubernetes.io/config.mirror":"x"}})")
              .refusal == "a mirror pod may not reference service accounts");
}

TEST_CASE("a namespace's first pod waits for its account") {
    World world;
    world.put("core/namespaces/m", R"({"metadata":{"name":"m"}})");
    const auto* kind = schema::Catalogue::builtin().find_kind({"", "v1"}, "Pod");
    std::thread controller([&] {
        world.put("core/serviceaccounts/m/other", R"({"metadata":{"name":"other"}})");
        world.put("core/serviceaccounts/m/default", R"({"metadata":{"name":"default"}})");
    });
    Request request{.kind = *kind, .name_space = "m", .name = "web", .subresource = "", .user = "test"};
    auto pod = json::parse(R"({"metadata":{},"spec":{"containers":[]}})").as_object();
    CHECK(world.admission.complete(request, pod));
    controller.join();
    request.name_space = "nowhere";
    request.user = "system:serviceaccount:kube-system:job-controller";  // does not wait
    const auto before = std::chrono::steady_clock::now();
    CHECK_FALSE(world.admission.complete(request, pod));
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::milliseconds(1000));
}

TEST_CASE("priorities come from classes") {
    World world;
    CHECK(world.pod(plain).at("/spec/priority") == 0);
    CHECK(world.pod(plain).at("/spec/preemptionPolicy") == "PreemptLowerPriority");
    CHECK(world.pod(R"({"priorityClassName":"none","containers":[]})").refusal ==
          "no PriorityClass with name none was found");
    auto put = [&](const std::string& name, const std::string& more) {
        world.put("scheduling.k8s.io/priorityclasses/" + name,
                  R"({"metadata":{"name":")" + name + R"("},)" + more + "}");
    };
    put("high", R"("value":1000,"preemptionPolicy":"Never")");
    auto high = world.pod(R"({"priorityClassName":"high","containers":[]})");
    CHECK(high.at("/spec/priority") == 1000);
    CHECK(high.at("/spec/preemptionPolicy") == "Never");
    CHECK(world.pod(R"({"priorityClassName":"high","priority":7,"containers":[]})").refusal ==
          "the integer value of priority (7) must not be provided in pod spec; priority admission controller computed "
          "1000 from the given PriorityClass name");
    CHECK(world.pod(R"({"priorityClassName":"high","preemptionPolicy":"PreemptLowerPriority","containers":[]})")
              .refusal ==
          "the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority "
          "admission controller computed Never from the given PriorityClass name");
    put("usual", R"("value":5,"globalDefault":true)");
    auto usual = world.pod(plain);
    CHECK(usual.at("/spec/priorityClassName") == "usual");
    CHECK(usual.at("/spec/priority") == 5);
    auto second = R"({"metadata":{"name":"other"},"value":1,"globalDefault":true})";
    CHECK(world.admit("scheduling.k8s.io", "PriorityClass", second).refusal ==
          "PriorityClass usual is already marked as default. Only one default can exist");
    auto same = R"({"metadata":{"name":"usual"},"value":5,"globalDefault":true})";
    CHECK(world.admit("scheduling.k8s.io", "PriorityClass", same, same).refusal == "");
}

TEST_CASE("tolerations of nodes that are away") {
    World world;
    CHECK(
        text_of(world.pod(plain).at("/spec/tolerations")) ==
        R"([{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},)"
        R"({"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}])");
    CHECK(world.pod(R"({"containers":[],"tolerations":[{"operator":"Exists"}]})")
              .at("/spec/tolerations")
              .as_array()
              .size() == 1);
    auto one =
        world.pod(R"({"containers":[],"tolerations":[{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule"}]})");
    CHECK(one.at("/spec/tolerations").as_array().size() == 3);
}

TEST_CASE("claims get the usual class and a finalizer, and grow only where they may") {
    World world;
    auto claim = [](const std::string& size, const std::string& more = "", const std::string& phase = "Bound") {
        return R"({"metadata":{"name":"web"},"spec":{"resources":{"requests":{"storage":")" + size + R"("}})" + more +
               R"(},"status":{"phase":")" + phase + R"("}})";
    };
    auto make = [&](const std::string& text) { return world.admit("", "PersistentVolumeClaim", text); };
    auto bare = make(claim("1Gi"));
    CHECK_FALSE(bare.object["spec"].as_object().contains("storageClassName"));
    CHECK(text_of(bare.at("/metadata/finalizers")) == R"(["kubernetes.io/pvc-protection"])");
    for (std::string name : {"old", "new"})
        world.put(
            "storage.k8s.io/storageclasses/" + name,
            R"({"metadata":{"name":")" + name + R"(","creationTimestamp":")" +
                (name == "old" ? "2025-01-01T00:00:00Z" : "2026-01-01T00:00:00Z") +
                R"(","annotations":{"storageclass.kubernetes.io/is-default-class":"true"}},"allowVolumeExpansion":)" +
                (name == "new" ? "true" : "false") + "}");
    CHECK(make(claim("1Gi")).at("/spec/storageClassName") == "new");
    CHECK(make(claim("1Gi", R"(,"storageClassName":"")")).at("/spec/storageClassName") == "");
    auto grow = [&](const std::string& before, const std::string& after) {
        return world.admit("", "PersistentVolumeClaim", after, before).refusal;
    };
    auto of_new = std::string(R"(,"storageClassName":"new")"), of_old = std::string(R"(,"storageClassName":"old")");
    CHECK(grow(claim("1Gi", of_new), claim("2Gi", of_new)) == "");
    CHECK(grow(claim("1Gi", of_new, "Pending"), claim("2Gi", of_new)) ==
          "Only bound persistent volume claims can be expanded");
    CHECK(grow(claim("1Gi", of_old), claim("2Gi", of_old)) ==
          "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support "
          "resize");
    CHECK(grow(claim("1Gi", of_old), claim("1024Mi", of_old)) == "");
    CHECK(text_of(world.admit("", "PersistentVolume", R"({"metadata":{"name":"v"},"spec":{}})")
                      .at("/metadata/finalizers")) == R"(["kubernetes.io/pv-protection"])");
}

TEST_CASE("runtime classes: overhead and where they run") {
    World world;
    CHECK(world.pod(R"({"runtimeClassName":"kata","containers":[]})").refusal ==
          R"(pod rejected: RuntimeClass "kata" not found)");
    world.put("node.k8s.io/runtimeclasses/kata", R"({"metadata":{"name":"kata"},"overhead":{"podFixed":{"cpu":"250m"}},
        "scheduling":{"nodeSelector":{"kata":"yes"},"tolerations":[{"key":"kata","operator":"Exists"}]}})");
    auto made = world.pod(R"({"runtimeClassName":"kata","containers":[],"nodeSelector":{"zone":"a"}})");
    CHECK(text_of(made.at("/spec/overhead")) == R"({"cpu":"250m"})");
    CHECK(text_of(made.at("/spec/nodeSelector")) == R"({"zone":"a","kata":"yes"})");
    CHECK(made.at("/spec/tolerations").as_array().size() == 3);
    CHECK(world.pod(R"({"runtimeClassName":"kata","containers":[],"nodeSelector":{"kata":"no"}})").refusal ==
          "conflict: runtimeClass.scheduling.nodeSelector[kata] = yes; pod.spec.nodeSelector[kata] = no");
    CHECK(world.pod(R"({"runtimeClassName":"kata","containers":[],"overhead":{"cpu":"1"}})").refusal ==
          "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    CHECK(world.pod(R"({"containers":[],"overhead":{"cpu":"1"}})").refusal ==
          "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
}

TEST_CASE("ingresses get the usual class") {
    World world;
    world.put("networking.k8s.io/ingressclasses/front",
              R"({"metadata":{"name":"front","annotations":{"ingressclass.kubernetes.io/is-default-class":"true"}}})");
    CHECK(world.admit("networking.k8s.io", "Ingress", R"({"metadata":{},"spec":{}})").at("/spec/ingressClassName") ==
          "front");
}

TEST_CASE("ranges: what containers get") {
    World world;
    world.put("core/limitranges/n/r", R"({"metadata":{"name":"r"},"spec":{"limits":[{"type":"Container",
        "default":{"cpu":"500m","memory":"512Mi"},"defaultRequest":{"cpu":"250m","memory":"256Mi"}}]}})");
    auto made = world.pod(
        R"({"initContainers":[{"name":"i","resources":{"requests":{"cpu":"1"},"limits":{"cpu":"1","memory":"1Gi"}}}],
        "containers":[{"name":"c","resources":{}}]})");
    CHECK(text_of(made.at("/spec/containers/0/resources")) ==
          R"({"requests":{"cpu":"250m","memory":"256Mi"},"limits":{"cpu":"500m","memory":"512Mi"}})");
    CHECK(text_of(made.at("/spec/initContainers/0/resources/requests")) == R"({"cpu":"1","memory":"256Mi"})");
    CHECK(made.at("/metadata/annotations").as_object().at("kubernetes.io/limit-ranger") ==
          "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c; memory "
          "request for init container i");
}

TEST_CASE("ranges: what containers, pods and claims may not") {
    World world;
    auto range = [&](const std::string& item) {
        world.put("core/limitranges/n/r", R"({"metadata":{"name":"r"},"spec":{"limits":[)" + item + "]}}");
    };
    auto with = [&](const std::string& resources) {
        return world
            .pod(R"({"containers":[{"name":"c","resources":)" + resources + R"(},{"name":"d","resources":)" +
                 resources + "}]}")
            .refusal;
    };
    range(R"({"type":"Container","min":{"cpu":"100m"},"max":{"cpu":"1","memory":"1Gi"}})");
    CHECK(with(R"({"requests":{"cpu":"50m"},"limits":{"cpu":"1","memory":"2Gi"}})") ==
          "[maximum memory usage per Container is 1Gi, but limit is 2Gi, minimum cpu usage per Container is 100m, but "
          "request is 50m]");
    CHECK(with(R"({"limits":{"cpu":"2","memory":"1Gi"},"requests":{"cpu":"1"}})") ==
          "maximum cpu usage per Container is 1, but limit is 2");
    CHECK(with(R"({"requests":{"cpu":"1"},"limits":{"cpu":"1"}})") ==
          "maximum memory usage per Container is 1Gi.  No limit is specified");
    CHECK(with(R"({"limits":{"cpu":"1","memory":"1Gi"}})") ==
          "minimum cpu usage per Container is 100m.  No request is specified");
    range(R"({"type":"Container","maxLimitRequestRatio":{"cpu":"2"}})");
    CHECK(with(R"({"requests":{"cpu":"100m"},"limits":{"cpu":"300m"}})") ==
          "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000");
    CHECK(with(R"({"requests":{"cpu":"100m"},"limits":{"cpu":"200m"}})") == "");
    CHECK(with(R"({"limits":{"cpu":"200m"}})") ==
          "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0");
    range(R"({"type":"Pod","max":{"cpu":"1"}})");
    CHECK(with(R"({"limits":{"cpu":"600m"},"requests":{"cpu":"1m"}})") ==
          "maximum cpu usage per Pod is 1, but limit is 1200m");
    CHECK(with(R"({"limits":{"cpu":"500m"},"requests":{"cpu":"1m"}})") == "");
    range(R"({"type":"PersistentVolumeClaim","min":{"storage":"2Gi"},"max":{"storage":"4Gi"}})");
    auto claim = [&](const std::string& size) {
        return world
            .admit("", "PersistentVolumeClaim",
                   R"({"metadata":{},"spec":{"resources":{"requests":{"storage":")" + size + R"("}}}})")
            .refusal;
    };
    CHECK(claim("1Gi") == "minimum storage usage per PersistentVolumeClaim is 2Gi, but request is 1Gi");
    CHECK(claim("3Gi") == "");
    CHECK(claim("5Gi") == "maximum storage usage per PersistentVolumeClaim is 4Gi, but request is 5Gi");
}

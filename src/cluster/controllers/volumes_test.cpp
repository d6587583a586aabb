// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/testing_internal.h"

namespace pila::cluster::controllers {

namespace {

std::string volume(std::string_view name, std::string_view size, std::string_view more = "") {
    return R"({"metadata":{"name":")" + std::string(name) + R"(","labels":{"name":")" + std::string(name) +
           R"("}},"spec":{"capacity":{"storage":")" + std::string(size) +
           R"("},"accessModes":["ReadWriteOnce"],"nfs":{"server":"s","path":"/"})" + std::string(more) + "}}";
}

std::string claim(std::string_view name, std::string_view size, std::string_view more = "") {
    return R"({"metadata":{"name":")" + std::string(name) + R"("},"spec":{"resources":{"requests":{"storage":")" +
           std::string(size) + R"("}},"accessModes":["ReadWriteOnce"])" + std::string(more) + "}}";
}

void make_volume(World& world, const std::string& text) { world.make("", "persistentvolumes", text); }
void make_claim(World& world, const std::string& text) { world.make("", "persistentvolumeclaims", text); }

std::string phase(const World& world, std::string_view plural, std::string_view name) {
    auto object = world.get("", plural, name);
    return object ? std::string(text_in(*object, "status.phase")) : "gone";
}
std::string claim_phase(const World& world, std::string_view name) {
    return phase(world, "persistentvolumeclaims", name);
}
std::string volume_phase(const World& world, std::string_view name) { return phase(world, "persistentvolumes", name); }

std::string volume_of(const World& world, std::string_view name) {
    return std::string(text_in(*world.get("", "persistentvolumeclaims", name), "spec.volumeName"));
}

bool has_event(const World& world, std::string_view reason, std::string_view message) {
    for (const auto& event : world.all("", "events"))
        if (text_in(event, "reason") == reason && text_in(event, "message") == message) return true;
    return false;
}

std::string storage_class(std::string_view name, std::string_view provisioner, std::string_view mode,
                          bool is_default = false) {
    return R"({"metadata":{"name":")" + std::string(name) + R"(","annotations":{)" +
           (is_default ? R"("storageclass.kubernetes.io/is-default-class":"true")" : "") + R"(}},"provisioner":")" +
           std::string(provisioner) + R"(","volumeBindingMode":")" + std::string(mode) + "\"}";
}

}  // namespace

TEST_CASE("a claim gets the smallest volume that fits, whichever comes first") {
    World world;
    make_volume(world, volume("large", "10Gi"));
    make_volume(world, volume("small", "1Gi"));
    make_volume(world, volume("fitting", "5Gi"));
    make_volume(world, volume("classy", "3Gi", R"(,"storageClassName":"fast")"));
    world.settle();
    CHECK(volume_phase(world, "large") == "Available");
    make_claim(world, claim("one", "2Gi"));
    world.settle();
    CHECK(claim_phase(world, "one") == "Bound");
    CHECK(volume_of(world, "one") == "fitting");
    CHECK(volume_phase(world, "fitting") == "Bound");
    auto bound = *world.get("", "persistentvolumeclaims", "one");
    CHECK(text_in(bound, "status.capacity.storage") == "5Gi");
    CHECK(annotation_of(bound, "pv.kubernetes.io/bind-completed") == "yes");
    CHECK(annotation_of(bound, "pv.kubernetes.io/bound-by-controller") == "yes");
    auto taken = *world.get("", "persistentvolumes", "fitting");
    CHECK(text_in(taken, "spec.claimRef.uid") == text_in(bound, "metadata.uid"));

    make_claim(world, claim("two", "20Gi"));
    world.settle();
    CHECK(claim_phase(world, "two") == "Pending");
    CHECK(has_event(world, "FailedBinding",
                    "no persistent volumes available for this claim and no storage class is set"));
    make_volume(world, volume("huge", "50Gi"));
    world.settle();
    CHECK(volume_of(world, "two") == "huge");
    auto revision = world.state().revision();
    world.restart();
    CHECK(world.state().revision() == revision);
}

TEST_CASE("labels, classes and modes decide on volumes") {
    World world;
    for (auto name : {"a", "b"}) make_volume(world, volume(name, "1Gi"));
    make_volume(world, volume("block", "1Gi", R"(,"volumeMode":"Block")"));
    make_volume(world, volume("fast", "1Gi", R"(,"storageClassName":"fast")"));
    world.settle();
    make_claim(world, claim("chosen", "1Gi", R"(,"selector":{"matchLabels":{"name":"b"}})"));
    make_claim(world, claim("raw", "1Gi", R"(,"volumeMode":"Block")"));
    make_claim(world, claim("quick", "1Gi", R"(,"storageClassName":"fast")"));
    make_claim(world, R"({"metadata":{"name":"shared"},"spec":{"resources":{"requests":{"storage":"1Gi"}},)"
                      R"("accessModes":["ReadWriteMany"]}})");
    world.settle();
    CHECK(volume_of(world, "chosen") == "b");
    CHECK(volume_of(world, "raw") == "block");
    CHECK(volume_of(world, "quick") == "fast");
    CHECK(claim_phase(world, "shared") == "Pending");
}

TEST_CASE("a volume that is reserved is for nobody else, and a claim may name its volume") {
    World world;
    make_volume(world, volume("reserved", "1Gi", R"(,"claimRef":{"namespace":"default","name":"mine"})"));
    make_volume(world, volume("named", "1Gi"));
    make_claim(world, claim("other", "1Gi", R"(,"volumeName":"reserved")"));
    world.settle();
    CHECK(claim_phase(world, "other") == "Pending");
    CHECK(has_event(world, "FailedBinding", R"(volume "reserved" already bound to a different claim.)"));
    make_claim(world, claim("large", "2Gi", R"(,"volumeName":"named")"));
    world.settle();
    CHECK(has_event(world, "VolumeMismatch", R"(Cannot bind to requested volume "named": requested PV is too small)"));
    make_claim(world, claim("mine", "1Gi"));
    make_claim(world, claim("asks", "1Gi", R"(,"volumeName":"named")"));
    world.settle();
    CHECK(volume_of(world, "mine") == "reserved");
    CHECK(claim_phase(world, "asks") == "Bound");
    CHECK(
        annotation_of(*world.get("", "persistentvolumes", "reserved"), "pv.kubernetes.io/bound-by-controller").empty());
}

TEST_CASE("what becomes of a volume whose claim is gone, and of a claim whose volume is") {
    World world;
    make_volume(world, volume("kept", "1Gi", R"(,"persistentVolumeReclaimPolicy":"Retain")"));
    make_claim(world, claim("one", "1Gi"));
    world.settle();
    world.remove("", "persistentvolumeclaims", "one");
    world.settle();
    CHECK(volume_phase(world, "kept") == "Released");
    make_claim(world, claim("one", "1Gi"));  // the same name, but not the same claim
    world.settle();
    CHECK(claim_phase(world, "one") == "Pending");
    world.change("", "persistentvolumes", "kept", R"({"spec":{"claimRef":null}})");
    world.settle();
    CHECK(claim_phase(world, "one") == "Bound");
    world.remove("", "persistentvolumes", "kept");
    world.settle();
    CHECK(claim_phase(world, "one") == "Lost");
    CHECK(has_event(world, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"));

    make_volume(world, volume("used-up", "1Gi", R"(,"persistentVolumeReclaimPolicy":"Delete")"));
    make_claim(world, claim("two", "1Gi"));
    world.settle();
    world.remove("", "persistentvolumeclaims", "two");
    world.settle();
    CHECK(volume_phase(world, "used-up") == "Failed");
    CHECK(text_in(*world.get("", "persistentvolumes", "used-up"), "status.message") ==
          R"(error getting deleter volume plugin for volume "used-up": no deletable volume plugin matched)");
}

TEST_CASE("classes: the default one, those that wait for a pod, those that somebody else serves") {
    World world;
    make_claim(world, claim("early", "1Gi"));
    world.settle();
    world.make("storage.k8s.io", "storageclasses", storage_class("standard", "example.com/disk", "Immediate", true));
    world.make("storage.k8s.io", "storageclasses",
               storage_class("local", "kubernetes.io/no-provisioner", "WaitForFirstConsumer"));
    world.settle();
    auto early = *world.get("", "persistentvolumeclaims", "early");
    CHECK(text_in(early, "spec.storageClassName") == "standard");
    CHECK(annotation_of(early, "volume.kubernetes.io/storage-provisioner") == "example.com/disk");
    CHECK(text_in(early, "status.phase") == "Pending");

    make_volume(world, volume("disk", "1Gi", R"(,"storageClassName":"local")"));
    make_claim(world, claim("late", "1Gi", R"(,"storageClassName":"local")"));
    world.settle();
    CHECK(claim_phase(world, "late") == "Pending");
    CHECK(has_event(world, "WaitForFirstConsumer", "waiting for first consumer to be created before binding"));
    world.change("", "persistentvolumeclaims", "late",
                 R"({"metadata":{"annotations":{"volume.kubernetes.io/selected-node":"n"}}})");
    world.settle();
    CHECK(claim_phase(world, "late") == "Bound");
    make_claim(world, claim("lost", "1Gi", R"(,"storageClassName":"none")"));
    world.settle();
    CHECK(has_event(world, "ProvisioningFailed", R"(storageclass.storage.k8s.io "none" not found)"));
}

TEST_CASE("a claim in use and a bound volume stay until they are not") {
    World world;
    make_volume(world, volume("disk", "1Gi"));
    make_claim(world, claim("data", "1Gi"));
    world.settle();
    const char* held = R"({"metadata":{"finalizers":["kubernetes.io/pvc-protection","kubernetes.io/pv-protection"]}})";
    world.change("", "persistentvolumes", "disk", held);
    world.change("", "persistentvolumeclaims", "data", held);
    world.change("", "persistentvolumeclaims", "data",
                 R"({"metadata":{"finalizers":["kubernetes.io/pvc-protection"]}})");
    world.change("", "persistentvolumes", "disk", R"({"metadata":{"finalizers":["kubernetes.io/pv-protection"]}})");
    world.make("", "nodes", R"({"metadata":{"name":"n"}})");
    world.make("", "pods",
               R"({"metadata":{"name":"user"},"spec":{"nodeName":"n","containers":[{"name":"c","image":"i"}],)"
               R"("volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"data"}}]}})");
    world.settle();
    world.remove("", "persistentvolumes", "disk");
    world.remove("", "persistentvolumeclaims", "data");
    world.settle();
    CHECK(is_going(*world.get("", "persistentvolumes", "disk")));
    CHECK(is_going(*world.get("", "persistentvolumeclaims", "data")));
    world.change("", "pods", "user", R"({"status":{"phase":"Succeeded"}})", "status");
    world.settle();
    CHECK(world.get("", "persistentvolumeclaims", "data"));
    world.remove("", "pods", "user");
    world.settle();
    CHECK_FALSE(world.get("", "persistentvolumeclaims", "data"));
    CHECK_FALSE(world.get("", "persistentvolumes", "disk"));
}

TEST_CASE("pods of a node that does not come back go") {
    World world;
    world.make("", "nodes", R"({"metadata":{"name":"n"}})");
    for (const std::string node : {"n", "never"})
        world.make("", "pods",
                   R"({"metadata":{"name":"on-)" + node + R"("},"spec":{"nodeName":")" + node +
                       R"(","containers":[{"name":"c","image":"i"}]}})");
    world.settle();
    world.pass(41);
    CHECK(world.get("", "pods", "on-n"));
    CHECK_FALSE(world.get("", "pods", "on-never"));
    world.remove("", "nodes", "n");
    world.pass(30);
    CHECK(world.get("", "pods", "on-n"));
    world.make("", "nodes", R"({"metadata":{"name":"n"}})");
    world.pass(30);
    CHECK(world.get("", "pods", "on-n"));
    world.remove("", "nodes", "n");
    world.change("", "pods", "on-n", R"({"metadata":{"finalizers":["test/hold"]}})");
    world.pass(41);
    auto pod = *world.get("", "pods", "on-n");
    CHECK(text_in(pod, "status.phase") == "Failed");
    auto status = *object_in(pod, "status");
    CHECK(text_in(*find_condition(status, "DisruptionTarget"), "reason") == "DeletionByPodGC");
    CHECK(is_going(pod));
}

}  // namespace pila::cluster::controllers

// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/admit.h"

#include <atomic>
#include <thread>

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/schema/catalogue.h"

using namespace pila;
using namespace pila::cluster;
using namespace pila::cluster::api;

namespace {

const User user{"tester", "", {}};
const User controller{"system:serviceaccount:kube-system:resourcequota-controller", "", {}};

const schema::Kind& kind_of(const std::string& group, std::string_view plural) {
    return *schema::Catalogue::builtin().find_resource({group, "v1"}, plural);
}
const schema::Kind &pods = kind_of("", "pods"), &quotas = kind_of("", "resourcequotas");

std::string pod(const std::string& name, const std::string& resources = R"({"requests":{"cpu":"100m"}})",
                const std::string& more = "") {
    return R"({"metadata":{)" + (name.ends_with('-') ? R"("generateName":")" : std::string(R"("name":")")) + name +
           R"("},"spec":{)" + more + R"("containers":[{"name":"c","image":"i","resources":)" + resources + "}]}}";
}

struct Cluster {
    std::unique_ptr<state::State> state = state::State::open("").take();
    Registry registry{*state};
    Admit admit{registry};

    Cluster() {
        REQUIRE(ensure_standing_objects(registry));
        make(kind_of("", "namespaces"), R"({"metadata":{"name":"n"}})");
        make(kind_of("", "serviceaccounts"), R"({"metadata":{"name":"default"}})");
    }

    Call call(const schema::Kind& kind, std::string name = "", const User& by = user) const {
        return {.kind = kind,
                .name_space = kind.is_namespaced ? "n" : "",
                .name = std::move(name),
                .user = by,
                .manager = "test"};
    }
    Outcome<Written> create(const schema::Kind& kind, std::string_view text, bool dry_run = false) {
        auto made = call(kind);
        made.dry_run = dry_run;
        return registry.create(made, json::parse(text), {});
    }
    std::string refusal(const schema::Kind& kind, std::string_view text) {
        auto made = create(kind, text);
        return made ? "" : made.error().message;
    }
    json::object make(const schema::Kind& kind, std::string_view text) {
        auto made = create(kind, text);
        INFO((made ? "" : made.error().message));
        REQUIRE(made);
        return json::parse((*made).object->bytes).as_object();
    }
    void remove(const schema::Kind& kind, const std::string& name) {
        auto gone = call(kind, name);
        REQUIRE(registry.remove(gone, {}));
    }

    // As the controller does it. false: it was a conflict.
    bool count_anew(const std::string& name) {
        auto asked = call(quotas, name, controller);
        auto stored = registry.get(asked);
        REQUIRE(stored);
        auto object = json::parse((*stored)->bytes).as_object();
        auto hard = object["spec"].as_object()["hard"];
        auto& status = object["status"];
        if (!status.is_object()) status.emplace_object();
        status.as_object()["hard"] = std::move(hard);
        asked.subresource = "status";
        auto written = registry.update(asked, std::move(object), {});
        if (!written) CHECK(written.error().code == 409);
        return bool(written);
    }
    void quota(const std::string& name, const std::string& hard, const std::string& more = "") {
        make(quotas, R"({"metadata":{"name":")" + name + R"("},"spec":{)" + more + R"("hard":)" + hard + "}}");
        REQUIRE(count_anew(name));
    }
    std::string used(const std::string& name) const {
        auto stored = registry.get(call(quotas, name));
        REQUIRE(stored);
        return json::serialize(json::parse((*stored)->bytes).at_pointer("/status/used"));
    }
};

}  // namespace

TEST_CASE("a quota counts pods and what they ask for, in Kubernetes' words") {
    Cluster cluster;
    cluster.quota("few", R"({"pods":"2","requests.cpu":"250m"})");
    CHECK(cluster.used("few") == R"({"pods":"0","requests.cpu":"0"})");
    CHECK(cluster.refusal(pods, pod("bare", "{}")) ==
          "pods \"bare\" is forbidden: failed quota: few: must specify requests.cpu for: c");
    cluster.make(pods, pod("a"));
    cluster.make(pods, pod("b"));
    CHECK(cluster.used("few") == R"({"pods":"2","requests.cpu":"200m"})");
    CHECK(cluster.refusal(pods, pod("c")) ==
          "pods \"c\" is forbidden: exceeded quota: few, requested: pods=1,requests.cpu=100m, used: "
          "pods=2,requests.cpu=200m, limited: pods=2,requests.cpu=250m");
    CHECK(cluster.used("few") == R"({"pods":"2","requests.cpu":"200m"})");
    cluster.remove(pods, "a");
    REQUIRE(cluster.count_anew("few"));
    CHECK(cluster.used("few") == R"({"pods":"1","requests.cpu":"100m"})");
    CHECK(cluster.create(pods, pod("dry"), true));
    CHECK(cluster.used("few") == R"({"pods":"1","requests.cpu":"100m"})");
}

TEST_CASE("what was charged is given back when the write fails") {
    Cluster cluster;
    cluster.quota("few", R"({"pods":"5"})");
    cluster.make(pods, pod("a"));
    CHECK(cluster.refusal(pods, pod("a")) == "pods \"a\" already exists");
    CHECK(cluster.used("few") == R"({"pods":"1"})");
}

TEST_CASE("init containers, sidecars and overhead") {
    Cluster cluster;
    cluster.quota("cpu", R"({"cpu":"10","limits.memory":"10Gi"})");
    auto part = [](const std::string& name, const std::string& cpu, const std::string& more = "") {
        return R"({"name":")" + name + R"(","image":"i",)" + more + R"("resources":{"requests":{"cpu":")" + cpu +
               R"("},"limits":{"memory":"1Gi"}}})";
    };
    auto spec = R"({"metadata":{"name":"a"},"spec":{"initContainers":[)" +
                part("side", "1", R"("restartPolicy":"Always",)") + "," + part("init", "3") + R"(],"containers":[)" +
                part("c", "500m") + "," + part("d", "500m") + "]}}";
    cluster.make(pods, spec);
    CHECK(cluster.used("cpu") == R"({"cpu":"4","limits.memory":"3Gi"})");
    REQUIRE(cluster.count_anew("cpu"));
    CHECK(cluster.used("cpu") == R"({"cpu":"4","limits.memory":"3Gi"})");
}

TEST_CASE("scopes choose pods") {
    Cluster cluster;
    cluster.quota("best", R"({"pods":"1"})", R"("scopes":["BestEffort"],)");
    cluster.quota("ending", R"({"pods":"1"})", R"("scopes":["Terminating"],)");
    cluster.quota("critical", R"({"pods":"0"})",
                  R"("scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"In",
                     "values":["system-node-critical"]}]},)");
    cluster.make(pods, pod("a"));
    cluster.make(pods, pod("b", "{}"));
    CHECK(cluster.refusal(pods, pod("c", "{}"))
              .find("exceeded quota: best, requested: pods=1, used: pods=1, limited: pods=1") != std::string::npos);
    cluster.make(pods, pod("d", R"({"requests":{"cpu":"1"}})", R"("activeDeadlineSeconds":5,)"));
    CHECK(cluster.refusal(pods, pod("e", R"({"requests":{"cpu":"1"}})", R"("activeDeadlineSeconds":5,)"))
              .find("exceeded quota: ending") != std::string::npos);
    CHECK(
        cluster.refusal(pods, pod("f", R"({"requests":{"cpu":"1"}})", R"("priorityClassName":"system-node-critical",)"))
            .find("exceeded quota: critical, requested: pods=1, used: pods=0, limited: pods=0") != std::string::npos);
}

TEST_CASE("services, claims by their class, and objects by their number") {
    Cluster cluster;
    cluster.quota("net", R"({"services":"3","services.loadbalancers":"1","services.nodeports":"3"})");
    cluster.quota("disk", R"({"requests.storage":"10Gi","fast.storageclass.storage.k8s.io/requests.storage":"2Gi",
        "fast.storageclass.storage.k8s.io/persistentvolumeclaims":"1"})");
    cluster.quota("number", R"({"count/deployments.apps":"1","configmaps":"1","count/configmaps":"2"})");
    auto service = [](const std::string& name, const std::string& type) {
        return R"({"metadata":{"name":")" + name + R"("},"spec":{"type":")" + type +
               R"(","ports":[{"name":"a","port":1},{"name":"b","port":2}]}})";
    };
    const auto& services = kind_of("", "services");
    cluster.make(services, service("a", "LoadBalancer"));
    CHECK(cluster.used("net") == R"({"services":"1","services.loadbalancers":"1","services.nodeports":"2"})");
    CHECK(cluster.refusal(services, service("b", "NodePort")) ==
          "services \"b\" is forbidden: exceeded quota: net, requested: services.nodeports=2, used: "
          "services.nodeports=2, limited: services.nodeports=3");
    cluster.make(services, service("c", "ClusterIP"));
    auto changed = cluster.call(services, "c");
    auto updated = cluster.registry.patch(changed, PatchType::Merge, json::parse(R"({"spec":{"type":"LoadBalancer"}})"),
                                          false, {});
    REQUIRE_FALSE(updated);
    CHECK(updated.error().message.find(
              "exceeded quota: net, requested: services.loadbalancers=1,services.nodeports=2") != std::string::npos);
    const auto& claims = kind_of("", "persistentvolumeclaims");
    auto claim = [](const std::string& name, const std::string& size, const std::string& in) {
        return R"({"metadata":{"name":")" + name +
               R"("},"spec":{"accessModes":["ReadWriteOnce"],"storageClassName":")" + in +
               R"(","resources":{"requests":{"storage":")" + size + R"("}}}})";
    };
    CHECK(cluster.refusal(claims, claim("a", "3Gi", "fast"))
              .find("fast.storageclass.storage.k8s.io/requests.storage=3Gi") != std::string::npos);
    cluster.make(claims, claim("b", "2Gi", "fast"));
    cluster.make(claims, claim("c", "8Gi", "slow"));
    CHECK(cluster.refusal(claims, claim("d", "1Gi", "slow")).find("used: requests.storage=10Gi") != std::string::npos);
    cluster.quota("events", R"({"count/events":"0","count/leases.coordination.k8s.io":"0"})");
    cluster.make(kind_of("", "events"), R"({"metadata":{"name":"e"},"involvedObject":{"namespace":"n"}})");
    CHECK(cluster.refusal(kind_of("coordination.k8s.io", "leases"), R"({"metadata":{"name":"l"}})")
              .find("requested: count/leases.coordination.k8s.io=1") != std::string::npos);
    const auto& maps = kind_of("", "configmaps");
    cluster.make(maps, R"({"metadata":{"name":"a"}})");
    CHECK(cluster.refusal(maps, R"({"metadata":{"name":"b"}})") ==
          "configmaps \"b\" is forbidden: exceeded quota: number, requested: configmaps=1, used: configmaps=1, "
          "limited: configmaps=1");
    CHECK(cluster.used("number") == R"({"configmaps":"1","count/configmaps":"1","count/deployments.apps":"0"})");
}

TEST_CASE("eight clients and a counting controller never exceed a quota") {
    Cluster cluster;
    constexpr int most = 25, each = 40;
    cluster.quota("few", R"({"pods":"25","count/pods":"1000"})");
    cluster.quota("other", R"({"count/pods":"500"})");
    std::atomic<bool> done = false;
    std::atomic<int> made = 0, refused = 0;
    auto count_pods = [&] { return cluster.state->list(prefix_of(pods, "n"), "", 0, 0).take().objects.size(); };
    std::thread counting([&] {
        while (!done) {
            cluster.count_anew("few");
            CHECK(count_pods() <= most);
        }
    });
    std::vector<std::thread> clients;
    for (int client = 0; client < 8; ++client)
        clients.emplace_back([&, client] {
            for (int index = 0; index < each; ++index) {
                auto name = "p" + std::to_string(client) + "-" + std::to_string(index);
                auto call = cluster.call(pods);
                auto written = cluster.registry.create(call, json::parse(pod(name)), {});
                ++(written ? made : refused);
                if (!written) CHECK(written.error().message.find("exceeded quota: few") != std::string::npos);
                if (written && index % 4 == 0) {
                    auto gone = cluster.call(pods, name);
                    CHECK(cluster.registry.remove(gone, {}));
                }
            }
        });
    for (auto& client : clients) client.join();
    done = true;
    counting.join();
    REQUIRE(cluster.count_anew("few"));
    auto there = count_pods();
    CHECK(there <= most);
    CHECK(made >= most);
    CHECK(made + refused == 8 * each);
    CHECK(cluster.used("few") ==
          R"({"count/pods":")" + std::to_string(there) + R"(","pods":")" + std::to_string(there) + "\"}");
    while (count_pods() < most) cluster.make(pods, pod("fill-"));  // all of it may be had
    CHECK(cluster.refusal(pods, pod("full")) != "");
}

TEST_CASE("what admission fills in is nobody's field") {
    Cluster cluster;
    auto made = cluster.make(pods, pod("a"));
    CHECK(made["spec"].as_object().contains("volumes"));
    CHECK(json::serialize(made["metadata"].as_object()["managedFields"]).find("f:volumes") == std::string::npos);
    CHECK(cluster.refusal(pods, pod("web-", "{}", R"("priorityClassName":"none",)")) ==
          "pods \"web-\" is forbidden: no PriorityClass with name none was found");
}

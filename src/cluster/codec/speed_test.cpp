// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <ctime>

#include "cluster/codec/test_support_internal.h"

using namespace pila;
using namespace pila::cluster::codec;

namespace {

// About what a pod of a real cluster weighs: 4 kB.
std::string typical_pod() {
    std::string containers;
    for (int index = 0; index < 3; ++index)
        containers += fmt::format(
            R"({}{{"name":"worker-{}","image":"registry.example/team/service-{}:1.2.{}","args":["--listen=0.0.0.0:8080","--level","info"],)"
            R"("ports":[{{"name":"http","containerPort":8080}},{{"name":"metrics","containerPort":9090,"protocol":"TCP"}}],)"
            R"("env":[{{"name":"POD_NAME","valueFrom":{{"fieldRef":{{"apiVersion":"v1","fieldPath":"metadata.name"}}}}}},{{"name":"MODE","value":"production"}},)"
            R"({{"name":"TOKEN","valueFrom":{{"secretKeyRef":{{"name":"credentials","key":"token"}}}}}}],"resources":{{"limits":{{"cpu":"1000m","memory":"512Mi"}},)"
            R"("requests":{{"cpu":"250m","memory":"128Mi"}}}},"volumeMounts":[{{"name":"data","mountPath":"/data"}},{{"name":"config","mountPath":"/etc/config","readOnly":true}}],)"
            R"("livenessProbe":{{"httpGet":{{"path":"/healthz","port":"http","scheme":"HTTP"}},"initialDelaySeconds":3,"timeoutSeconds":1,"periodSeconds":10}},)"
            R"("securityContext":{{"capabilities":{{"drop":["ALL"]}},"runAsNonRoot":true,"allowPrivilegeEscalation":false}}}})",
            index ? "," : "", index, index, index);
    return R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-7d4b9c6f5-x2x8z","generateName":"web-7d4b9c6f5-","namespace":"default",)"
           R"("labels":{"app":"web","pod-template-hash":"7d4b9c6f5","tier":"front"},"annotations":{"checksum/config":"8d1f0c4e"},"ownerReferences":[)"
           R"({"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-7d4b9c6f5","uid":"0b1e7f3a-5a57-4d3e-8f6a-3f1f6d2f7c11","controller":true,)"
           R"("blockOwnerDeletion":true}]},"spec":{"containers":[)" +
           containers +
           R"(],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","nodeName":"n1",)"
           R"("securityContext":{"fsGroup":1000},"schedulerName":"default-scheduler","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists",)"
           R"("effect":"NoExecute","tolerationSeconds":300}],"volumes":[{"name":"data","emptyDir":{"sizeLimit":"1Gi"}},{"name":"config","configMap":{"name":"settings",)"
           R"("defaultMode":420}}]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-11-01T10:00:00Z"}],)"
           R"("podIP":"10.0.0.7","startTime":"2026-11-01T10:00:00Z"}})";
}

// Of this thread's processor time: others use the machine, too.
template <typename Work>
double microseconds(int rounds, Work work) {
    auto now = [] {
        timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
    };
    auto begin = now();
    for (int round = 0; round < rounds; ++round) work();
    return (now() - begin) / rounds;
}

}  // namespace

TEST_CASE("a pod is read, fitted, defaulted and written fast") {
    auto text = typical_pod();
    auto node = node_of("v1", "Pod");
    std::vector<unsigned char> arena(256U << 10);
    std::size_t sum = 0;
    constexpr int rounds = 2000;
    auto pass = [&](int steps) {
        json::monotonic_resource memory(arena.data(), arena.size());
        Faults faults;
        auto value = read_json(text, &memory, &faults);
        if (steps > 1) CHECK(fit(*value, node, faults).ok());
        if (steps > 2) apply_defaults(*value, node);
        if (steps > 3) CHECK(canonicalize(*value, node).ok());
        if (steps > 4) sum += json::serialize(*value).size();
    };
    pass(5);
    double took[6] = {};
    for (int steps = 1; steps <= 5; ++steps) {
        took[steps] = microseconds(rounds, [&] { pass(steps); });
        for (int again = 0; again < 2; ++again)
            took[steps] = std::min(took[steps], microseconds(rounds, [&] { pass(steps); }));
    }
    CHECK(sum > 0);
    MESSAGE(text.size(), " bytes: ", took[5], " us in all, ", static_cast<double>(text.size()) / took[5],
            " MB/s; read ", took[1], ", fit ", took[2] - took[1], ", defaults ", took[3] - took[2], ", amounts ",
            took[4] - took[3], ", write ", took[5] - took[4]);
    auto pod = parsed(text);
    auto bytes = write_protobuf(pod);
    REQUIRE_MESSAGE(bytes.ok(), message_of(bytes));
    auto written = microseconds(rounds, [&] { sum += write_protobuf(pod)->size(); });
    auto read = microseconds(rounds, [&] {
        json::monotonic_resource memory(arena.data(), arena.size());
        sum += read_protobuf(*bytes, &memory)->is_object();
    });
    auto yaml = microseconds(50, [&] { sum += read_yaml(text, {})->is_object(); });
    MESSAGE("protobuf of ", bytes->size(), " bytes: read ", read, " us, written ", written,
            " us; the same text as YAML ", yaml, " us");
}

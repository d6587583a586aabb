// SPDX-License-Identifier: Apache-2.0
#include "cluster/admission/security_internal.h"
#include "cluster/admission/testing_internal.h"

using namespace pila;
using namespace pila::cluster;
using namespace pila::cluster::admission;

namespace {

std::string judged(Level level, std::string_view spec, int minor = LevelVersion::newest,
                   std::string_view metadata = "{}") {
    auto meta = json::parse(metadata).as_object();
    return details_of(violations({level, minor}, &meta, json::parse(spec).as_object()));
}
std::string baseline(std::string_view spec, int minor = LevelVersion::newest, std::string_view metadata = "{}") {
    return judged(Level::Baseline, spec, minor, metadata);
}
std::string of_container(std::string_view context, Level level = Level::Baseline) {
    return judged(level, R"({"containers":[{"name":"a","securityContext":)" + std::string(context) + "}]}");
}

constexpr std::string_view good =
    R"({"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"a",
        "securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"],"add":["NET_BIND_SERVICE"]}}}]})";

}  // namespace

TEST_CASE("the restricted level in Kubernetes' words") {
    CHECK(judged(Level::Restricted, good) == "");
    CHECK(
        judged(Level::Restricted, R"({"containers":[{"name":"a"},{"name":"b"}]})") ==
        R"(allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false), )"
        R"(unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"]), )"
        R"(runAsNonRoot != true (pod or containers "a", "b" must set securityContext.runAsNonRoot=true), )"
        R"(seccompProfile (pod or containers "a", "b" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"))");
    auto wrong = of_container(R"({"allowPrivilegeEscalation":false,"runAsNonRoot":false,"runAsUser":0,
        "capabilities":{"drop":["ALL"],"add":["CHOWN","NET_BIND_SERVICE"]},"seccompProfile":{"type":"Unconfined"}})",
                              Level::Restricted);
    CHECK(wrong ==
          R"(unrestricted capabilities (container "a" must not include "CHOWN" in securityContext.capabilities.add), )"
          R"(runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false), )"
          R"(runAsUser=0 (container "a" must not set runAsUser=0), )"
          R"(seccompProfile (container "a" must not set securityContext.seccompProfile.type to "Unconfined"))");
    CHECK(judged(Level::Restricted, R"({"volumes":[{"name":"h","hostPath":{"path":"/"}},{"name":"n","nfs":{}},
        {"name":"e","emptyDir":{}}]})") ==
          R"(restricted volume types (volumes "h", "n" use restricted volume types "hostPath", "nfs"))");
}

TEST_CASE("the baseline level in Kubernetes' words") {
    CHECK(baseline(good) == "");
    CHECK(baseline(R"({"hostNetwork":true,"hostPID":true,"hostIPC":false})") ==
          "host namespaces (hostNetwork=true, hostPID=true)");
    CHECK(baseline(R"({"volumes":[{"name":"h","hostPath":{"path":"/"}}]})") == R"(hostPath volumes (volume "h"))");
    CHECK(baseline(R"({"containers":[{"name":"a","ports":[{"hostPort":80},{"containerPort":1}]},
        {"name":"b","ports":[{"hostPort":80}]}]})") == R"(hostPort (containers "a", "b" use hostPort 80))");
    CHECK(of_container(R"({"privileged":true})") ==
          R"(privileged (container "a" must not set securityContext.privileged=true))");
    CHECK(
        of_container(R"({"capabilities":{"add":["NET_ADMIN","KILL","BPF"]}})") ==
        R"(non-default capabilities (container "a" must not include "BPF", "NET_ADMIN" in securityContext.capabilities.add))");
    CHECK(of_container(R"({"procMount":"Unmasked"})") ==
          R"(procMount (container "a" must not set securityContext.procMount to "Unmasked"))");
    CHECK(of_container(R"({"windowsOptions":{"hostProcess":true}})") ==
          R"(hostProcess (container "a" must not set securityContext.windowsOptions.hostProcess=true))");
    CHECK(baseline(R"({"securityContext":{"sysctls":[{"name":"kernel.msgmax"},{"name":"net.ipv4.tcp_rmem"}]}})") ==
          "forbidden sysctls (kernel.msgmax)");
    CHECK(baseline(R"({"securityContext":{"sysctls":[{"name":"net.ipv4.tcp_rmem"}]}})", 31) ==
          "forbidden sysctls (net.ipv4.tcp_rmem)");
    CHECK(baseline(R"({"securityContext":{"seccompProfile":{"type":"Unconfined"}}})") ==
          R"(seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined"))");
    CHECK(baseline(R"({"securityContext":{"seLinuxOptions":{"type":"spc_t","user":"u"}}})") ==
          R"(seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set))");
    CHECK(baseline(R"({"securityContext":{"seLinuxOptions":{"type":"container_engine_t"}}})") == "");
    CHECK(baseline(R"({"securityContext":{"seLinuxOptions":{"type":"container_engine_t"}}})", 30) != "");
    CHECK(baseline(R"({"securityContext":{"appArmorProfile":{"type":"Unconfined"}},"containers":[{"name":"a",
        "securityContext":{"appArmorProfile":{"type":"Localhost"}}}]})") ==
          R"(forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined"))");
}

TEST_CASE("a namespace's labels hold its pods") {
    World world;
    auto label = [&](const std::string& labels) {
        world.put("core/namespaces/n", R"({"metadata":{"name":"n","labels":{)" + labels + "}}}");
    };
    constexpr std::string_view risky = R"({"hostNetwork":true,"containers":[]})";
    label(R"("pod-security.kubernetes.io/enforce":"baseline")");
    CHECK(world.pod(risky).refusal == R"(violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true))");
    label(R"("pod-security.kubernetes.io/enforce":"privileged","pod-security.kubernetes.io/warn":"baseline",
        "pod-security.kubernetes.io/warn-version":"v1.25")");
    CHECK(world.pod(risky).refusal == "");
    CHECK(
        world.pod(risky).warnings ==
        std::vector<std::string>{R"(would violate PodSecurity "baseline:v1.25": host namespaces (hostNetwork=true))"});
    label(R"("pod-security.kubernetes.io/enforce":"baseline")");
    auto deployment =
        world.admit("apps", "Deployment", R"({"metadata":{},"spec":{"template":{"spec":)" + std::string(risky) + "}}}");
    CHECK(deployment.refusal == "");
    CHECK(deployment.warnings.size() == 1);
    auto pod = [](std::string_view image) {
        return R"({"metadata":{},"spec":{"hostNetwork":true,"containers":[{"name":"c","image":")" + std::string(image) +
               R"("}]}})";
    };
    CHECK(world.admit("", "Pod", pod("a"), pod("a")).refusal == "");  // it is there, and nothing changes that matters
    CHECK(world.admit("", "Pod", pod("b"), pod("a")).refusal != "");
}

TEST_CASE("labels of a namespace are read, and pods that are there are told of") {
    World world;
    auto space = [](const std::string& level) {
        return R"({"metadata":{"name":"web","labels":{"pod-security.kubernetes.io/enforce":")" + level + R"("}}})";
    };
    auto wrong = world.admit("", "Namespace", space("strict"));
    REQUIRE(wrong.causes.size() == 1);
    CHECK(wrong.causes[0].field == "metadata.labels[pod-security.kubernetes.io/enforce]");
    CHECK(wrong.causes[0].message == R"(Invalid value: "strict": must be one of privileged, baseline, restricted)");
    for (std::string name : {"b", "a", "c"})
        world.put("core/pods/web/" + name,
                  R"({"metadata":{"name":")" + name + R"("},"spec":{"hostPID":true,"containers":[]}})");
    world.put("core/pods/web/d",
              R"({"metadata":{"name":"d"},"spec":{"hostPID":true,"volumes":[{"name":"h","hostPath":{}}]}})");
    auto told = world.admit("", "Namespace", space("baseline"), space("privileged"));
    CHECK(told.warnings ==
          std::vector<std::string>{
              R"(existing pods in namespace "web" violate the new PodSecurity enforce level "baseline:latest")",
              "a (and 2 other pods): host namespaces", "d: host namespaces, hostPath volumes"});
    CHECK(world.admit("", "Namespace", space("baseline"), space("restricted")).warnings.empty());
}

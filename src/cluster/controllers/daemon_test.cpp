// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/daemon_look.h"
#include "cluster/controllers/node_fit.h"
#include "cluster/controllers/testing_internal.h"

namespace pila::cluster::controllers {

namespace {

std::string daemon(std::string_view pod_more = "", std::string_view more = "", std::string_view image = "i:1") {
    return R"({"metadata":{"name":"agent"},"spec":{"selector":{"matchLabels":{"app":"agent"}})" + std::string(more) +
           R"(,"template":{"metadata":{"labels":{"app":"agent"}},"spec":{)" + std::string(pod_more) +
           R"("containers":[{"name":"c","image":")" + std::string(image) + R"("}]}}}})";
}

void add_node(World& world, const std::string& name, const std::string& labels = "{}", const std::string& spec = "{}") {
    world.make("", "nodes",
               R"({"metadata":{"name":")" + name + R"(","labels":)" + labels + R"(},"spec":)" + spec + "}");
}

void add_nodes(World& world, int count) {
    for (int number = 1; number <= count; ++number) add_node(world, "n" + std::to_string(number));
    world.settle();
}

std::multiset<std::string> nodes_of_pods(const World& world) {
    std::multiset<std::string> nodes;
    for (const auto& pod : world.all("", "pods"))
        if (!is_going(pod)) nodes.insert(node_of(pod));
    return nodes;
}

std::int64_t status(const World& world, std::string_view member) {
    return number_in(*world.get("apps", "daemonsets", "agent"), "status." + std::string(member));
}

std::int64_t count_image(const World& world, std::string_view image) {
    std::int64_t count = 0;
    for (const auto& pod : world.all("", "pods"))
        count += !is_going(pod) && text_in((*list_in(pod, "spec.containers"))[0].get_object(), "image") == image;
    return count;
}

const char* other_image = R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i:2"}]}}}})";

}  // namespace

TEST_CASE("a daemon set has a pod for every node, also for those that come later") {
    World world;
    add_nodes(world, 2);
    world.make("apps", "daemonsets", daemon());
    world.settle();
    CHECK(nodes_of_pods(world) == std::multiset<std::string>{"n1", "n2"});
    CHECK(status(world, "desiredNumberScheduled") == 2);
    CHECK(status(world, "currentNumberScheduled") == 2);
    CHECK(status(world, "numberUnavailable") == 2);
    add_node(world, "n3");
    world.settle();
    world.all_ready();
    CHECK(nodes_of_pods(world) == std::multiset<std::string>{"n1", "n2", "n3"});
    for (auto member : {"numberReady", "numberAvailable", "updatedNumberScheduled"}) CHECK(status(world, member) == 3);
    world.remove("", "nodes", "n2");
    world.settle();
    CHECK(nodes_of_pods(world) == std::multiset<std::string>{"n1", "n3"});
    auto revision = world.state().revision();
    world.restart();
    CHECK(world.state().revision() == revision);
}

TEST_CASE("which nodes a daemon set takes: labels, names, taints") {
    World world;
    add_node(world, "plain");
    add_node(world, "disk", R"({"disk":"ssd"})");
    add_node(world, "kept", R"({"disk":"ssd"})", R"({"taints":[{"key":"own","value":"x","effect":"NoSchedule"}]})");
    add_node(world, "closed", R"({"disk":"ssd"})",
             R"({"unschedulable":true,"taints":[{"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule"}]})");
    world.make("apps", "daemonsets", daemon(R"("nodeSelector":{"disk":"ssd"},)"));
    world.settle();
    CHECK(nodes_of_pods(world) == std::multiset<std::string>{"closed", "disk"});
    world.change("apps", "daemonsets", "agent",
                 R"({"spec":{"template":{"spec":{"tolerations":[{"key":"own","operator":"Exists"}]}}}})");
    world.roll_out();
    CHECK(nodes_of_pods(world) == std::multiset<std::string>{"closed", "disk", "kept"});
    // A taint that only keeps others away leaves the pod where it is; one that drives them off does not.
    world.change("", "nodes", "disk", R"({"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}})");
    world.settle();
    CHECK(nodes_of_pods(world).size() == 3);
    CHECK(status(world, "desiredNumberScheduled") == 2);
    CHECK(status(world, "numberMisscheduled") == 1);
    world.change("", "nodes", "disk", R"({"spec":{"taints":[{"key":"a","effect":"NoExecute"}]}})");
    world.settle();
    CHECK(nodes_of_pods(world) == std::multiset<std::string>{"closed", "kept"});
}

TEST_CASE("terms of node selectors") {
    auto read = [](const std::string& text) { return codec::read_json(text, {}).take().get_object(); };
    auto node = read(R"({"metadata":{"name":"n","labels":{"a":"1","b":"x"}}})");
    auto fits = [&](const std::string& term) {
        return fits_terms(read(R"({"t":[)" + term + "]}").at("t").get_array(), node);
    };
    auto expression = [](const std::string& key, const std::string& operation, const std::string& values) {
        return R"({"matchExpressions":[{"key":")" + key + R"(","operator":")" + operation + R"(","values":[)" + values +
               "]}]}";
    };
    CHECK(fits(expression("a", "In", R"("1","2")")));
    CHECK_FALSE(fits(expression("a", "In", R"("2")")));
    CHECK_FALSE(fits(expression("a", "NotIn", R"("1")")));
    CHECK(fits(expression("c", "NotIn", R"("1")")));
    CHECK(fits(expression("b", "Exists", "")));
    CHECK(fits(expression("c", "DoesNotExist", "")));
    CHECK(fits(expression("a", "Gt", R"("0")")));
    CHECK_FALSE(fits(expression("a", "Lt", R"("1")")));
    CHECK_FALSE(fits(expression("b", "Gt", R"("0")")));
    CHECK_FALSE(fits("{}"));
    CHECK(fits("{}," + expression("b", "Exists", "")));
    CHECK(fits(R"({"matchFields":[{"key":"metadata.name","operator":"In","values":["n"]}]})"));
    CHECK_FALSE(fits(R"({"matchFields":[{"key":"metadata.name","operator":"NotIn","values":["n"]}]})"));
}

TEST_CASE("a daemon set is updated with as many nodes without a pod as it allows") {
    World world;
    add_nodes(world, 4);
    world.make("apps", "daemonsets", daemon("", R"(,"updateStrategy":{"rollingUpdate":{"maxUnavailable":2}})"));
    world.roll_out();
    world.change("apps", "daemonsets", "agent", other_image);
    world.settle();
    CHECK(count_image(world, "i:2") == 2);
    CHECK(status(world, "updatedNumberScheduled") == 2);
    world.roll_out();
    CHECK(count_image(world, "i:2") == 4);
    CHECK(status(world, "numberAvailable") == 4);
    auto revisions = world.all("apps", "controllerrevisions");
    REQUIRE(revisions.size() == 2);
    for (const auto& pod : world.all("", "pods"))
        CHECK(!text_in(pod, "metadata.labels.controller-revision-hash").empty());
}

TEST_CASE("with surge the new pod is there before the old one goes") {
    World world;
    add_nodes(world, 3);
    world.make("apps", "daemonsets",
               daemon("", R"(,"updateStrategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":0}})"));
    world.roll_out();
    world.change("apps", "daemonsets", "agent", other_image);
    world.settle();
    CHECK(count_image(world, "i:1") == 3);
    CHECK(count_image(world, "i:2") == 1);
    world.all_ready();
    CHECK(count_image(world, "i:1") == 2);
    CHECK(count_image(world, "i:2") == 2);  // one ready, one on its way
    world.roll_out();
    CHECK(count_image(world, "i:1") == 0);
    CHECK(count_image(world, "i:2") == 3);
}

TEST_CASE("OnDelete of a daemon set; a pod that ended is exchanged, a failed one less and less often") {
    World world;
    add_nodes(world, 1);
    world.make("apps", "daemonsets", daemon("", R"(,"updateStrategy":{"type":"OnDelete"})"));
    world.roll_out();
    world.change("apps", "daemonsets", "agent", other_image);
    world.roll_out();
    CHECK(count_image(world, "i:1") == 1);
    world.remove("", "pods", text_in(world.all("", "pods")[0], "metadata.name"));
    world.settle();
    CHECK(count_image(world, "i:2") == 1);
    auto fail = [&] {
        world.change("", "pods", text_in(world.all("", "pods")[0], "metadata.name"), R"({"status":{"phase":"Failed"}})",
                     "status");
        world.settle();
        return text_in(world.all("", "pods")[0], "status.phase") == "Pending";
    };
    CHECK(fail());
    CHECK_FALSE(fail());
    world.pass(3);
    CHECK(text_in(world.all("", "pods")[0], "status.phase") == "Pending");
}

}  // namespace pila::cluster::controllers

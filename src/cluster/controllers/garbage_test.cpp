// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/testing_internal.h"

namespace pila::cluster::controllers {

namespace {

std::string config_map(const std::string& name, const std::string& owners, const std::string& more = "") {
    return R"({"metadata":{"name":")" + name + R"(","ownerReferences":[)" + owners + "]" + more + "}}";
}

std::string reference(const json::object& owner, bool blocks = true) {
    return R"({"apiVersion":")" + std::string(text_in(owner, "apiVersion")) + R"(","kind":")" +
           std::string(text_in(owner, "kind")) + R"(","name":")" + std::string(text_in(owner, "metadata.name")) +
           R"(","uid":")" + std::string(text_in(owner, "metadata.uid")) + R"(","blockOwnerDeletion":)" +
           (blocks ? "true}" : "false}");
}

json::object make_owner(World& world, const std::string& name) {
    return world.make("", "configmaps", R"({"metadata":{"name":")" + name + R"("}})");
}

// A custom kind and an object of it.
api::KindPointer bell_kind(World& world) {
    auto kind = world.directory().kinds()->find({"example.com", "v1"}, "bells");
    REQUIRE(kind);
    return kind;
}

json::object bell_of(std::string_view name) { return {{"metadata", {{"name", name}, {"namespace", "default"}}}}; }

json::object make_bell(World& world) {
    world.make("apiextensions.k8s.io", "customresourcedefinitions",
               R"({"metadata":{"name":"bells.example.com"},"spec":{"group":"example.com","scope":"Namespaced",)"
               R"("names":{"plural":"bells","singular":"bell","kind":"Bell","listKind":"BellList"},)"
               R"("versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":)"
               R"({"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})");
    auto made = world.client().create(*bell_kind(world), bell_of("one"));
    REQUIRE(made);
    return made.take();
}

void remove_definition(World& world) {
    world.remove("apiextensions.k8s.io", "customresourcedefinitions", "bells.example.com");
    world.change("apiextensions.k8s.io", "customresourcedefinitions", "bells.example.com",
                 R"({"metadata":{"finalizers":null}})");
    REQUIRE_FALSE(world.directory().kinds()->find({"example.com", "v1"}, "bells"));
}

}  // namespace

TEST_CASE("in the background the owner goes first, then everything below it") {
    World world;
    world.make("apps", "deployments", deployment_of("web", 2, "i:1"));
    world.settle();
    world.remove("apps", "deployments", "web");
    CHECK_FALSE(world.get("apps", "deployments", "web"));
    world.settle();
    CHECK(world.all("apps", "replicasets").empty());
    CHECK(world.all("", "pods").empty());
}

TEST_CASE("in the foreground the owner waits for what holds it up") {
    World world;
    world.make("apps", "deployments", deployment_of("web", 2, "i:1"));
    world.settle();
    for (const auto& pod : world.all("", "pods"))
        world.change("", "pods", text_in(pod, "metadata.name"), R"({"metadata":{"finalizers":["test/hold"]}})");
    world.remove("apps", "deployments", "web", "Foreground");
    world.settle();
    auto object = world.get("apps", "deployments", "web");
    REQUIRE(object);
    CHECK(has_finalizer(*object, "foregroundDeletion"));
    CHECK(world.all("apps", "replicasets").size() == 1);
    auto pods = world.all("", "pods");
    CHECK(pods.size() == 2);
    for (const auto& pod : pods)
        world.change("", "pods", text_in(pod, "metadata.name"), R"({"metadata":{"finalizers":null}})");
    world.settle();
    CHECK(world.all("", "pods").empty());
    CHECK(world.all("apps", "replicasets").empty());
    CHECK_FALSE(world.get("apps", "deployments", "web"));
}

TEST_CASE("orphans stay, and belong to nobody") {
    World world;
    world.make("apps", "deployments", deployment_of("web", 2, "i:1"));
    world.settle();
    world.remove("apps", "deployments", "web", "Orphan");
    world.settle();
    CHECK_FALSE(world.get("apps", "deployments", "web"));
    auto sets = world.all("apps", "replicasets");
    REQUIRE(sets.size() == 1);
    CHECK_FALSE(controller_of(sets[0]));
    CHECK(world.all("", "pods").size() == 2);
    world.make("apps", "deployments", deployment_of("web", 2, "i:1"));
    world.settle();
    sets = world.all("apps", "replicasets");
    REQUIRE(sets.size() == 1);
    CHECK(controller_of(sets[0]));  // adopted by the next of that template
}

TEST_CASE("who says nothing leaves the pods of a replication controller") {
    World world;
    world.make("", "replicationcontrollers",
               R"({"metadata":{"name":"old"},"spec":{"replicas":1,"selector":{"a":"b"},"template":{)"
               R"("metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}})");
    world.settle();
    world.remove("", "replicationcontrollers", "old", "");
    world.settle();
    CHECK(world.all("", "replicationcontrollers").empty());
    CHECK(world.all("", "pods").size() == 1);
}

TEST_CASE("with one owner left only the reference to the other goes") {
    World world;
    auto first = make_owner(world, "first"), second = make_owner(world, "second");
    world.make("", "configmaps", config_map("child", reference(first) + "," + reference(second)));
    world.settle();
    world.remove("", "configmaps", "first");
    world.settle();
    auto child = world.get("", "configmaps", "child");
    REQUIRE(child);
    auto owners = owners_of(*child);
    REQUIRE(owners.size() == 1);
    CHECK(owners[0].name == "second");
    world.remove("", "configmaps", "second");
    world.settle();
    CHECK_FALSE(world.get("", "configmaps", "child"));
}

TEST_CASE("an owner of that name but another uid is no owner") {
    World world;
    auto owner = make_owner(world, "owner");
    world.remove("", "configmaps", "owner");
    make_owner(world, "owner");
    world.make("", "configmaps", config_map("child", reference(owner)));
    world.settle();
    CHECK_FALSE(world.get("", "configmaps", "child"));
    CHECK(world.get("", "configmaps", "owner"));
}

TEST_CASE("an owner of an unknown kind is taken to be there") {
    World world;
    world.make("", "configmaps",
               config_map("child", R"({"apiVersion":"example.com/v1","kind":"Thing","name":"t","uid":"u"})"));
    world.settle();
    CHECK(world.get("", "configmaps", "child"));
}

TEST_CASE("who does not block goes after the owner") {
    World world;
    auto owner = make_owner(world, "owner");
    world.make("", "configmaps", config_map("child", reference(owner, false), R"(,"finalizers":["test/hold"])"));
    world.settle();
    world.remove("", "configmaps", "owner", "Foreground");
    world.settle();
    CHECK_FALSE(world.get("", "configmaps", "owner"));
    CHECK(is_going(*world.get("", "configmaps", "child")));
}

TEST_CASE("what lost its owner while nobody looked goes at the next start") {
    World world;
    auto owner = make_owner(world, "owner");
    world.make("", "configmaps", config_map("child", reference(owner)));
    world.settle();
    world.remove("", "configmaps", "owner");
    world.restart();
    CHECK_FALSE(world.get("", "configmaps", "child"));
}

TEST_CASE("a namespace takes everything along, and says what it waits for") {
    World world;
    world.make("", "namespaces", R"({"metadata":{"name":"shop"}})");
    world.settle();
    auto count = [&](std::string_view plural) {
        std::size_t found = 0;
        for (const auto& object : world.all("", plural)) found += text_in(object, "metadata.namespace") == "shop";
        return found;
    };
    CHECK(count("serviceaccounts") == 1);
    CHECK(count("configmaps") == 1);  // kube-root-ca.crt
    world.make("", "configmaps", R"({"metadata":{"name":"held","namespace":"shop","finalizers":["test/hold"]}})");
    world.remove("", "namespaces", "shop");
    world.settle();
    auto space = world.get("", "namespaces", "shop");
    REQUIRE(space);
    CHECK(text_in(*space, "status.phase") == "Terminating");
    CHECK(is_true(find_condition(*object_in(*space, "status"), "NamespaceFinalizersRemaining")));
    CHECK(count("serviceaccounts") == 0);
    CHECK(count("configmaps") == 1);
    Client client(world.registry(), "test");
    const auto& kind = kind_of("", "v1", "configmaps");
    auto held = client.get(kind, "shop", "held");
    REQUIRE(held);
    json::object change;
    make_object_in(change, "metadata")["finalizers"] = nullptr;
    REQUIRE(client.patch(kind, *held, std::move(change)));
    world.settle();
    CHECK_FALSE(world.get("", "namespaces", "shop"));
}

TEST_CASE("a custom owner is gone although its definition went before anybody looked") {
    World world;
    auto bell = make_bell(world);
    world.make("", "configmaps", config_map("below", reference(bell)));
    world.settle();
    REQUIRE(world.client().remove(*bell_kind(world), "default", "one", {}));
    remove_definition(world);
    world.settle();
    CHECK_FALSE(world.get("", "configmaps", "below"));
}

TEST_CASE("what happens while a definition changes, or before it goes, is heard") {
    World world;
    Informers informers(world.state(), world.directory());
    std::vector<std::string> heard;
    informers.on_custom([&](const schema::Kind&, const ObjectPointer& before, const ObjectPointer& now) {
        heard.push_back((now ? "there " : "gone ") + (now ? now : before)->key);
    });
    REQUIRE(informers.start([](const auto&) {}));
    auto bell = make_bell(world);
    REQUIRE(informers.follow_definitions());
    REQUIRE(world.client().remove(*bell_kind(world), "default", "one", {}));
    world.change("apiextensions.k8s.io", "customresourcedefinitions", "bells.example.com",
                 R"({"spec":{"names":{"shortNames":["bl"]}}})");
    REQUIRE(informers.follow_definitions());
    const std::string key = "example.com/bells/default/one";
    CHECK(heard == std::vector{"there " + key, "gone " + key});
    heard.clear();
    REQUIRE(world.client().create(*bell_kind(world), bell_of("one")));
    REQUIRE(world.client().remove(*bell_kind(world), "default", "one", {}));
    remove_definition(world);
    REQUIRE(informers.follow_definitions());
    CHECK(heard == std::vector{"there " + key, "gone " + key});
}

TEST_CASE("what every namespace has comes back") {
    World world;
    CHECK(text_in(*world.get("", "configmaps", "kube-root-ca.crt"), "metadata.name") == "kube-root-ca.crt");
    world.remove("", "serviceaccounts", "default");
    world.change("", "configmaps", "kube-root-ca.crt", R"({"data":{"ca.crt":"other"}})");
    world.settle();
    CHECK(world.get("", "serviceaccounts", "default"));
    const auto map = *world.get("", "configmaps", "kube-root-ca.crt");
    CHECK(std::string_view(object_in(map, "data")->at("ca.crt").get_string()) == "PEM");
}

}  // namespace pila::cluster::controllers

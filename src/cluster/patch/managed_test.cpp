// SPDX-License-Identifier: Apache-2.0
#include "cluster/patch/managed.h"

#include <chrono>

#include "cluster/patch/trees_for_test.h"

using namespace pila;
using namespace pila::cluster;
using namespace pila::cluster::patch;
using namespace pila::cluster::patch::test;

namespace {

// An object and those who write it, in turn; the clock is the number of the write.
class Story {
public:
    explicit Story(std::string_view type, std::string version = "apps/v1")
        : node_(node_of(builtin_type(type))), version_(std::move(version)) {}

    Story& put(const std::string& manager, const std::string& object, const std::string& subresource = "") {
        auto before = live;
        auto sent = tree(object);
        if (!sent.get_object().contains("metadata")) sent.get_object()["metadata"] = json::object();
        live = std::move(sent);
        auto done = track_update(before, live, node_, {manager, version_, subresource, now()});
        REQUIRE(done.ok());
        return *this;
    }

    Result<void> try_apply(const std::string& manager, const std::string& configuration, bool force = false) {
        auto set = tree(configuration);
        if (!set.get_object().contains("metadata")) set.get_object()["metadata"] = json::object();
        return patch::apply(live, set, node_, {manager, version_, "", now()}, force, conflicts);
    }

    Story& apply(const std::string& manager, const std::string& configuration, bool force = false) {
        auto done = try_apply(manager, configuration, force);
        INFO(configuration);
        INFO((done ? "" : done.error().message()));
        REQUIRE(done.ok());
        return *this;
    }

    std::string refused(const std::string& manager, const std::string& configuration) {
        auto before = live;
        auto done = try_apply(manager, configuration);
        REQUIRE_FALSE(done.ok());
        CHECK(equal(before, live));
        auto message = done.error().message();
        std::replace(message.begin(), message.end(), '"', '\'');
        return (done.error().code() == Errc::Conflict ? "" : "no conflict: ") + message;
    }

    // "Apply a@1: .spec.x .spec.y | Update b@2 status: ..."
    std::string managers() const {
        std::string all;
        const auto* entries = live.at("metadata").get_object().if_contains("managedFields");
        for (const auto& entry : entries ? entries->get_array() : json::array()) {
            const auto& members = entry.get_object();
            auto text_of = [&](const char* name) {
                const auto* found = members.if_contains(name);
                return found ? std::string(found->get_string()) : std::string();
            };
            if (!all.empty()) all += " | ";
            all += text_of("operation") + " " + text_of("manager") + "@" + text_of("time");
            if (members.contains("subresource")) all += " " + text_of("subresource");
            if (text_of("apiVersion") != version_) all += " " + text_of("apiVersion");
            CHECK(text_of("fieldsType") == "FieldsV1");
            all += ":";
            for (const auto& path : FieldSet::parse(members.at("fieldsV1")).take().paths()) all += " " + path;
        }
        std::replace(all.begin(), all.end(), '"', '\'');
        return all;
    }

    std::string object() const {
        auto copy = live;
        copy.get_object()["metadata"].get_object().erase("managedFields");
        if (copy.get_object()["metadata"].get_object().empty()) copy.get_object().erase("metadata");
        return text(copy);
    }

    json::value live;
    std::vector<ApplyConflict> conflicts;
    Writer writer(const std::string& manager) { return {manager, version_, "", now()}; }
    const schema::Node& node() const { return node_; }

private:
    std::string now() { return std::to_string(++clock_); }

    schema::Node node_;
    std::string version_;
    int clock_ = 0;
};

constexpr auto deployment = "io.k8s.api.apps.v1.Deployment";
constexpr auto pod_spec = "io.k8s.api.core.v1.Pod";

}  // namespace

TEST_CASE("a create gives the creator what it set, written as other servers do") {
    Story story(pod_spec, "v1");
    story.put("kubectl-run",
              "{'metadata':{'name':'p','uid':'1','creationTimestamp':'t','labels':{'run':'p'}},"
              "'spec':{'containers':[{'name':'p','image':'i','resources':{},'ports':[{'containerPort':80,'protocol':'"
              "TCP'}]}],"
              "'restartPolicy':'Always','securityContext':{}},'status':{}}");
    CHECK(text(story.live.at("metadata").at("managedFields")) ==
          "[{'manager':'kubectl-run','operation':'Update','apiVersion':'v1','time':'1','fieldsType':'FieldsV1','"
          "fieldsV1':"
          "{'f:metadata':{'f:labels':{'.':{},'f:run':{}}},'f:spec':{'f:containers':{'k:{\\'name\\':\\'p\\'}':{'.':{},"
          "'f:image':{},'f:name':{},'f:ports':{'.':{},'k:{\\'containerPort\\':80,\\'protocol\\':\\'TCP\\'}':{'.':{},"
          "'f:containerPort':{},'f:protocol':{}}},'f:resources':{}}},'f:restartPolicy':{},'f:securityContext':{}}}}]");
}

TEST_CASE("updates: changed fields change hands, others stay, removed ones are nobody's") {
    Story story(deployment);
    story.put("a", "{'spec':{'replicas':1,'paused':true,'minReadySeconds':1}}");
    CHECK(story.managers() == "Update a@1: .spec.minReadySeconds .spec.paused .spec.replicas");
    story.put("b", "{'spec':{'replicas':2,'paused':true,'minReadySeconds':1}}");
    CHECK(story.managers() == "Update a@1: .spec.minReadySeconds .spec.paused | Update b@2: .spec.replicas");
    story.put("b", "{'spec':{'replicas':2,'paused':true,'minReadySeconds':1}}");
    CHECK(story.managers() == "Update a@1: .spec.minReadySeconds .spec.paused | Update b@2: .spec.replicas");
    story.put("b", "{'spec':{'replicas':2,'paused':true,'minReadySeconds':2}}");
    CHECK(story.managers() == "Update a@1: .spec.paused | Update b@4: .spec.minReadySeconds .spec.replicas");
    story.put("c", "{'spec':{'replicas':2}}");
    CHECK(story.managers() == "Update b@4: .spec.replicas");
    story.put("c", "{'spec':{'replicas':2},'status':{'replicas':2}}", "status");
    CHECK(story.managers() == "Update b@4: .spec.replicas | Update c@6 status: .status.replicas");
    story.put("c", "{'spec':{'replicas':3},'status':{'replicas':2}}");
    CHECK(story.managers() == "Update c@6 status: .status.replicas | Update c@7: .spec.replicas");
}

TEST_CASE("updates: items of lists") {
    Story story(pod_spec, "v1");
    story.put("a", "{'metadata':{'finalizers':['x']},'spec':{'containers':[{'name':'c','image':'1'}]}}");
    CHECK(story.managers() ==
          "Update a@1: .metadata.finalizers .metadata.finalizers[='x'] .spec.containers[name='c'] "
          ".spec.containers[name='c'].image .spec.containers[name='c'].name");
    story.put("b",
              "{'metadata':{'finalizers':['y','x']},'spec':{'containers':[{'name':'d','image':'1'},{'name':'c','image':"
              "'2'}]}}");
    CHECK(story.managers() ==
          "Update a@1: .metadata.finalizers .metadata.finalizers[='x'] .spec.containers[name='c'] "
          ".spec.containers[name='c'].name | Update b@2: .metadata.finalizers[='y'] .spec.containers[name='c'].image "
          ".spec.containers[name='d'] .spec.containers[name='d'].image .spec.containers[name='d'].name");
    story.put("c", "{'spec':{'containers':[{'name':'d','image':'1'}]}}");
    CHECK(story.managers() ==
          "Update b@2: .spec.containers[name='d'] .spec.containers[name='d'].image .spec.containers[name='d'].name");
    // Two of one key, as an old object may have them: one thing
    story.put("d", "{'spec':{'containers':[{'name':'d','image':'1'},{'name':'d','image':'2'}]}}");
    CHECK(story.managers() == "Update d@4: .spec.containers[name='d']");
    story.put("e", "{'spec':{'containers':[{'name':'d','image':'1'},{'name':'d','image':'3'}]}}");
    CHECK(story.managers() == "Update e@5: .spec.containers[name='d']");
}

TEST_CASE("managedFields that clients send") {
    Story story(deployment);
    story.put("a", "{'spec':{'replicas':1}}");
    auto own = text(story.live.at("metadata").at("managedFields"));
    std::string spec = "'spec':{'replicas':1}}";
    story.put("b", "{'metadata':{'managedFields':[{'manager':'x','operation':'Odd'}]}," + spec);
    CHECK(story.managers() == "Update a@1: .spec.replicas");
    for (const char* broken :
         {"1", "[1]", "[{'manager':'x','operation':'Update','apiVersion':'v1','fieldsType':'FieldsV2'}]",
          "[{'manager':'x','operation':'Update','fieldsType':'FieldsV1','fieldsV1':{}}]",
          "[{'manager':'x','operation':'Update','apiVersion':'v1','fieldsType':'FieldsV1','fieldsV1':{'a':1}}]"})
        CHECK(story.put("b", "{'metadata':{'managedFields':" + std::string(broken) + "}," + spec).managers() ==
              "Update a@1: .spec.replicas");
    // A migration of managers, as kubectl does it
    story.put("b",
              "{'metadata':{'managedFields':[{'manager':'k','operation':'Apply','apiVersion':'apps/"
              "v1','time':'0','fieldsType':"
              "'FieldsV1','fieldsV1':{'f:spec':{'f:replicas':{}}}}]}," +
                  spec);
    CHECK(story.managers() == "Apply k@0: .spec.replicas");
    // but not through a subresource
    story.put("b", "{'metadata':{'managedFields':[]}," + spec, "status");
    CHECK(story.managers() == "Apply k@0: .spec.replicas");
    // Emptied, it is tracked from the next apply on
    story.put("b", "{'metadata':{'managedFields':[{}]}," + spec);
    CHECK(story.managers().empty());
    story.put("b", "{'spec':{'replicas':2}}");
    CHECK(story.managers().empty());
    story.apply("k", "{'spec':{'paused':true}}");
    CHECK(story.managers() == "Apply k@12: .spec.paused | Update before-first-apply@12: .spec.replicas");
    json::value bare = tree("{'spec':{}}");
    CHECK_FALSE(track_update(json::value(), bare, story.node(), story.writer("a")).ok());
}

TEST_CASE("at most ten updaters stay") {
    Story story("io.k8s.api.core.v1.ConfigMap", "v1");
    std::string data;
    for (int index = 0; index < 14; ++index) {
        data += (data.empty() ? "'" : ",'") + std::string(1, static_cast<char>('a' + index)) + "':'1'";
        story.put("m" + std::to_string(index + 10), "{'data':{" + data + "}}");
        CHECK(story.live.at("metadata").at("managedFields").get_array().size() ==
              std::min<std::size_t>(10, static_cast<std::size_t>(index) + 1));
    }
    auto text = story.managers();
    CHECK(text.find("ancient-changes") != std::string::npos);
    CHECK(text.find("Update m10@") == std::string::npos);
    CHECK(text.find("Update m23@14: .data.n") != std::string::npos);
    FieldSet all;
    for (const auto& entry : story.live.at("metadata").at("managedFields").get_array())
        all = all.unite(FieldSet::parse(entry.at("fieldsV1")).take());
    CHECK(all.paths().size() == 15);
}

TEST_CASE("apply: create, change, give up") {
    Story story(deployment);
    story.apply("a", "{'metadata':{'name':'d','labels':{'x':'1','y':'1'}},'spec':{'replicas':1,'paused':true}}");
    CHECK(story.object() == "{'metadata':{'name':'d','labels':{'x':'1','y':'1'}},'spec':{'replicas':1,'paused':true}}");
    CHECK(story.managers() == "Apply a@1: .metadata.labels.x .metadata.labels.y .spec.paused .spec.replicas");
    // Again: nothing happens, the time neither
    auto before = story.live;
    story.apply("a", "{'metadata':{'name':'d','labels':{'x':'1','y':'1'}},'spec':{'replicas':1,'paused':true}}");
    CHECK(text(story.live) == text(before));
    // What is no more applied goes
    story.apply("a", "{'metadata':{'labels':{'x':'2'}},'spec':{'replicas':1}}");
    CHECK(story.object() == "{'metadata':{'name':'d','labels':{'x':'2'}},'spec':{'replicas':1}}");
    CHECK(story.managers() == "Apply a@3: .metadata.labels.x .spec.replicas");
    // A map that is left empty goes; messages that are always there come back with the defaults
    story.apply("a", "{'spec':{'replicas':1}}");
    CHECK(story.object() == "{'metadata':{'name':'d'},'spec':{'replicas':1}}");
    story.apply("a", "{}");
    CHECK(story.managers().empty());
    CHECK(story.object() == "{'metadata':{'name':'d'}}");
}

TEST_CASE("apply: conflicts, force, sharing") {
    Story story(deployment);
    story.put("ctl", "{'spec':{'replicas':5,'paused':true}}");
    CHECK(story.refused("a", "{'spec':{'replicas':1}}") ==
          "Apply failed with 1 conflict: conflict with 'ctl' using apps/v1: .spec.replicas");
    REQUIRE(story.conflicts.size() == 1);
    CHECK(story.conflicts[0].message() == "conflict with \"ctl\" using apps/v1");
    CHECK(story.conflicts[0].field == ".spec.replicas");
    CHECK_FALSE(story.conflicts[0].operation_is_apply);
    // The same value is no conflict: both have it
    story.apply("a", "{'spec':{'replicas':5,'minReadySeconds':3}}");
    CHECK(story.managers() ==
          "Apply a@3: .spec.minReadySeconds .spec.replicas | Update ctl@1: .spec.paused .spec.replicas");
    story.apply("b", "{'spec':{'replicas':5,'minReadySeconds':3}}");
    CHECK(story.refused("b", "{'spec':{'replicas':6,'minReadySeconds':4}}") ==
          "Apply failed with 3 conflicts: conflicts with 'a':\n- .spec.minReadySeconds\n- .spec.replicas\n"
          "conflicts with 'ctl' using apps/v1:\n- .spec.replicas");
    CHECK(story.conflicts[0].operation_is_apply);
    CHECK(story.conflicts[0].message() == "conflict with \"a\"");
    story.apply("b", "{'spec':{'replicas':6,'minReadySeconds':4}}", true);
    CHECK(story.managers() == "Apply b@6: .spec.minReadySeconds .spec.replicas | Update ctl@1: .spec.paused");
    CHECK(story.object() == "{'spec':{'replicas':6,'paused':true,'minReadySeconds':4}}");
    CHECK(story.conflicts.empty());
    // What another has, too, stays when one gives it up
    story.apply("a", "{'spec':{'replicas':6}}").apply("b", "{'spec':{'minReadySeconds':4}}");
    CHECK(story.object() == "{'spec':{'replicas':6,'paused':true,'minReadySeconds':4}}");
    CHECK(story.managers() ==
          "Apply a@7: .spec.replicas | Apply b@8: .spec.minReadySeconds | Update ctl@1: .spec.paused");
    // An update takes from appliers; they then are in conflict
    story.put("ctl", "{'spec':{'replicas':7,'paused':true,'minReadySeconds':4}}");
    CHECK(story.managers() == "Apply b@8: .spec.minReadySeconds | Update ctl@9: .spec.paused .spec.replicas");
    CHECK(story.refused("a", "{'spec':{'replicas':6}}").find("conflict with 'ctl'") != std::string::npos);
}

TEST_CASE("apply: a subresource's writer is named in the conflict") {
    Story story(deployment);
    story.put("scaler", "{'spec':{'replicas':5}}", "scale");
    CHECK(
        story.refused("a", "{'spec':{'replicas':1}}") ==
        "Apply failed with 1 conflict: conflict with 'scaler' with subresource 'scale' using apps/v1: .spec.replicas");
}

TEST_CASE("apply: lists by key") {
    Story story(pod_spec, "v1");
    story.put("other", "{'spec':{'containers':[{'name':'side','image':'s'}]}}");
    story.apply("a",
                "{'spec':{'containers':[{'name':'one','image':'1','env':[{'name':'E','value':'1'}]},{'name':'two','"
                "image':'2'}]}}");
    CHECK(story.object() ==
          "{'spec':{'containers':[{'name':'side','image':'s'},{'name':'one','image':'1','env':[{'name':'E','value':'1'}"
          "]},"
          "{'name':'two','image':'2'}]}}");
    // The order of the configuration holds, live ones keep their neighbours
    story.apply("a", "{'spec':{'containers':[{'name':'two','image':'2'},{'name':'one','image':'1'}]}}");
    CHECK(
        story.object() ==
        "{'spec':{'containers':[{'name':'side','image':'s'},{'name':'two','image':'2'},{'name':'one','image':'1'}]}}");
    // An item is given up: gone whole, with what others put in without being asked (defaults)
    auto live = story.live;
    live.at("spec").at("containers").get_array()[1].get_object()["imagePullPolicy"] = "Always";
    story.live = live;
    story.apply("a", "{'spec':{'containers':[{'name':'one','image':'1'}]}}");
    CHECK(story.object() == "{'spec':{'containers':[{'name':'side','image':'s'},{'name':'one','image':'1'}]}}");
    // but not if somebody owns something in it
    story.put("other", "{'spec':{'containers':[{'name':'side','image':'s'},{'name':'one','image':'1','tty':true}]}}");
    story.apply("a", "{'spec':{'terminationGracePeriodSeconds':1}}");
    CHECK(story.managers().find(".spec.containers[name='one'].tty") == std::string::npos);
    CHECK(story.refused("a", "{'spec':{'containers':[{'name':'x'},{'name':'x'}]}}") ==
          "no conflict: .containers: duplicate entries for key [name='x']");
}

TEST_CASE("apply: sets, ports with their usual protocol, things that are one") {
    Story story(pod_spec, "v1");
    story.apply("a",
                "{'metadata':{'finalizers':['x','y']},'spec':{'containers':[{'name':'c','ports':[{'containerPort':80}],"
                "'command':['a','b']}]}}");
    story.apply("b",
                "{'metadata':{'finalizers':['z','y']},'spec':{'containers':[{'name':'c','ports':[{'containerPort':80,'"
                "protocol':'TCP','name':'web'}]}]}}");
    CHECK(story.object() ==
          "{'metadata':{'finalizers':['x','z','y']},'spec':{'containers':[{'name':'c','ports':[{'containerPort':80,'"
          "protocol':'TCP',"
          "'name':'web'}],'command':['a','b']}]}}");
    CHECK(story.refused("b", "{'spec':{'containers':[{'name':'c','command':['b']}]}}")
              .find(".spec.containers[name='c'].command") != std::string::npos);
    story.apply("a", "{}");
    CHECK(story.object() ==
          "{'metadata':{'finalizers':['z','y']},'spec':{'containers':[{'name':'c','ports':[{'containerPort':80,'"
          "protocol':'TCP',"
          "'name':'web'}]}]}}");
    story.apply("b", "{}");
    CHECK(story.object() == "{}");
    // A configured emptiness is as configured
    story.apply("a", "{'spec':{'nodeSelector':{'x':'1'}}}").apply("a", "{'spec':{'nodeSelector':{}}}");
    CHECK(story.object() == "{'spec':{'nodeSelector':{}}}");
}

TEST_CASE("apply: what is refused") {
    Story story(deployment);
    CHECK(story.refused("a", "{'metadata':{'managedFields':[]}}") == "no conflict: metadata.managedFields must be nil");
    CHECK(story.refused("a", "{'apiVersion':'apps/v1beta1'}")
              .find("Specified patch version: apps/v1beta1, expected: apps/v1") != std::string::npos);
    json::value none;
    CHECK_FALSE(patch::apply(none, tree("[]"), story.node(), story.writer("a"), false, story.conflicts).ok());
    CHECK_FALSE(patch::apply(none, tree("{}"), story.node(), story.writer("a"), false, story.conflicts).ok());
    CHECK(none.is_null());
}

TEST_CASE("apply: other versions of a manager") {
    Story story("io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler", "autoscaling/v2");
    story.live = tree(
        "{'metadata':{'managedFields':[{'manager':'a','operation':'Apply','apiVersion':'autoscaling/"
        "v1','time':'0','fieldsType':'FieldsV1',"
        "'fieldsV1':{'f:spec':{'f:maxReplicas':{},'f:minReplicas':{}}}},"
        "{'manager':'u','operation':'Update','apiVersion':'autoscaling/v1','time':'0','fieldsType':'FieldsV1',"
        "'fieldsV1':{'f:spec':{'f:behavior':{}}}}]},'spec':{'maxReplicas':5,'minReplicas':1}}");
    story.apply("a", "{'spec':{'maxReplicas':5}}");
    CHECK(story.managers() == "Apply a@1: .spec.maxReplicas | Update u@0 autoscaling/v1: .spec.behavior");
    CHECK(story.object() == "{'spec':{'maxReplicas':5}}");
    story.put("u", "{'spec':{'maxReplicas':5,'minReplicas':2}}");
    CHECK(story.managers() ==
          "Apply a@1: .spec.maxReplicas | Update u@0 autoscaling/v1: .spec.behavior | Update u@2: .spec.minReplicas");
}

TEST_CASE("apply takes over from kubectl's client-side apply") {
    Story story("io.k8s.api.core.v1.ConfigMap", "v1");
    std::string applied =
        R"({\"apiVersion\":\"v1\",\"data\":{\"a\":\"1\",\"b\":\"1\"},\"kind\":\"ConfigMap\",\"metadata\":{}})";
    auto object = [&](const std::string& data) {
        return "{'metadata':{'annotations':{'kubectl.kubernetes.io/last-applied-configuration':'" + applied +
               "'}},'data':{" + data + "}}";
    };
    story.put("kubectl-client-side-apply", object("'a':'1','b':'1'"));
    CHECK(story.refused("someone", "{'data':{'a':'2'}}").find("kubectl-client-side-apply") != std::string::npos);
    story.put("editor", object("'a':'1','b':'3'"));
    CHECK(story.refused("kubectl", "{'data':{'a':'2','b':'2'}}") ==
          "Apply failed with 1 conflict: conflict with 'editor' using v1: .data.b");
    story.apply("kubectl", "{'data':{'a':'2','b':'3'}}");
    CHECK(story.live.at("data").at("a") == "2");
    const auto& annotation =
        story.live.at("metadata").at("annotations").at("kubectl.kubernetes.io/last-applied-configuration");
    CHECK(annotation == "{\"data\":{\"a\":\"2\",\"b\":\"3\"},\"metadata\":{}}\n");
}

TEST_CASE("apply: any configurations, in any order") {
    Trees trees(3);
    auto read = schema::Catalogue::parse({{"t.schema", R"(
package meta meta.v1 meta.v1
type ObjectMeta : metadata
  name string 1 : name
  managedFields []any 2 list=atomic : who
package t t.v1 t.v1
type T object : t
  p map:string 1 : p
  q []string 2 list=set : q
  r any 3 : r
  s []I 4 list=map:p : s
  t T 5 : t
type I : i
  p string 1 default="a" : p
  q any 2 : q
)"}});
    INFO((read ? "" : read.error().message()));
    REQUIRE(read.ok());
    auto node = node_of(*(*read)->find_type("t.v1.T"));
    std::size_t applied = 0, conflicted = 0;
    for (int round = 0; round < 1500; ++round) {
        json::value live;
        for (int turn = 0; turn < 6; ++turn) {
            auto configuration = trees.object(4);
            configuration["metadata"] = json::object();
            INFO(text(live));
            INFO(text(configuration));
            Writer writer{std::string(1, static_cast<char>('a' + trees.pick(3))), "v1", "", std::to_string(turn)};
            std::vector<ApplyConflict> conflicts;
            if (trees.pick(4) == 0) {
                auto after = json::value(configuration);
                REQUIRE(track_update(live, after, node, writer).ok());
                live = std::move(after);
                continue;
            }
            bool force = trees.pick(2) == 0;
            auto before = live;
            auto done = patch::apply(live, configuration, node, writer, force, conflicts);
            if (!done) {
                CHECK(equal(live, before));
                CHECK((done.error().code() == Errc::Conflict) == !conflicts.empty());
                CHECK_FALSE((force && done.error().code() == Errc::Conflict));
                conflicted += conflicts.empty() ? 0 : 1;
                continue;
            }
            ++applied;
            // Applied: all of it is there, and applying again changes nothing at all
            auto once = live;
            Writer later = writer;
            later.now = "9";
            REQUIRE(patch::apply(live, configuration, node, later, false, conflicts).ok());
            CHECK(to_json(live) == to_json(once));
            auto set = FieldSet::of(configuration, node).take();
            bool found = set.empty();
            for (const auto& entry : live.at("metadata").get_object().contains("managedFields")
                                         ? live.at("metadata").at("managedFields").get_array()
                                         : json::array()) {
                auto fields = FieldSet::parse(entry.at("fieldsV1")).take();
                CHECK_FALSE(fields.empty());
                found |= entry.at("operation") == "Apply" && entry.at("manager") == json::string_view(writer.manager) &&
                         fields == set;
            }
            CHECK(found);
        }
    }
    CHECK(applied > 2000);
    CHECK(conflicted > 200);
}

TEST_CASE("time of an apply of a Deployment of 4 kB") {
    json::array containers;
    for (int index = 0; index < 4; ++index) {
        json::array environment;
        for (int variable = 0; variable < 8; ++variable)
            environment.push_back(
                json::object{{"name", "SETTING_NUMBER_" + std::to_string(variable)}, {"value", "some value of it"}});
        containers.push_back(
            tree("{'name':'c" + std::to_string(index) +
                 "','image':'registry.example/team/"
                 "service:1.2.3','ports':[{'containerPort':8080},{'containerPort':9090,'name':'metrics'}],"
                 "'resources':{'limits':{'cpu':'500m','memory':'128Mi'},'requests':{'cpu':'100m','memory':'64Mi'}},"
                 "'livenessProbe':{'httpGet':{'path':'/"
                 "healthz','port':8080},'periodSeconds':10},'volumeMounts':[{'name':'data','mountPath':'/data'}]}"));
        containers.back().get_object()["env"] = environment;
    }
    auto configuration = tree(
        "{'apiVersion':'apps/"
        "v1','kind':'Deployment','metadata':{'name':'web','namespace':'default','labels':{'app':'web','tier':'front'}},"
        "'spec':{'replicas':3,'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':{'app':'web'}},"
        "'spec':{'volumes':[{'name':'data','emptyDir':{}}]}}}}");
    configuration.at("spec").at("template").at("spec").get_object()["containers"] = containers;
    auto node = node_of(builtin_type(deployment));
    json::value live;
    std::vector<ApplyConflict> conflicts;
    REQUIRE(patch::apply(live, configuration, node, {"kubectl", "apps/v1", "", "0"}, false, conflicts).ok());
    auto status = live;
    status.get_object()["status"] =
        tree("{'replicas':3,'readyReplicas':3,'conditions':[{'type':'Available','status':'True'}]}");
    REQUIRE(track_update(live, status, node, {"controller", "apps/v1", "status", "1"}).ok());
    live = status;
    constexpr int rounds = 200;
    auto measure = [&](auto work) {
        auto begin = std::chrono::steady_clock::now();
        for (int round = 0; round < rounds; ++round) work(round);
        return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count() /
               rounds;
    };
    auto changing = measure([&](int round) {
        configuration.at("spec").get_object()["replicas"] = round % 2;
        REQUIRE(
            patch::apply(live, configuration, node, {"kubectl", "apps/v1", "", std::to_string(round)}, false, conflicts)
                .ok());
    });
    auto idle = measure([&](int) {
        REQUIRE(patch::apply(live, configuration, node, {"kubectl", "apps/v1", "", "x"}, false, conflicts).ok());
    });
    auto updating = measure([&](int round) {
        auto after = live;
        after.at("status").get_object()["readyReplicas"] = round % 2;
        REQUIRE(track_update(live, after, node, {"controller", "apps/v1", "status", std::to_string(round)}).ok());
        live = std::move(after);
    });
    MESSAGE("configuration of ", to_json(configuration).size(), " bytes, object of ", to_json(live).size(), ": apply ",
            changing, " us, apply that changes nothing ", idle, " us, status update tracked in ", updating, " us");
    CHECK(changing < 50'000);
}

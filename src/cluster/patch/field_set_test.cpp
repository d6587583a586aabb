// SPDX-License-Identifier: Apache-2.0
#include "cluster/patch/field_set.h"

#include "cluster/patch/trees_for_test.h"

using namespace pila;
using namespace pila::cluster;
using namespace pila::cluster::patch;
using namespace pila::cluster::patch::test;

namespace {

FieldSet parsed(const std::string& fields) {
    auto set = FieldSet::parse(tree(fields));
    INFO(fields);
    INFO((set ? "" : set.error().message()));
    REQUIRE(set.ok());
    return set.take();
}

std::string joined(const std::vector<std::string>& parts) {
    std::string all;
    for (const auto& part : parts) all += (all.empty() ? "" : " ") + part;
    std::replace(all.begin(), all.end(), '"', '\'');
    return all;
}

std::string fields(const FieldSet& set) { return text(set.fields_v1({})); }

// A kind with one of each.
const schema::Catalogue& small() {
    static const auto made = [] {
        auto read = schema::Catalogue::parse({{"small.schema", R"(
package meta meta.v1 meta.v1
type ObjectMeta : metadata
  name string 1 : name
  generateName string 2 : prefix
  labels map:string 3 : labels
  uid string 4 : uid
  managedFields []any 5 list=atomic : who
package small small.v1 small.v1
type Thing object : one of each
  spec Spec 1 default={} : what it shall be
type Spec : what it shall be
  atoms []string 1 list=atomic : a list as one
  tags []string 2 list=set : a set
  ports []Port 3 list=map:port,protocol : by two keys
  numbers []int64 4 list=set : numbers
  options map:string 5 : a map
  whole map:string 6 atomic : a map as one
  point Point 7 : a type as one
  inner Inner 8 : a message
  inners map:Inner 9 : a map of messages
  free object 10 : anything
  size quantity 11 : an amount
  grid [][]string 12 : lists of lists
  when time 13 : a time
type Port : a port
  port int32 1 required : its number
  protocol string 2 default="TCP" : its protocol
  name string 3 : its name
type Point atomic : a point
  x int32 1 : x
  y int32 2 : y
type Inner : within
  a string 1 : a
  b []string 2 list=set : b
)"}});
        INFO((read ? "" : read.error().message()));
        REQUIRE(read.ok());
        return read.take();
    }();
    return *made;
}

struct Case {
    const char *object, *expected;
};

}  // namespace

TEST_CASE("what an object sets") {
    auto node = node_of(*small().find_type("small.v1.Thing"));
    const Case cases[] = {
        {"{'apiVersion':'v1','kind':'Thing','metadata':{'name':'n','uid':'1','managedFields':[]}}", "{}"},
        {"{'metadata':{'generateName':'n-','labels':{'a':'b'}}}",
         "{'f:metadata':{'f:generateName':{},'f:labels':{'f:a':{}}}}"},
        {"{'spec':{'atoms':['a'],'whole':{'a':'b'},'point':{'x':1},'size':'1','when':'x','grid':[['a']]}}",
         "{'f:spec':{'f:atoms':{},'f:grid':{},'f:point':{},'f:size':{},'f:when':{},'f:whole':{}}}"},
        {"{'spec':{'tags':['b','a'],'numbers':[10,9,-1,-2]}}",
         "{'f:spec':{'f:numbers':{'v:-2':{},'v:-1':{},'v:9':{},'v:10':{}},'f:tags':{'v:\\'a\\'':{},'v:\\'b\\'':{}}}}"},
        {"{'spec':{'ports':[{'port':443},{'port':80,'protocol':'UDP','name':'x'},{'port':80}]}}",
         "{'f:spec':{'f:ports':{"
         "'k:{\\'port\\':80,\\'protocol\\':\\'TCP\\'}':{'.':{},'f:port':{}},"
         "'k:{\\'port\\':80,\\'protocol\\':\\'UDP\\'}':{'.':{},'f:name':{},'f:port':{},'f:protocol':{}},"
         "'k:{\\'port\\':443,\\'protocol\\':\\'TCP\\'}':{'.':{},'f:port':{}}}}}"},
        {"{'spec':{'options':{'b':'1','a':'2'},'inners':{'i':{'a':'x'},'j':{}}}}",
         "{'f:spec':{'f:inners':{'f:i':{'.':{},'f:a':{}},'f:j':{}},'f:options':{'f:a':{},'f:b':{}}}}"},
        {"{'spec':{'inner':{},'options':{},'tags':[],'size':null}}",
         "{'f:spec':{'f:inner':{},'f:options':{},'f:size':{},'f:tags':{}}}"},
        {"{'spec':{'free':{'deep':{'x':[1]},'y':1},'nobody':{'knows':1}}}",
         "{'f:spec':{'f:free':{'f:deep':{'.':{},'f:x':{}},'f:y':{}},'f:nobody':{'.':{},'f:knows':{}}}}"},
        {"{'spec':'odd'}", "{'f:spec':{}}"},
    };
    for (const auto& tested : cases) {
        INFO(tested.object);
        auto set = FieldSet::of(tree(tested.object), node);
        INFO((set ? "" : set.error().message()));
        REQUIRE(set.ok());
        auto wanted = tree(tested.expected);
        CHECK(fields(*set) == fields(parsed(tested.expected)));
        CHECK(equal(set->fields_v1({}), wanted));
    }
    auto refused = [&](const char* object) {
        auto set = FieldSet::of(tree(object), node);
        REQUIRE_FALSE(set.ok());
        CHECK(set.error().code() == Errc::Invalid);
        return set.error().message();
    };
    CHECK(refused("{'spec':{'tags':['a','b','a']}}") == ".tags: duplicate entries for key [=\"a\"]");
    CHECK(refused("{'spec':{'ports':[{'port':1},{'port':1,'protocol':'TCP'}]}}") ==
          ".ports: duplicate entries for key [port=1,protocol=\"TCP\"]");
    CHECK(refused("{'spec':{'tags':[{}]}}").find("no scalar") != std::string::npos);
    CHECK(refused("{'spec':{'ports':[1]}}").find("omits key field") != std::string::npos);
    CHECK(refused("{'spec':{'ports':[{'port':{}}]}}").find("omits key field") != std::string::npos);
}

TEST_CASE("what a Deployment sets, in the order that kubectl shows") {
    auto object = tree(
        "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web','labels':{'app':'web'}},"
        "'spec':{'replicas':2,'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':{'app':'web'}},"
        "'spec':{'containers':[{'name':'web','image':'nginx','ports':[{'containerPort':8080},{'containerPort':443,'"
        "name':'s'}],"
        "'env':[{'name':'A','value':'1'}],'resources':{'limits':{'cpu':'100m'}},'command':['x']}]}}}}");
    auto set = FieldSet::of(object, node_of(builtin_type("io.k8s.api.apps.v1.Deployment")));
    REQUIRE(set.ok());
    CHECK(joined(set->paths()) ==
          ".metadata.labels.app .spec.replicas .spec.selector .spec.template.metadata.labels.app "
          ".spec.template.spec.containers[name='web'] .spec.template.spec.containers[name='web'].command "
          ".spec.template.spec.containers[name='web'].env[name='A'] "
          ".spec.template.spec.containers[name='web'].env[name='A'].name "
          ".spec.template.spec.containers[name='web'].env[name='A'].value "
          ".spec.template.spec.containers[name='web'].image .spec.template.spec.containers[name='web'].name "
          ".spec.template.spec.containers[name='web'].ports[containerPort=443,protocol='TCP'] "
          ".spec.template.spec.containers[name='web'].ports[containerPort=443,protocol='TCP'].containerPort "
          ".spec.template.spec.containers[name='web'].ports[containerPort=443,protocol='TCP'].name "
          ".spec.template.spec.containers[name='web'].ports[containerPort=8080,protocol='TCP'] "
          ".spec.template.spec.containers[name='web'].ports[containerPort=8080,protocol='TCP'].containerPort "
          ".spec.template.spec.containers[name='web'].resources.limits.cpu");
    CHECK(set->paths(2).size() == 2);
    CHECK(set->find_field("spec")->find_field("replicas")->is_member());
    CHECK_FALSE(set->find_field("spec")->find_field("replica"));
    CHECK_FALSE(set->find_field("zpec"));
}

TEST_CASE("FieldsV1 is read in any order and any spelling, and refused when it is none") {
    CHECK(fields(parsed("{'f:b':{},'f:a':{'f:c':{},'.':{}}}")) == "{'f:a':{'.':{},'f:c':{}},'f:b':{}}");
    CHECK(fields(parsed("{'f:a':{'k:{ \\'b\\': 1.0, \\'a\\' : \\'x\\' }':{}}}")) ==
          "{'f:a':{'k:{\\\'a\\\':\\\'x\\\',\\\'b\\\':1}':{}}}");
    CHECK(fields(parsed("{'f:a':{'k:{\\'a\\':1}':{'f:x':{}},'k:{\\'a\\':1.0}':{'f:y':{}}}}")) ==
          "{'f:a':{'k:{\\\'a\\\':1}':{'f:x':{},'f:y':{}}}}");
    CHECK(fields(parsed("{'i:3':{},'v:true':{},'v:\\'x\\'':{},'k:{\\'a\\':1}':{},'f:z':{}}")) ==
          "{'f:z':{},'k:{\\\'a\\\':1}':{},'v:\\\'x\\\'':{},'v:true':{},'i:3':{}}");
    CHECK(parsed("{}").empty());
    CHECK(parsed("{'.':{}}").empty());
    CHECK(parsed("null").empty());
    CHECK(parsed("{'f:a':null}").find_field("a")->is_member());
    for (const char* broken :
         {"[]", "1", "{'f:a':1}", "{'a':{}}", "{'x:a':{}}", "{'k:a':{}}", "{'k:[]':{}}", "{'k:{}':{}}",
          "{'k:{\\'a\\':[]}':{}}", "{'v:':{}}", "{'v:{}':{}}", "{'i:x':{}}", "{'':{}}", "{'f:a':[]}"}) {
        INFO(broken);
        auto set = FieldSet::parse(tree(broken));
        REQUIRE_FALSE(set.ok());
        CHECK(set.error().code() == Errc::Invalid);
    }
    std::string deep = "{}";
    for (int level = 0; level < 120; ++level) deep = "{'f:a':" + deep + "}";
    CHECK_FALSE(FieldSet::parse(tree(deep)).ok());
}

namespace {

json::object random_fields(Trees& trees, int depth) {
    static const char* const steps[] = {
        "f:a", "f:b",  "f:ab", "k:{\"n\":8}", "k:{\"n\":80}",    "k:{\"n\":443}",   "v:\"x\"",
        "v:9", "v:10", "v:-3", "i:0",         "k:{\"n\":\"a\"}", "k:{\"n\":\"b\"}", "f:"};
    json::object made;
    for (auto count = trees.pick(5); count > 0; --count)
        made.insert_or_assign(steps[trees.pick(std::size(steps))],
                              depth > 0 ? random_fields(trees, depth - 1) : json::object());
    if (trees.pick(3) == 0 && depth < 3) made["."] = json::object();
    return made;
}

}  // namespace

TEST_CASE("laws of sets; FieldsV1 there and back") {
    Trees trees(11);
    for (int round = 0; round < 2000; ++round) {
        FieldSet sets[3];
        for (auto& set : sets) set = FieldSet::parse(random_fields(trees, 3)).take();
        const auto &a = sets[0], &b = sets[1], &c = sets[2];
        INFO(fields(a));
        INFO(fields(b));
        CHECK(FieldSet::parse(a.fields_v1({})).take() == a);
        CHECK(FieldSet::parse(parse_json(to_json(a.fields_v1({}))).take()).take() == a);
        CHECK(a.unite(b) == b.unite(a));
        CHECK(a.intersect(b) == b.intersect(a));
        CHECK(a.unite(b).unite(c) == a.unite(b.unite(c)));
        CHECK(a.unite(a) == a);
        CHECK(a.intersect(a) == a);
        CHECK(a.subtract(a).empty());
        auto rest = a;
        rest.discard(b);
        CHECK(rest == a.subtract(b));
        CHECK(a.subtract(b).intersect(b).empty());
        CHECK(a.subtract(b).unite(a.intersect(b)) == a);
        CHECK(a.unite(b).subtract(b) == a.subtract(b));
        CHECK(a.intersect(b.unite(c)) == a.intersect(b).unite(a.intersect(c)));
        CHECK(a.unite(b).has(a));
        CHECK(a.has(b) == b.subtract(a).empty());
        CHECK(a.has(a.intersect(b)));
        auto paths = a.paths();
        std::sort(paths.begin(), paths.end());
        CHECK(std::adjacent_find(paths.begin(), paths.end()) == paths.end());
        CHECK(a.empty() == paths.empty());
        for (const auto& child : a.children()) CHECK(a.find(child.step) == &child.set);
    }
}

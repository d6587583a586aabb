// SPDX-License-Identifier: Apache-2.0
#include "cluster/patch/patch.h"

#include <chrono>

#include "cluster/patch/trees_for_test.h"

using namespace pila;
using namespace pila::cluster::patch;
using namespace pila::cluster::patch::test;

namespace {

struct Case {
    const char *live, *patch, *expected;  // "!Code part of the message": refused
};

const char* name_of(Errc code) {
    switch (code) {
        case Errc::Invalid: return "Invalid";
        case Errc::Conflict: return "Conflict";
        case Errc::Exhausted: return "Exhausted";
        default: return "another";
    }
}

template <typename Patch>
void run(const Case& tested, Patch patch) {
    INFO("live     ", tested.live);
    INFO("patch    ", tested.patch);
    auto live = tree(tested.live);
    auto done = patch(live, tree(tested.patch));
    std::string expected = tested.expected;
    if (expected[0] == '!') {
        REQUIRE_FALSE(done.ok());
        auto space = expected.find(' ');
        CHECK(name_of(done.error().code()) == expected.substr(1, space - 1));
        INFO(done.error().message());
        if (space != expected.npos) CHECK(done.error().message().find(expected.substr(space + 1)) != std::string::npos);
        CHECK(text(live) == text(tree(tested.live)));
        return;
    }
    INFO((done ? "" : done.error().message()));
    REQUIRE(done.ok());
    CHECK(text(live) == text(tree(expected)));  // the order of names, too
}

}  // namespace

TEST_CASE("JSON patch") {
    const Case cases[] = {
        // RFC 6902, appendix A
        {"{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]", "{'foo':'bar','baz':'qux'}"},
        {"{'foo':['bar','baz']}", "[{'op':'add','path':'/foo/1','value':'qux'}]", "{'foo':['bar','qux','baz']}"},
        {"{'baz':'qux','foo':'bar'}", "[{'op':'remove','path':'/baz'}]", "{'foo':'bar'}"},
        {"{'foo':['bar','qux','baz']}", "[{'op':'remove','path':'/foo/1'}]", "{'foo':['bar','baz']}"},
        {"{'baz':'qux','foo':'bar'}", "[{'op':'replace','path':'/baz','value':'boo'}]", "{'baz':'boo','foo':'bar'}"},
        {"{'foo':{'bar':'baz','waldo':'fred'},'qux':{'corge':'grault'}}",
         "[{'op':'move','from':'/foo/waldo','path':'/qux/thud'}]",
         "{'foo':{'bar':'baz'},'qux':{'corge':'grault','thud':'fred'}}"},
        {"{'foo':['all','grass','cows','eat']}", "[{'op':'move','from':'/foo/1','path':'/foo/3'}]",
         "{'foo':['all','cows','eat','grass']}"},
        {"{'baz':'qux','foo':['a',2,'c']}",
         "[{'op':'test','path':'/baz','value':'qux'},{'op':'test','path':'/foo/1','value':2}]",
         "{'baz':'qux','foo':['a',2,'c']}"},
        {"{'baz':'qux'}", "[{'op':'test','path':'/baz','value':'bar'}]", "!Conflict testing value /baz failed"},
        {"{'foo':'bar'}", "[{'op':'add','path':'/child','value':{'grandchild':{}}}]",
         "{'foo':'bar','child':{'grandchild':{}}}"},
        {"{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux','xyz':123}]", "{'foo':'bar','baz':'qux'}"},
        {"{'foo':'bar'}", "[{'op':'add','path':'/baz/bat','value':'qux'}]", "!Conflict /baz/bat"},
        {"{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':10},{'op':'test','path':'/~1','value':9}]",
         "{'/':9,'~1':10}"},
        {"{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':'10'}]", "!Conflict"},
        {"{'foo':['bar']}", "[{'op':'add','path':'/foo/-','value':['abc','def']}]", "{'foo':['bar',['abc','def']]}"},
        // Indexes
        {"{'a':[1,2]}", "[{'op':'add','path':'/a/2','value':3}]", "{'a':[1,2,3]}"},
        {"{'a':[1,2]}", "[{'op':'add','path':'/a/3','value':3}]", "!Conflict"},
        {"{'a':[1,2]}", "[{'op':'add','path':'/a/-1','value':3}]", "{'a':[1,2,3]}"},
        {"{'a':[1,2]}", "[{'op':'replace','path':'/a/-1','value':3}]", "{'a':[1,3]}"},
        {"{'a':[1,2]}", "[{'op':'remove','path':'/a/-2'}]", "{'a':[2]}"},
        {"{'a':[1,2]}", "[{'op':'remove','path':'/a/-3'}]", "!Conflict"},
        {"{'a':[1,2]}", "[{'op':'remove','path':'/a/2'}]", "!Conflict"},
        {"{'a':[1,2]}", "[{'op':'replace','path':'/a/-','value':0}]", "!Conflict"},
        {"{'a':[1,2]}", "[{'op':'replace','path':'/a/x','value':0}]", "!Conflict"},
        {"{'a':[1,2]}", "[{'op':'replace','path':'/a/99999999999999999999','value':0}]", "!Conflict"},
        {"{'a':[{'b':1}]}", "[{'op':'replace','path':'/a/0/b','value':2}]", "{'a':[{'b':2}]}"},
        // Paths that are not there, or are there as null
        {"{}", "[{'op':'remove','path':'/a'}]", "!Conflict \"/a\""},
        {"{}", "[{'op':'replace','path':'/a','value':1}]", "!Conflict"},
        {"{'a':null}", "[{'op':'replace','path':'/a','value':1}]", "{'a':1}"},
        {"{}", "[{'op':'test','path':'/a','value':null}]", "{}"},
        {"{}", "[{'op':'test','path':'/a'}]", "{}"},
        {"{}", "[{'op':'test','path':'/a','value':1}]", "!Conflict"},
        {"{}", "[{'op':'test','path':'/a/b','value':null}]", "!Conflict"},
        {"{'a':1}", "[{'op':'add','path':'/a/b','value':1}]", "!Conflict"},
        {"{'a':1.0}", "[{'op':'test','path':'/a','value':1}]", "{'a':1.0}"},
        {"{'a':{'x':1,'y':2}}", "[{'op':'test','path':'/a','value':{'y':2,'x':1}}]", "{'a':{'x':1,'y':2}}"},
        // copy and move
        {"{'a':{'b':1}}", "[{'op':'copy','from':'/a','path':'/c'},{'op':'replace','path':'/c/b','value':2}]",
         "{'a':{'b':1},'c':{'b':2}}"},
        {"{'a':1}", "[{'op':'copy','from':'/x','path':'/c'}]", "!Conflict \"/x\""},
        {"{'a':1}", "[{'op':'move','from':'/x','path':'/a'}]", "!Conflict \"/x\""},
        {"{'a':{'b':1}}", "[{'op':'move','from':'/a','path':'/a/b/c'}]", "!Conflict into itself"},
        {"{'a':1}", "[{'op':'move','from':'/a','path':'/a'}]", "{'a':1}"},
        {"{'a':1}", "[{'op':'move','from':'/a','path':'/b/c'}]", "!Conflict \"/b/c\""},
        // The whole document
        {"{'a':1}", "[{'op':'replace','path':'','value':{'b':2}}]", "{'b':2}"},
        {"{'a':1}", "[{'op':'test','path':'','value':{'a':1}}]", "{'a':1}"},
        {"{'a':1}", "[{'op':'remove','path':''}]", "!Conflict"},
        {"{'':1}", "[{'op':'replace','path':'/','value':2}]", "{'':2}"},
        // All or nothing; documents that are none
        {"{'a':1}", "[{'op':'add','path':'/b','value':1},{'op':'remove','path':'/x'}]", "!Conflict"},
        {"{'a':1}", "[]", "{'a':1}"},
        {"{}", "{'op':'add','path':'/b','value':1}", "!Invalid list of operations"},
        {"{}", "[1]", "!Invalid"},
        {"{}", "[{'path':'/b','value':1}]", "!Invalid has no op"},
        {"{}", "[{'op':'add','value':1}]", "!Invalid has no path"},
        {"{}", "[{'op':'add','path':'/b'}]", "!Invalid has no value"},
        {"{}", "[{'op':'copy','path':'/b'}]", "!Invalid has no from"},
        {"{}", "[{'op':'add','path':'b','value':1}]", "!Invalid"},
        {"{}", "[{'op':'mov','path':'/b','value':1}]", "!Invalid"},
    };
    for (const auto& tested : cases) run(tested, json_patch);
}

TEST_CASE("merge patch: the cases of RFC 7386") {
    const Case cases[] = {
        {"{'a':'b'}", "{'a':'c'}", "{'a':'c'}"},
        {"{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}"},
        {"{'a':'b'}", "{'a':null}", "{}"},
        {"{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}"},
        {"{'a':['b']}", "{'a':'c'}", "{'a':'c'}"},
        {"{'a':'c'}", "{'a':['b']}", "{'a':['b']}"},
        {"{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}"},
        {"{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}"},
        {"['a','b']", "['c','d']", "['c','d']"},
        {"{'a':'b'}", "['c']", "['c']"},
        {"{'a':'foo'}", "null", "null"},
        {"{'a':'foo'}", "'bar'", "'bar'"},
        {"{'e':null}", "{'a':1}", "{'e':null,'a':1}"},
        {"[1,2]", "{'a':'b','c':null}", "{'a':'b'}"},
        {"{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}"},
    };
    for (const auto& tested : cases) run(tested, merge_patch);
}

TEST_CASE("strategic merge of a Deployment") {
    const Case cases[] = {
        // Maps
        {"{'spec':{'replicas':1,'paused':true}}", "{'spec':{'replicas':2,'paused':null}}", "{'spec':{'replicas':2}}"},
        {"{'metadata':{'labels':{'a':'1','b':'2'}}}", "{'metadata':{'labels':{'b':null,'c':'3'}}}",
         "{'metadata':{'labels':{'a':'1','c':'3'}}}"},
        {"{}", "{'spec':{'template':{'spec':{'hostNetwork':null,'nodeName':'n'}}}}",
         "{'spec':{'template':{'spec':{'nodeName':'n'}}}}"},
        {"{'metadata':{'labels':{'a':'1'}}}", "{'metadata':{'labels':{'$patch':'replace','c':'3'}}}",
         "{'metadata':{'labels':{'c':'3'}}}"},
        {"{'metadata':{'labels':{'a':'1'}}}", "{'metadata':{'labels':{'$patch':'delete'}}}",
         "{'metadata':{'labels':{}}}"},
        {"{'metadata':{'labels':{'a':'1'}}}", "{'metadata':{'labels':{'$patch':'merge','b':'2'}}}",
         "{'metadata':{'labels':{'a':'1','b':'2'}}}"},
        {"{'metadata':{'labels':{'a':'1'}}}", "{'metadata':{'labels':{'$patch':'no'}}}", "!Invalid unknown patch type"},
        {"{'metadata':{'labels':{'a':'1'}}}", "{'metadata':{'labels':{'$patch':1}}}", "!Invalid unknown patch type"},
        {"{}", "[1]", "!Invalid"},
        // retainKeys
        {"{'spec':{'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':1}}}}",
         "{'spec':{'strategy':{'$retainKeys':['type'],'type':'Recreate'}}}",
         "{'spec':{'strategy':{'type':'Recreate'}}}"},
        {"{'spec':{'strategy':{'type':'Recreate'}}}",
         "{'spec':{'strategy':{'$retainKeys':['type','rollingUpdate'],'type':'RollingUpdate','rollingUpdate':{'"
         "maxSurge':"
         "1}}}}",
         "{'spec':{'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':1}}}}"},
        {"{'spec':{'strategy':{'type':'Recreate'}}}", "{'spec':{'strategy':{'$retainKeys':['x'],'type':'Recreate'}}}",
         "!Invalid invalid patch format of retainKeys"},
        {"{'spec':{'strategy':{'type':'Recreate'}}}", "{'spec':{'strategy':{'$retainKeys':'x'}}}",
         "!Invalid invalid patch format of retainKeys"},
        {"{'spec':{'strategy':{'type':'Recreate'}}}", "{'spec':{'strategy':{'$retainKeys':[1]}}}",
         "!Invalid invalid patch format of retainKeys"},
        // Scalars that merge
        {"{'metadata':{'finalizers':['a','b']}}", "{'metadata':{'finalizers':['b','c']}}",
         "{'metadata':{'finalizers':['a','b','c']}}"},
        {"{'metadata':{'finalizers':['a','b']}}", "{'metadata':{'finalizers':['c']}}",
         "{'metadata':{'finalizers':['c','a','b']}}"},
        {"{'metadata':{'finalizers':['a','b','a']}}", "{'metadata':{'finalizers':['b','b']}}",
         "{'metadata':{'finalizers':['a','b']}}"},
        {"{'metadata':{'finalizers':['a','b','c']}}", "{'metadata':{'$deleteFromPrimitiveList/finalizers':['a','c']}}",
         "{'metadata':{'finalizers':['b']}}"},
        {"{'metadata':{'finalizers':['a','b','c']}}",
         "{'metadata':{'$deleteFromPrimitiveList/finalizers':['a'],'finalizers':['d'],'$setElementOrder/"
         "finalizers':['c',"
         "'d','b']}}",
         "{'metadata':{'finalizers':['c','d','b']}}"},
        {"{'metadata':{}}", "{'metadata':{'$deleteFromPrimitiveList/finalizers':['a']}}", "{'metadata':{}}"},
        {"{'metadata':{'finalizers':['a']}}", "{'metadata':{'$deleteFromPrimitiveList/finalizers':'a'}}",
         "!Invalid invalid patch format of primitive list"},
        {"{'metadata':{'finalizers':['a','b','c','d']}}",
         "{'metadata':{'$setElementOrder/finalizers':['d','b'],'finalizers':['b']}}",
         "{'metadata':{'finalizers':['a','c','d','b']}}"},
        // Maps of lists that merge by uid
        {"{'metadata':{'ownerReferences':[{'uid':'1','name':'a'}]}}",
         "{'metadata':{'ownerReferences':[{'uid':'1','controller':true},{'uid':'2','name':'b'}]}}",
         "{'metadata':{'ownerReferences':[{'uid':'1','name':'a','controller':true},{'uid':'2','name':'b'}]}}"},
        {"{'metadata':{'ownerReferences':[{'uid':'1','name':'a'},{'uid':'2','name':'b'}]}}",
         "{'metadata':{'ownerReferences':[{'$patch':'delete','uid':'1'}]}}",
         "{'metadata':{'ownerReferences':[{'uid':'2','name':'b'}]}}"},
        // Fields that nobody knows
        {"{'spec':{'odd':{'a':1,'b':[1,2]}}}", "{'spec':{'odd':{'b':[3],'c':2}}}",
         "{'spec':{'odd':{'a':1,'b':[3],'c':2}}}"},
        {"{'spec':{'replicas':1}}", "{'spec':{'replicas':'many'}}", "{'spec':{'replicas':'many'}}"},
        {"{'spec':{'template':1}}", "{'spec':{'template':{'a':1}}}", "{'spec':{'template':{'a':1}}}"},
        {"{'metadata':{'finalizers':['a']}}", "{'metadata':{'finalizers':null}}", "{'metadata':{}}"},
        {"{'metadata':{'finalizers':['a']}}", "{'metadata':{'finalizers':null,'$setElementOrder/finalizers':[]}}",
         "{'metadata':{}}"},
    };
    const auto& type = builtin_type("io.k8s.api.apps.v1.Deployment");
    for (const auto& tested : cases)
        run(tested, [&](json::value& live, const json::value& patch) { return strategic_merge(live, patch, type); });
}

TEST_CASE("strategic merge of lists of a PodSpec") {
    const Case cases[] = {
        {"{'containers':[{'name':'a','image':'1'},{'name':'b','image':'1'}]}",
         "{'containers':[{'name':'b','image':'2'}]}",
         "{'containers':[{'name':'a','image':'1'},{'name':'b','image':'2'}]}"},
        // A new item stands before what the patch does not name, as kubectl patch shows
        {"{'containers':[{'name':'a'}]}", "{'containers':[{'name':'b'}]}",
         "{'containers':[{'name':'b'},{'name':'a'}]}"},
        {"{'containers':[{'name':'a'}]}",
         "{'$setElementOrder/containers':[{'name':'a'},{'name':'b'}],'containers':[{'name':'b'}]}",
         "{'containers':[{'name':'a'},{'name':'b'}]}"},
        {"{'containers':[{'name':'a'},{'name':'b'},{'name':'c'}]}",
         "{'$setElementOrder/containers':[{'name':'c'},{'name':'a'}]}",
         "{'containers':[{'name':'b'},{'name':'c'},{'name':'a'}]}"},
        // Items of the live list alone keep their place among those that the order names
        {"{'containers':[{'name':'a'},{'name':'s'},{'name':'b'}]}",
         "{'$setElementOrder/containers':[{'name':'a'},{'name':'b'}]}",
         "{'containers':[{'name':'a'},{'name':'s'},{'name':'b'}]}"},
        {"{'containers':[{'name':'s'},{'name':'a'}]}",
         "{'$setElementOrder/"
         "containers':[{'name':'a'},{'name':'n'}],'containers':[{'name':'n'},{'name':'a','image':'x'}]}",
         "!Invalid does not match $setElementOrder"},
        {"{'containers':[{'name':'s'},{'name':'a'}]}",
         "{'$setElementOrder/"
         "containers':[{'name':'a'},{'name':'n'}],'containers':[{'name':'a','image':'x'},{'name':'n'}]}",
         "{'containers':[{'name':'s'},{'name':'a','image':'x'},{'name':'n'}]}"},
        {"{'containers':[{'name':'a'},{'name':'b'}]}",
         "{'$setElementOrder/containers':[{'name':'b'}],'containers':[{'name':'a','$patch':'delete'}]}",
         "{'containers':[{'name':'b'}]}"},
        {"{}", "{'$setElementOrder/containers':[{'name':'b'},{'name':'a'}],'containers':[{'name':'b','image':null}]}",
         "{'containers':[{'name':'b'}]}"},
        {"{'nodeName':'n'}", "{'$setElementOrder/containers':[{'name':'b'}]}", "{'nodeName':'n'}"},
        {"{'containers':[{'name':'a'}]}", "{'$setElementOrder/containers':{}}", "!Invalid setElementOrder"},
        {"{'containers':[{'name':'a'}]}", "{'$setElementOrder/containers':['a']}", "!Invalid setElementOrder"},
        {"{'containers':[{'name':'a'}]}", "{'$setElementOrder/containers':[{}],'containers':[]}",
         "!Invalid merge key: name"},
        {"{'containers':[{'name':'a'}]}", "{'$setElementOrder/containers':[],'containers':{}}", "!Invalid is no list"},
        {"{'containers':{}}", "{'$setElementOrder/containers':[],'containers':[]}", "!Invalid is no list"},
        // Directives of items
        {"{'containers':[{'name':'a'},{'name':'b'}]}", "{'containers':[{'name':'a','$patch':'delete'}]}",
         "{'containers':[{'name':'b'}]}"},
        {"{'containers':[{'name':'a'}]}", "{'containers':[{'name':'a','$patch':'delete'}]}", "{'containers':[]}"},
        {"{'containers':[{'name':'a'}]}", "{'containers':[{'name':'x','$patch':'delete'}]}",
         "{'containers':[{'name':'a'}]}"},
        {"{'containers':[{'name':'a'}]}", "{'containers':[{'$patch':'replace'},{'name':'b'}]}",
         "{'containers':[{'name':'b'}]}"},
        {"{'containers':[{'name':'a'}]}", "{'containers':[{'$patch':'replace'}]}", "{'containers':[]}"},
        {"{'containers':[{'name':'a'}]}", "{'containers':[{'$patch':'delete'}]}", "!Invalid merge key: name"},
        {"{'containers':[{'name':'a'}]}", "{'containers':[{'$patch':'what','name':'a'}]}",
         "!Invalid unknown patch type"},
        {"{'containers':[{'name':'a'}]}", "{'containers':[{'image':'x'}]}",
         "!Invalid containers: an item does not contain"},
        {"{'containers':[{'image':'a'}]}", "{'containers':[{'name':'x'}]}", "!Invalid merge key: name"},
        {"{'containers':[{'name':'a'}]}", "{'containers':['x']}", "!Invalid list element types are not identical"},
        {"{'containers':[{'name':'a'}]}", "{'containers':[[]]}", "!Invalid lists of lists"},
        {"{'nodeName':'n'}",
         "{'containers':[{'name':'a','$patch':'delete'},{'name':'b','$patch':'replace','tty':true}]}",
         "{'nodeName':'n','containers':[{'name':'b','tty':true}]}"},
        // Nested
        {"{'containers':[{'name':'a','env':[{'name':'X','value':'1'},{'name':'Y','value':'1'}]}]}",
         "{'containers':[{'name':'a','env':[{'name':'Y','$patch':'delete'},{'name':'X','value':'2'}]}]}",
         "{'containers':[{'name':'a','env':[{'name':'X','value':'2'}]}]}"},
        {"{'containers':[{'name':'a','ports':[{'containerPort':80,'protocol':'TCP'},{'containerPort':80,'protocol':'"
         "UDP'}]}]}",
         "{'containers':[{'name':'a','ports':[{'containerPort':80,'name':'w'}]}]}",
         "{'containers':[{'name':'a','ports':[{'containerPort':80,'protocol':'TCP','name':'w'},{'containerPort':80,'"
         "protocol':'UDP'}]}]}"},
        {"{'containers':[{'name':'a','command':['x','y']}]}", "{'containers':[{'name':'a','command':['z']}]}",
         "{'containers':[{'name':'a','command':['z']}]}"},
        {"{'volumes':[{'name':'v','emptyDir':{}}]}",
         "{'volumes':[{'$retainKeys':['name','hostPath'],'name':'v','hostPath':{'path':'/x'}}]}",
         "{'volumes':[{'name':'v','hostPath':{'path':'/x'}}]}"},
        {"{'tolerations':[{'key':'a'}]}", "{'tolerations':[{'key':'b','effect':null}]}",
         "{'tolerations':[{'key':'b'}]}"},
        {"{'imagePullSecrets':[{'name':'a'}]}", "{'imagePullSecrets':[{'name':'b'}]}",
         "{'imagePullSecrets':[{'name':'b'},{'name':'a'}]}"},
    };
    const auto& type = builtin_type("io.k8s.api.core.v1.PodSpec");
    for (const auto& tested : cases)
        run(tested, [&](json::value& live, const json::value& patch) { return strategic_merge(live, patch, type); });
}

TEST_CASE("what kubectl itself sends to a Service and a Node") {
    auto service = tree(
        "{'spec':{'ports':[{'port':80,'targetPort':8080,'protocol':'TCP'},{'port':443,'targetPort':8443}],'selector':{'"
        "app':'a'}}}");
    REQUIRE(strategic_merge(service,
                            tree("{'spec':{'$setElementOrder/"
                                 "ports':[{'port':443},{'port':80}],'ports':[{'port':80,'targetPort':'web'}]}}"),
                            builtin_type("io.k8s.api.core.v1.Service"))
                .ok());
    CHECK(text(service) ==
          "{'spec':{'ports':[{'port':443,'targetPort':8443},{'port':80,'targetPort':'web','protocol':'TCP'}],'selector'"
          ":{'app':'a'}}}");
    auto machine = tree("{'spec':{'unschedulable':true,'taints':[{'key':'a','effect':'NoSchedule'}]}}");
    REQUIRE(strategic_merge(machine,
                            tree("{'spec':{'unschedulable':null,'taints':[{'key':'b','effect':'NoExecute'}]}}"),
                            builtin_type("io.k8s.api.core.v1.Node"))
                .ok());
    CHECK(text(machine) == "{'spec':{'taints':[{'key':'b','effect':'NoExecute'}]}}");
}

namespace {

// The merge patch that makes `to` of `from`; both without nulls.
json::value difference(const json::value& from, const json::value& to) {
    if (!from.is_object() || !to.is_object()) return to;
    json::object patch;
    for (const auto& member : from.get_object())
        if (!to.get_object().contains(member.key())) patch[member.key()] = nullptr;
    for (const auto& member : to.get_object()) {
        const auto* old = from.get_object().if_contains(member.key());
        if (!old || !equal(*old, member.value()))
            patch[member.key()] = old ? difference(*old, member.value()) : member.value();
    }
    return patch;
}

json::value without_nulls(const json::value& value) {
    if (const auto* array = value.if_array()) {
        json::array made;
        for (const auto& item : *array) made.push_back(without_nulls(item));
        return made;
    }
    if (!value.is_object()) return value;
    json::object made;
    for (const auto& member : value.get_object())
        if (!member.value().is_null()) made[member.key()] = without_nulls(member.value());
    return made;
}

}  // namespace

TEST_CASE("a merge patch of a difference makes the other; a strategic merge without directives repeats itself") {
    Trees trees(7);
    const auto& type = builtin_type("io.k8s.api.core.v1.PodSpec");
    for (int round = 0; round < 3000; ++round) {
        auto from = without_nulls(trees.object(4)), to = without_nulls(trees.object(4));
        auto patch = difference(from, to);
        INFO(text(from));
        INFO(text(to));
        INFO(text(patch));
        auto merged = from;
        REQUIRE(merge_patch(merged, patch).ok());
        CHECK(equal(merged, to));
        auto once = from;
        if (!strategic_merge(once, patch, type)) continue;
        CHECK(equal(once, to));  // of unknown fields it is a merge patch
        auto twice = once;
        REQUIRE(strategic_merge(twice, patch, type).ok());
        CHECK(equal(once, twice));
    }
}

TEST_CASE("bounds: operations, copies, depth, long lists") {
    auto object = tree("{'a':['0123456789']}");
    json::array copies;
    for (int count = 0; count < 40; ++count) copies.push_back(tree("{'op':'copy','from':'/a','path':'/a/-'}"));
    auto refused = json_patch(object, copies);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code() != Errc::Conflict);  // deep or big before it is done
    json::array doubling;
    for (int count = 0; count < 40; ++count)
        doubling.push_back(json::object{{"op", "copy"}, {"from", ""}, {"path", "/k" + std::to_string(count)}});
    CHECK(json_patch(object, doubling).error().code() == Errc::Exhausted);
    json::array many(10'001, tree("{'op':'test','path':'/b'}"));
    CHECK(json_patch(object, many).error().code() == Errc::Exhausted);
    many.pop_back();
    CHECK(json_patch(object, many).ok());

    std::string deep = "1";
    for (int level = 0; level < 120; ++level) deep = "{'a':" + deep + "}";
    auto tall = tree(deep);
    CHECK_FALSE(merge_patch(object, tall).ok());
    CHECK_FALSE(strategic_merge(object, tall, builtin_type("io.k8s.api.core.v1.Pod")).ok());
    json::array one{json::object{{"op", "add"}, {"path", "/x"}, {"value", tall}}};
    CHECK_FALSE(json_patch(object, one).ok());

    json::array live, patch, order, doomed;
    for (int index = 0; index < 10'000; ++index) {
        auto name = "v" + std::to_string(index);
        live.push_back(json::object{{"name", name}, {"value", "1"}});
        patch.push_back(json::object{{"name", "v" + std::to_string(index + 5000)}, {"value", "2"}});
        order.push_back(json::object{{"name", "v" + std::to_string(14'999 - index)}});
        if (index % 2 == 0) doomed.push_back(json::object{{"name", name}, {"$patch", "delete"}});
    }
    json::value pod = json::object{{"env", live}};
    std::reverse(patch.begin(), patch.end());
    json::value change = json::object{{"$setElementOrder/env", order}, {"env", patch}};
    auto begin = std::chrono::steady_clock::now();
    const auto& type = builtin_type("io.k8s.api.core.v1.Container");
    REQUIRE(strategic_merge(pod, change, type).ok());
    REQUIRE(strategic_merge(pod, json::object{{"env", doomed}}, type).ok());
    auto took = std::chrono::steady_clock::now() - begin;
    MESSAGE("merging lists of 10,000 items twice: ",
            std::chrono::duration_cast<std::chrono::milliseconds>(took).count(), " ms");
    CHECK(pod.at("env").get_array().size() == 10'000);
    CHECK(took < std::chrono::seconds(2));
}

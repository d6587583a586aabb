// SPDX-License-Identifier: Apache-2.0
#include "cluster/codec/forms.h"

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "cluster/codec/codec.h"

namespace pila::cluster::codec {
namespace {

std::string yaml(std::string_view text) {
    std::string out;
    append_yaml(out, json::parse(text));
    return out;
}

TEST_CASE("YAML: blocks, names in order") {
    CHECK(yaml(R"({"kind":"Pod","apiVersion":"v1","list":[1,{"b":[],"a":{}},[2,"x"]],"empty":{},"no":null})") ==
          "apiVersion: v1\nempty: {}\nkind: Pod\nlist:\n- 1\n- a: {}\n  b: []\n- - 2\n  - x\n\"no\": null");
}

TEST_CASE("YAML: what is read is what was written") {
    const auto values = json::parse(R"(["","yes","No","null","~","1","1e3","0x1f","1_000","2026-01-01","a: b","- a",
        "#x","a #b","line\nline\n","\ttab","é","\u2028","{x}","a,b","*a","&a","!a","%a","@a","`a","'a'","\"a\"","a:","?",
        true,false,null,0,-5,1.5,1e30,{"1":"x","true":1,"":2,"a b":{"c":[[[]],[{}],{"d":"e"}]}},"\u007f","\u0085","\u0080x","\ufeff","\uffff","\u2029","=","<<",".5","+1",
        "10:20","null ","x\u0000y","http://x:1/"])");
    std::string out;
    append_yaml(out, values);
    auto read = read_yaml(out, {});
    REQUIRE(read);
    CHECK(*read == values);
}

TEST_CASE("protobuf: a list item by item is the list at once") {
    const auto list = json::parse(R"({"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"7",
        "continue":"x"},"items":[{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"v"}},
        {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"b"}}]})");
    auto made = ProtobufList::start(
        json::object{{"kind", "ConfigMapList"}, {"apiVersion", "v1"}, {"metadata", list.at("metadata")}});
    REQUIRE(made);
    for (const auto& item : list.at("items").as_array()) REQUIRE(made->add(item));
    CHECK(made->take() == *write_protobuf(list));
}

TEST_CASE("protobuf: metadata alone") {
    const auto one = json::parse(R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",
        "metadata":{"name":"a","labels":{"x":"y"}}})");
    auto bytes = write_protobuf(one);
    REQUIRE(bytes);
    auto read = read_protobuf(*bytes, {});
    REQUIRE(read);
    CHECK(read->at("metadata").at("labels").at("x") == "y");
    auto list = ProtobufList::start(
        json::object{{"kind", "PartialObjectMetadataList"}, {"apiVersion", "meta.k8s.io/v1"}, {"metadata", {}}});
    REQUIRE(list);
    CHECK(list->add(one));
}

TEST_CASE("protobuf: a frame of a watch") {
    std::string out;
    REQUIRE(append_protobuf_event(out, "ADDED", json::parse(R"({"kind":"ConfigMap","apiVersion":"v1"})")));
    CHECK(static_cast<unsigned char>(out[3]) == out.size() - 4);
    CHECK(out.substr(4, 7) ==
          "\x0a\x05"
          "ADDED");
    CHECK(out.find(std::string("k8s\0", 4)) != out.npos);
    CHECK_FALSE(append_protobuf_event(out, "ADDED", json::parse(R"({"kind":"Own","apiVersion":"example.com/v1"})")));
}

}  // namespace
}  // namespace pila::cluster::codec

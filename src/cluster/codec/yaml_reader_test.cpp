// SPDX-License-Identifier: Apache-2.0
#include "cluster/codec/test_support_internal.h"

using namespace pila;
using namespace pila::cluster::codec;

namespace {

std::string read(std::string_view text) {
    auto value = read_yaml(text, {});
    return value.ok() ? json::serialize(*value) : "refused: " + value.error().message();
}

}  // namespace

TEST_CASE("scalars mean what kubectl takes them for") {
    auto rows = read_table(PILA_FIXTURES "/kubernetes/scalars.tsv");
    CHECK(rows.size() > 90);
    for (const auto& row : rows) {
        INFO(row[0]);
        auto got = read_yaml(row[0].empty() ? "v:\n" : "v: " + row[0] + "\n", {});
        if (row[1] == "ERR") {
            CHECK_FALSE(got.ok());
            continue;
        }
        REQUIRE_MESSAGE(got.ok(), message_of(got));
        auto wanted = parsed(row[1]);
        const auto& value = got->at("v");
        if (wanted.is_double() && value.is_double())
            CHECK(value.as_double() == doctest::Approx(wanted.as_double()).epsilon(1e-15));
        else
            CHECK(json::serialize(value) == json::serialize(wanted));
    }
}

TEST_CASE("YAML is read to the tree that JSON would give") {
    CHECK(read("") == "null");
    CHECK(read("---\n# nothing\n") == "null");
    CHECK(read("a: {b: [1, two, 3.5], c}\nd:\n- x: 1\n  z:\n- []\n") ==
          R"({"a":{"b":[1,"two",3.5E0],"c":null},"d":[{"x":1,"z":null},[]]})");
    CHECK(read("a: |\n  x\n   y\nb: >-\n  p\n  q\nc: \"a\\nb\\u00e9\"\nd: 'it''s'\ne: b#c # d\n") ==
          "{\"a\":\"x\\n y\\n\",\"b\":\"p q\",\"c\":\"a\\nb\xc3\xa9\",\"d\":\"it's\",\"e\":\"b#c\"}");
    CHECK(read("1: a\n1.5: d\n0x10: e\n\"2\": f\nyes: c\n012: g\n1e3: h\n") ==
          R"({"1":"a","1.5":"d","16":"e","2":"f","true":"c","10":"g","1000":"h"})");
    CHECK(read("{\"a\": [1, {\"b\": null}], \"c\": \"\\u00e9\"}") == "{\"a\":[1,{\"b\":null}],\"c\":\"\xc3\xa9\"}");
    CHECK(read("a: \"x\\N\\_\\L\\x85\u00e9\"\n") == "{\"a\":\"x\xc2\x85\xc2\xa0\xe2\x80\xa8\xc2\x85\xc3\xa9\"}");
    CHECK(read("? a\n? b\n") == R"({"a":null,"b":null})");
}

TEST_CASE("aliases stand for what they name, merges give way") {
    CHECK(read("a: &x [1, {b: 2}]\nc: *x\n") == R"({"a":[1,{"b":2}],"c":[1,{"b":2}]})");
    CHECK(read("&k a: 1\nb: *k\n*k : 3\n") == R"({"a":3,"b":"a"})");
    CHECK(read("a: &a {x: 1, z: 2}\nb:\n  <<: *a\n  z: 3\nc:\n  z: 3\n  <<: *a\nd:\n  <<: [*a, {x: 9, w: 4}]\n") ==
          R"({"a":{"x":1,"z":2},"b":{"z":3,"x":1},"c":{"z":3,"x":1},"d":{"x":1,"z":2,"w":4}})");
    CHECK(read("\"<<\": 1\n") == R"({"<<":1})");
    CHECK(read("<<: 1\n").find("line 1: map merge requires map") != std::string::npos);
    CHECK(read("a: &a [*a]\n").find("line 1: an anchor's value contains itself") != std::string::npos);
    CHECK(read("a: *nope\n").starts_with("refused:"));
}

TEST_CASE("names that come twice in YAML are told with their place") {
    Faults faults;
    auto value = read_yaml("a: 1\nb:\n- x: 1\n- z: {k: 1, k: 2}\na: 2\n1: x\n\"1\": y\n", {}, &faults);
    REQUIRE_MESSAGE(value.ok(), message_of(value));
    CHECK(value->at("a").as_int64() == 2);
    CHECK(faults.duplicate == std::vector<std::string>{"b[1].z.k", "a", "1"});
}

TEST_CASE("YAML that is wrong is refused with its line") {
    CHECK(read("a: b: c\n").starts_with("refused: error converting YAML to JSON: yaml: line 1: "));
    CHECK(read("a: 1\nb: [1\n").starts_with("refused: error converting YAML to JSON: yaml: line "));
    CHECK(read("a: 1\n---\nb: 2\n") ==
          "refused: error converting YAML to JSON: yaml: only one document is allowed here");
    CHECK(read(", :\"q\"l !!str").find("did not find expected <document start>") != std::string::npos);
    CHECK(read("a: 1\n]\n").starts_with("refused:"));
    CHECK(read("a: 1\n---\n") == R"({"a":1})");
    CHECK(read("---\na: 1\n...\n") == R"({"a":1})");
    CHECK(read("~: a\n").find("a name cannot be null") != std::string::npos);
    CHECK(read("? [a]\n: b\n").find("a name must be a scalar") != std::string::npos);
    CHECK(read("a: \x01\n").find("control characters") != std::string::npos);
    CHECK(read("a: \xff\n").find("invalid UTF-8") != std::string::npos);
    CHECK(read("a: !!int x\n").find("cannot decode `x` as a !!int") != std::string::npos);
    CHECK(read("a: .inf\n").find("unsupported value") != std::string::npos);
}

TEST_CASE("YAML is bounded in bytes, depth and what aliases multiply") {
    std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int level = 1; level < 12; ++level) {
        laughs += fmt::format("a{0}: &a{0} [", level);
        for (int at = 0; at < 10; ++at) laughs += fmt::format("*a{},", level - 1);
        laughs += "]\n";
    }
    auto laughed = read_yaml(laughs, {});
    REQUIRE_FALSE(laughed.ok());
    CHECK(laughed.error().code() == Errc::Exhausted);
    std::string long_text = "a: &a " + std::string(1U << 20, 'x') + "\nb: [";
    for (int at = 0; at < 1000; ++at) long_text += "*a, ";
    auto copied = read_yaml(long_text + "]\n", {});
    REQUIRE_FALSE(copied.ok());
    CHECK(copied.error().code() == Errc::Exhausted);
    CHECK(read(std::string(101, '[') + std::string(101, ']')).find("exceeded max depth") != std::string::npos);
    CHECK(read(std::string(1'000'000, '[')).starts_with("refused:"));
    std::string dashes;
    for (int at = 0; at < 100'000; ++at) dashes += "- ";
    CHECK(read(dashes).starts_with("refused:"));
    CHECK(message_of(read_yaml("a: 1234", {}, nullptr, {.max_bytes = 6})) ==
          "a body of 7 bytes exceeds the limit of 6");
}

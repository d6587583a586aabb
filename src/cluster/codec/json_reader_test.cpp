// SPDX-License-Identifier: Apache-2.0
#include "cluster/codec/test_support_internal.h"

using namespace pila;
using namespace pila::cluster::codec;

namespace {

std::vector<std::string> duplicates(std::string_view text) {
    Faults faults;
    auto value = read_json(text, {}, &faults);
    REQUIRE_MESSAGE(value.ok(), message_of(value));
    CHECK(faults.unknown.empty());
    return faults.duplicate;
}

std::string refused(std::string_view text, const Limits& limits = {}) {
    auto value = read_json(text, {}, nullptr, limits);
    REQUIRE_FALSE(value.ok());
    return value.error().message();
}

}  // namespace

TEST_CASE("JSON is read as it is written") {
    CHECK(json::serialize(parsed(R"( {"a":[1,-2,true,null,"x\u00e9\n"],"b":{}} )")) ==
          "{\"a\":[1,-2,true,null,\"x\xc3\xa9\\n\"],\"b\":{}}");
    CHECK(parsed("9223372036854775807").as_int64() == INT64_MAX);
    CHECK(parsed("-9223372036854775808").as_int64() == INT64_MIN);
    CHECK(parsed("9223372036854775808").as_double() == 9223372036854775808.0);
    CHECK(parsed("123456789012345678901234567890").as_double() == 123456789012345678901234567890.0);
    CHECK(parsed("1.0").is_double());
    CHECK(parsed("-0").as_int64() == 0);
    // Each of these is off by one bit if digits are multiplied up in floating point.
    for (std::string_view text :
         {"8.41", "2.2250738585072012e-308", "1.7976931348623157e308", "123456789.123456789e-5", "9007199254740993.0"})
        CHECK(parsed(text).as_double() == std::strtod(std::string(text).c_str(), nullptr));
    CHECK(parsed("1e-400").as_double() == 0);
}

TEST_CASE("names that come twice are told with their place, and the last one holds") {
    CHECK(duplicates(R"({"a":1,"b":{"a":1}})").empty());
    CHECK(duplicates(R"({"a":1,"b":2,"a":3,"a":4})") == std::vector<std::string>{"a"});
    CHECK(parsed(R"({"a":1,"b":2,"a":3})").at("a").as_int64() == 3);
    CHECK(duplicates(
              R"({"spec":{"containers":[{"name":"x"},{"x":[[],{}],"name":"y","image":"","name":"z"}]},"spec":1})") ==
          std::vector<std::string>{"spec.containers[1].name", "spec"});
    CHECK(duplicates(R"({"a":[[{"b":1},{"b":1,"\u0062":2}]]})") == std::vector<std::string>{"a[0][1].b"});
    CHECK(duplicates(R"({"x\ty":{"a\n":1,"a\n":2}})") == std::vector<std::string>{"x\ty.a\n"});
    std::string many = "{";
    for (int at = 0; at < 1000; ++at) many += fmt::format("\"k{}\":0,", at % 500);
    many.back() = '}';
    CHECK(duplicates(many).size() == 100);
    CHECK(duplicates(
              R"({"a0":0,"a1":0,"a2":0,"a3":0,"a4":0,"a5":0,"a6":0,"a7":0,"a8":0,"a9":0,"b0":0,"b1":0,"b2":0,"b3":0,)"
              R"("b4":0,"b5":0,"b6":0,"a3":1})") == std::vector<std::string>{"a3"});
}

TEST_CASE("what is no JSON is refused, and where it went wrong is told") {
    CHECK(refused("") == "unexpected end of JSON input");
    CHECK(refused("{\"a\":") == "unexpected end of JSON input");
    CHECK(refused("{\"a\":x}") == "invalid character 'x' at byte 5 of the JSON");
    CHECK(refused("{} {}") == "invalid character '{' after top-level value");
    CHECK(refused("[1,]").starts_with("invalid character ']'"));
    CHECK(refused("1e400") == "json: cannot unmarshal number 1e400 into Go value of type float64");
    CHECK(refused("[-1e400]") == "json: cannot unmarshal number -1e400 into Go value of type float64");
    CHECK(refused("\"\xff\"").find("at byte 1") != std::string::npos);
    CHECK(refused("\"\xed\xa0\x80\"").find("at byte") != std::string::npos);  // a surrogate
    CHECK(refused("\"a\nb\"").find("at byte 2") != std::string::npos);
    for (std::string_view text : {"01", "+1", "1.", ".5", "nul", "NaN", "'a'", "{a:1}", "{\"a\" 1}", "[1 2]", "// x\n1",
                                  "\"\\x\"", "\xef\xbb\xbf{}"})
        CHECK_MESSAGE(!read_json(text, {}).ok(), std::string(text));
}

TEST_CASE("JSON is bounded in bytes, depth and values") {
    CHECK(refused("[[[]]]", {.max_depth = 2}) == "the JSON is nested deeper than 2 levels");
    CHECK(read_json("[[]]", {}, nullptr, {.max_depth = 2}).ok());
    CHECK(refused(std::string(100'000, '['), {}) == "the JSON is nested deeper than 100 levels");
    CHECK(refused("[1,2,3]", {.max_nodes = 3}) == "the JSON has more than 3 values");
    CHECK(read_json("[1,2]", {}, nullptr, {.max_nodes = 3}).ok());
    CHECK(refused("[1,2,3]", {.max_bytes = 6}) == "a body of 7 bytes exceeds the limit of 6");
}

TEST_CASE("the tree lives in the memory that it was given") {
    json::monotonic_resource memory;
    auto value = read_json(R"({"a":"a text that is too long to be kept within the value itself"})", &memory);
    REQUIRE(value.ok());
    CHECK(value->storage().get() == &memory);
    CHECK(value->at("a").storage().get() == &memory);
}

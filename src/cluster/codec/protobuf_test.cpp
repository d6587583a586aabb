// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/codec/layout_internal.h"

using namespace pila;
using namespace pila::cluster::codec;
namespace schema = pila::cluster::schema;

namespace {

std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

schema::Node node_of(const json::value& object) {
    auto content = content_of(object.at("apiVersion").as_string(), object.at("kind").as_string());
    REQUIRE(content.ok());
    return {.form = schema::Form::Message, .type = content->type};
}

std::string text(const json::value& value) {
    std::string out = json::serialize(value);
    return out;
}

// The fields in one order, so that trees can be compared as texts, too.
json::value sorted(const json::value& value) {
    if (const auto* array = value.if_array()) {
        json::array made;
        for (const auto& item : *array) made.push_back(sorted(item));
        return made;
    }
    const auto* object = value.if_object();
    if (!object) return value;
    std::map<std::string, json::value> members;
    for (const auto& member : *object) members[std::string(member.key())] = sorted(member.value());
    json::object made;
    for (const auto& [key, member] : members) made[key] = member;
    return made;
}

json::value fitted(json::value object) {
    Faults faults;
    auto node = node_of(object);
    auto done = fit(object, node, faults);
    CHECK_MESSAGE(done.ok(), (done ? "" : done.error().message()));
    CHECK(faults.empty());
    return object;
}

}  // namespace

TEST_CASE("what kubectl sends as protobuf is what it means in JSON, and comes back the same") {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(PILA_FIXTURES "/kubernetes/protobuf")) {
        if (entry.path().extension() != ".bin") continue;
        INFO(entry.path().filename().string());
        ++count;
        auto bytes = read_file(entry.path());
        auto wanted_text = read_file(std::filesystem::path(entry.path()).replace_extension(".json"));
        auto read = read_protobuf(bytes, {});
        REQUIRE_MESSAGE(read.ok(), (read ? "" : read.error().message()));
        auto wanted = read_json(wanted_text, {});
        REQUIRE_MESSAGE(wanted.ok(), (wanted ? "" : wanted.error().message()));
        auto got = fitted(*read);
        CHECK(text(sorted(got)) == text(sorted(fitted(*wanted))));
        auto written = write_protobuf(got);
        REQUIRE_MESSAGE(written.ok(), (written ? "" : written.error().message()));
        auto again = read_protobuf(*written, {});
        REQUIRE_MESSAGE(again.ok(), (again ? "" : again.error().message()));
        CHECK(text(*again) == text(*read));
        for (std::size_t length = 0; length < bytes.size(); ++length)  // cut short: refused, or a shorter object
            ignore(read_protobuf(std::string_view(bytes).substr(0, length), {}), "must only not crash");
    }
    CHECK(count >= 39);
}

// SPDX-License-Identifier: Apache-2.0
// A schema and an object of its kind, with a NUL between them: whatever the schema, compiling it and completing and
// checking the object never crash, and completing twice is completing once.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <boost/json.hpp>

#include "base/go_pattern.h"
#include "cluster/codec/codec.h"
#include "cluster/custom/custom.h"
#include "cluster/schema/catalogue.h"

using namespace pila::cluster;
namespace json = boost::json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto end = text.find('\0');
    json::error_code failure;
    auto schema = json::parse(text.substr(0, end), failure);
    if (failure || !schema.is_object()) return 0;
    auto definition = json::parse(R"({"metadata":{"name":"as.example.com"},"spec":{"group":"example.com",
        "scope":"Cluster","names":{"plural":"as","kind":"A"},
        "versions":[{"name":"v1","served":true,"storage":true}]}})");
    auto& version = definition.at("spec").at("versions").as_array()[0].as_object();
    version["schema"] = json::object{{"openAPIV3Schema", schema}};
    const auto& object = definition.as_object();
    custom::Findings findings;
    auto compiled = custom::compile(object, custom::read_names(&object.at("spec").at("names")), findings);
    if (findings.causes.size() > 100 || (compiled == nullptr) != !findings.causes.empty()) std::abort();
    if (!compiled || end == text.npos) return 0;

    const auto& kind = *compiled->kinds.front();
    const schema::Node node{.form = schema::Form::Message, .type = kind.type};
    auto value = json::parse(text.substr(end + 1), failure);
    if (failure || !value.is_object()) return 0;
    codec::Faults faults;
    if (!codec::fit(value, node, faults)) return 0;
    codec::apply_defaults(value, node);
    const auto once = value;
    codec::Faults more;
    if (!codec::fit(value, node, more) || !more.unknown.empty()) std::abort();
    codec::apply_defaults(value, node);
    if (value != once) std::abort();
    if (custom::validate(value, kind).size() > 100) std::abort();
    (void)custom::validate_update(value, once, kind);
    return 0;
}

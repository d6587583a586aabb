// SPDX-License-Identifier: Apache-2.0
#pragma once
// Objects for the tests of this room, as the registry would hand them over.

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "cluster/codec/codec.h"
#include "cluster/kinds/kinds.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::kinds {

inline const schema::Kind& kind_of(const json::object& object) {
    const std::string version(object.at("apiVersion").as_string());
    const auto slash = version.find('/');
    const schema::GroupVersion group = slash == std::string::npos
                                           ? schema::GroupVersion{"", version}
                                           : schema::GroupVersion{version.substr(0, slash), version.substr(slash + 1)};
    const auto* kind = schema::Catalogue::builtin().find_kind(group, std::string_view(object.at("kind").as_string()));
    REQUIRE_MESSAGE(kind, version << " " << std::string(object.at("kind").as_string()));
    return *kind;
}

// Fitted, with the schema's defaults and canonical quantities, in a namespace if its kind wants one.
inline json::object fitted(std::string_view text) {
    auto value = json::parse(text);
    const auto& kind = kind_of(value.as_object());
    if (kind.is_namespaced) {
        auto& metadata = value.as_object()["metadata"];
        if (!metadata.is_object()) metadata.emplace_object();
        if (!metadata.as_object().contains("namespace")) metadata.as_object()["namespace"] = "default";
    }
    schema::Node node;
    node.form = schema::Form::Message;
    node.type = kind.type;
    codec::Faults faults;
    const auto fits = codec::fit(value, node, faults);
    REQUIRE_MESSAGE(fits.ok(), (fits ? std::string() : fits.error().message()));
    for (const auto& unknown : faults.unknown) FAIL("unknown field " << unknown);
    codec::apply_defaults(value, node);
    const auto canonical = codec::canonicalize(value, node);
    REQUIRE_MESSAGE(canonical.ok(), (canonical ? std::string() : canonical.error().message()));
    return value.as_object();
}

// As on create.
inline json::object complete(std::string_view text) {
    auto object = fitted(text);
    const auto& kind = kind_of(object);
    set_defaults(object, kind);
    if (auto* metadata = object["metadata"].if_object(); metadata && kind.name == "Job")
        (*metadata)["uid"] = "0b1c5a1e-7d2f-4a63-9a53-0d0a8a1f6f01";
    prepare_for_create(object, kind);
    return object;
}

inline std::vector<std::string> texts(const std::vector<Cause>& causes) {
    std::vector<std::string> lines;
    for (const auto& cause : causes) lines.push_back(cause.field + ": " + cause.message);
    return lines;
}

inline std::vector<std::string> faults_of(std::string_view text) {
    const auto object = complete(text);
    return texts(validate(object, kind_of(object)));
}

inline std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines) text += line + "\n";
    return text;
}

}  // namespace pila::cluster::kinds

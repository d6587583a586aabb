// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/negotiate.h"

#include <doctest/doctest.h>

namespace pila::cluster::api {
namespace {

constexpr std::string_view protobuf = "application/vnd.kubernetes.protobuf";

TEST_CASE("the first form that a client takes and the kind has") {
    struct Case {
        std::string accept;
        Offer offer;
        std::optional<Encoding> encoding;
        Form form = Form::Object;
    };
    const std::string both = std::string(protobuf) + ",application/json";
    const std::string table = ";as=Table;g=meta.k8s.io;v=v1";
    const std::string metadata = ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    const Case cases[] = {
        {"", {}, Encoding::Json},
        {"*/*", {}, Encoding::Json},
        {"application/yaml", {}, Encoding::Yaml},
        {"application/yaml", {.is_watch = true}, std::nullopt},
        {"application/yaml, */*", {.is_watch = true}, Encoding::Json},
        {both, {}, Encoding::Protobuf},
        {both, {.has_protobuf = false}, Encoding::Json},
        {std::string(protobuf) + ";stream=watch", {.is_watch = true}, Encoding::Protobuf},
        {"application/json;q=0.5,application/yaml", {}, Encoding::Yaml},
        {"application/json;q=0,application/yaml;q=0.1", {}, Encoding::Yaml},
        {std::string(protobuf) + table + ",application/json" + table, {}, Encoding::Json, Form::Table},
        {std::string(protobuf) + table, {}, std::nullopt},
        {std::string(protobuf) + metadata, {.has_protobuf = false}, Encoding::Protobuf, Form::PartialMetadata},
        {"text/html", {}, std::nullopt},
        {"application/json;as=Table;g=other;v=v1", {}, std::nullopt},
    };
    for (const auto& one : cases) {
        CAPTURE(one.accept);
        const auto shape = shape_of(one.accept, one.offer);
        REQUIRE(shape.has_value() == one.encoding.has_value());
        if (!shape) continue;
        CHECK(shape->encoding == *one.encoding);
        CHECK(shape->form == one.form);
    }
}

}  // namespace
}  // namespace pila::cluster::api

// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/schema/catalogue.h"

using namespace pila;
using namespace pila::cluster::codec;
namespace schema = pila::cluster::schema;

TEST_CASE("thin") {
    Faults faults;
    auto value = read_json(
        R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","name":"b","labels":{"x":"1"},"creationTimestamp":null},"spec":{"containers":[{"name":"a","imge":"x","image":"x","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"1000m","memory":0.5}}}]}})",
        {}, &faults);
    REQUIRE(value.ok());
    schema::Node node{.form = schema::Form::Message,
                      .type = schema::Catalogue::builtin().find_kind({"", "v1"}, "Pod")->type};
    auto r = fit(*value, node, faults);
    CHECK_MESSAGE(r.ok(), (r ? "" : r.error().message()));
    apply_defaults(*value, node);
    auto c = canonicalize(*value, node);
    CHECK_MESSAGE(c.ok(), (c ? "" : c.error().message()));
    MESSAGE(json::serialize(*value));
    for (auto& f : faults.unknown) MESSAGE(f);
    for (auto& f : faults.duplicate) MESSAGE(f);
}

// SPDX-License-Identifier: Apache-2.0
// A body is refused, or fitted once: then the schema has nothing to say any more, and what is written reads the same.
#include <cstdint>
#include <cstdlib>

#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/schema/catalogue.h"

namespace codec = pila::cluster::codec;
namespace schema = pila::cluster::schema;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    codec::Faults faults;
    auto value = codec::read_json(text, {}, &faults);
    if (!value) return 0;
    auto written = codec::write_json(*value);  // 1e3 is written as 1000
    auto again = codec::read_json(written, {}, nullptr, {.max_bytes = 64U << 20});
    if (!again || codec::write_json(*again) != written) std::abort();
    static const schema::Type* const types[] = {
        schema::Catalogue::builtin().find_kind({"", "v1"}, "Pod")->type,
        schema::Catalogue::builtin().find_kind({"coordination.k8s.io", "v1"}, "Lease")->type,
        schema::Catalogue::builtin().find_kind({"apiextensions.k8s.io", "v1"}, "CustomResourceDefinition")->type,
    };
    for (const auto* type : types) {
        auto tree = *value;
        const schema::Node node{.form = schema::Form::Message, .type = type};
        if (!codec::fit(tree, node, faults) || !codec::canonicalize(tree, node)) continue;
        codec::apply_defaults(tree, node);
        auto fitted = tree;
        codec::Faults none;
        if (!codec::fit(fitted, node, none) || !none.empty() || fitted != tree) std::abort();
        codec::apply_defaults(fitted, node);
        if (!codec::canonicalize(fitted, node) || fitted != tree) std::abort();
    }
    return 0;
}

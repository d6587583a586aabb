// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/shapes.h"

#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/convert/convert.h"
#include "cluster/kinds/kinds.h"

namespace pila::cluster::api {

Outcome<json::object> in_stored_shape(const json::object& object, const Call& call) {
    const auto& kind = convert::stored_kind(call.kind);
    const schema::Node node{.form = schema::Form::Message, .type = kind.type};
    json::value tree(object, call.memory);
    convert::to_stored(tree.get_object(), call.kind);
    codec::Faults unknown;
    auto fitted = codec::fit(tree, node, unknown);
    if (fitted) fitted = codec::canonicalize(tree, node);
    if (!fitted) return bad_request(fitted.error().message());
    auto causes = kinds::validate(tree.get_object(), kind);
    if (!causes.empty()) return invalid(call.kind, call.name, std::move(causes));
    return std::move(tree.get_object());
}

}  // namespace pila::cluster::api

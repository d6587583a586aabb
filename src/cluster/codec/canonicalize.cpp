// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>

#include "base/go_values.h"
#include "cluster/codec/path_internal.h"
#include "cluster/codec/quantity.h"

namespace pila::cluster::codec {

namespace {

using schema::Form;
using schema::Node;
using schema::Type;

Result<void> quantity(json::value& value, const Path& path) {
    std::string number;
    std::string_view text;
    if (const auto* string = value.if_string()) {
        text = *string;
    } else if (value.is_number()) {
        number = value.is_double() ? fmt::format("{}", value.get_double()) : json::serialize(value);
        text = number;
    } else {
        return {};
    }
    auto parsed = Quantity::parse(text);
    if (!parsed) return std::move(parsed).take_error().in(fmt::format("{}: {}", path.text(), go_quote(text)));
    auto written = parsed->text();
    if (!value.is_string() || written != text) value.emplace_string() = written;
    return {};
}

Result<void> walk(json::value& value, const Node& node, const Path& path) {
    switch (node.form) {
        case Form::Quantity: return quantity(value, path);
        case Form::Message:
            if (!node.type || !value.is_object()) return {};
            for (auto& member : value.get_object()) {
                auto key = std::string_view(member.key());
                bool can_hold =
                    member.value().is_structured() || member.value().is_string() || member.value().is_number();
                const auto* field = can_hold ? node.type->find(key) : nullptr;
                if (field) TRY(walk(member.value(), field->node, path.field(key)));
            }
            return {};
        case Form::List:
            if (!value.is_array() || node.items->form <= Form::Bytes) return {};
            for (std::size_t at = 0; at < value.get_array().size(); ++at)
                TRY(walk(value.get_array()[at], *node.items, path.item(at)));
            return {};
        case Form::Map:
            if (!value.is_object() || node.items->form <= Form::Bytes) return {};
            for (auto& member : value.get_object())
                TRY(walk(member.value(), *node.items, path.key(std::string_view(member.key()))));
            return {};
        default: return {};  // schemas have no quantities
    }
}

}  // namespace

Result<void> canonicalize(json::value& object, const Node& node) { return walk(object, node, {}); }

}  // namespace pila::cluster::codec

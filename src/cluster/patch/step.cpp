// SPDX-License-Identifier: Apache-2.0
#include "cluster/patch/step.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/json.h"
#include "base/text.h"

namespace pila::cluster::patch {

std::string key_step(std::vector<KeyPart> parts) {
    std::sort(parts.begin(), parts.end(),
              [](const KeyPart& left, const KeyPart& right) { return left.name < right.name; });
    std::string text = "k:{";
    for (const auto& part : parts) {
        if (text.size() > 3) text += ',';
        append_json_quoted(text, part.name);
        text += ':';
        text += part.value;
    }
    return text += '}';
}

std::string value_step(const json::value& scalar) { return "v:" + scalar_text(scalar); }

void append_readable(std::string& text, std::string_view step) {
    auto rest = step.substr(std::min<std::size_t>(2, step.size()));
    if (step.starts_with("f:")) {
        text += '.';
        text += rest;
    } else if (step.starts_with("v:")) {
        text += fmt::format("[={}]", rest);
    } else if (step.starts_with("k:")) {
        text += '[';
        auto parsed = parse_json(rest);
        const auto* keys = parsed ? parsed->if_object() : nullptr;
        for (auto key = keys ? keys->begin() : nullptr; keys && key != keys->end(); ++key) {
            if (key != keys->begin()) text += ',';
            text +=
                fmt::format("{}={}", std::string_view(key->key().data(), key->key().size()), scalar_text(key->value()));
        }
        text += ']';
    } else {
        text += fmt::format("[{}]", rest);
    }
}

Place Place::member(std::string_view name) const {
    if (!node) return {};
    if (node->form == schema::Form::Map) return {node->items, nullptr};
    const auto* found = node->form == schema::Form::Message ? node->type->find(name) : nullptr;
    return found ? Place{&found->node, found} : Place{};
}

Place Place::item() const { return {node && node->form == schema::Form::List ? node->items : nullptr, nullptr}; }

namespace {

bool is_open(schema::Form form) { return form == schema::Form::Any || form == schema::Form::Object; }

}  // namespace

Shape shape_of(const Place& place, const json::value* left, const json::value* right) {
    auto fits = [&](auto has_form) {
        return (!left || left->is_null() || has_form(*left)) && (!right || right->is_null() || has_form(*right));
    };
    auto is_map = [](const json::value& value) { return value.is_object(); };
    auto is_list = [](const json::value& value) { return value.is_array(); };
    if (place.field && place.field->atomic) return Shape::Leaf;
    if (!place.node || is_open(place.node->form)) {
        bool any = (left && left->is_object()) || (right && right->is_object());
        return any && fits(is_map) ? Shape::Map : Shape::Leaf;
    }
    switch (place.node->form) {
        case schema::Form::Map: return fits(is_map) ? Shape::Map : Shape::Leaf;
        case schema::Form::Message: return !place.node->type->atomic && fits(is_map) ? Shape::Map : Shape::Leaf;
        case schema::Form::List: {
            bool by_item = place.field && place.field->list != schema::ListKind::Atomic;
            return by_item && fits(is_list) ? Shape::List : Shape::Leaf;
        }
        default: return Shape::Leaf;
    }
}

std::optional<std::string> item_step(const Place& list, const json::value& item) {
    if (list.field->list == schema::ListKind::Set) {
        if (!is_scalar(item) || item.is_null()) return std::nullopt;
        return value_step(item);
    }
    const auto* object = item.if_object();
    if (!object) return std::nullopt;
    auto place = list.item();
    std::vector<KeyPart> parts;
    for (const auto& name : list.field->list_keys) {
        if (const auto* value = object->if_contains(name)) {
            if (!is_scalar(*value)) return std::nullopt;
            parts.push_back({name, scalar_text(*value)});
            continue;
        }
        auto key = place.member(name);
        if (!key.field || key.field->default_json.empty()) continue;
        parts.push_back({name, key.field->default_json});
    }
    if (parts.empty()) return std::nullopt;
    return key_step(std::move(parts));
}

std::string item_step(const Place& list, const json::value& item, std::size_t index) {
    auto step = item_step(list, item);
    return step ? std::move(*step) : fmt::format("i:{}", index);
}

}  // namespace pila::cluster::patch

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/json.hpp>

#include "base/go_values.h"
#include "base/text.h"
#include "cluster/codec/path_internal.h"

namespace pila::cluster::codec {

namespace {

using schema::Form;
using schema::Node;
using schema::Type;

// io.k8s.api.core.v1.PodSpec to v1.PodSpec, as Go's reflection names it
std::string go_name(const Type& type) {
    auto parts = split(type.full_name, '.');
    return parts.size() < 2 ? type.name : fmt::format("{}.{}", parts[parts.size() - 2], parts.back());
}

std::string go_type(const Node& node) {
    switch (node.form) {
        case Form::String: return "string";
        case Form::Int32: return "int32";
        case Form::Int64: return "int64";
        case Form::Double: return "float64";
        case Form::Bool: return "bool";
        case Form::Bytes: return "[]uint8";
        case Form::Quantity: return "resource.Quantity";
        case Form::IntOrString: return "int32";
        case Form::Time:
        case Form::MicroTime: return "string";
        case Form::Fields: return "v1.FieldsV1";
        case Form::Object: return "runtime.RawExtension";
        case Form::Any:
        case Form::RawJson: return "interface {}";
        case Form::SchemaOrArray:
        case Form::SchemaOrBool:
        case Form::SchemaOrStrings: return "v1.JSONSchemaProps";
        case Form::List: return "[]" + go_type(*node.items);
        case Form::Map: return "map[string]" + go_type(*node.items);
        case Form::Message: return node.type ? go_name(*node.type) : "map[string]interface {}";
    }
    return "interface {}";
}

std::string number_text(double number) {
    bool is_whole = std::abs(number) < 1e15 && std::trunc(number) == number;
    return is_whole ? fmt::format("{:.1f}", number) : fmt::format("{}", number);
}

std::string go_kind(const json::value& value, bool with_text) {
    switch (value.kind()) {
        case json::kind::null: return "null";
        case json::kind::bool_: return "bool";
        case json::kind::int64: return with_text ? fmt::format("number {}", value.get_int64()) : "number";
        case json::kind::uint64: return with_text ? fmt::format("number {}", value.get_uint64()) : "number";
        case json::kind::double_: return with_text ? "number " + number_text(value.get_double()) : "number";
        case json::kind::string: return "string";
        case json::kind::array: return "array";
        case json::kind::object: return "object";
    }
    return "value";
}

class Fitter {
public:
    explicit Fitter(Faults& faults) : faults_(faults) {}

    // `owner`: the message that has the field
    bool value(json::value& value, const Node& node, const Path& path, const Type* owner) {
        switch (node.form) {
            case Form::String: return value.is_string() || wrong(value, node, path, owner);
            case Form::Bool: return value.is_bool() || wrong(value, node, path, owner);
            case Form::Int32:
            case Form::Int64: return integer(value, node, path, owner);
            case Form::Double: return value.is_number() || wrong(value, node, path, owner);
            case Form::Bytes: return bytes(value, node, path, owner);
            case Form::Quantity: return value.is_string() || value.is_number() || wrong_quantity(value, path);
            case Form::IntOrString: return int_or_string(value, node, path, owner);
            case Form::Time:
            case Form::MicroTime: return time(value, node, path, owner);
            case Form::Fields:
            case Form::Object: return value.is_object() || wrong(value, node, path, owner);
            case Form::Any:
            case Form::RawJson: return true;
            case Form::List: return list(value, node, path, owner);
            case Form::Map: return map(value, node, path, owner);
            case Form::Message: return message(value, node, path, owner);
            case Form::SchemaOrArray:
            case Form::SchemaOrBool:
            case Form::SchemaOrStrings: return union_of_schema(value, node, path, owner);
        }
        return true;
    }

    Error take_error() { return {Errc::Invalid, std::move(error_)}; }

private:
    bool refuse(std::string text) {
        error_ = std::move(text);
        return false;
    }

    bool wrong(const json::value& value, const Node& node, const Path& path, const Type* owner,
               bool with_text = false) {
        if (node.constraints) return true;  // custom: the validation of values says so, in its own words
        auto fields = path.fields();
        auto what = go_kind(value, with_text);
        if (fields.empty() || !owner)
            return refuse(fmt::format("json: cannot unmarshal {} into Go value of type {}", what, go_type(node)));
        return refuse(fmt::format("json: cannot unmarshal {} into Go struct field {}.{} of type {}", what, owner->name,
                                  fields, go_type(node)));
    }

    bool wrong_quantity(const json::value& value, const Path& path) {
        return refuse(
            fmt::format("{}: a quantity is a string or a number, not a JSON {}", path.text(), go_kind(value, false)));
    }

    bool integer(const json::value& value, const Node& node, const Path& path, const Type* owner) {
        const auto* number = value.if_int64();
        if (!number) return wrong(value, node, path, owner, value.is_number());
        if (node.form == Form::Int64) return true;
        if (*number >= std::numeric_limits<std::int32_t>::min() && *number <= std::numeric_limits<std::int32_t>::max())
            return true;
        return wrong(value, node, path, owner, true);
    }

    bool int_or_string(const json::value& value, const Node& node, const Path& path, const Type* owner) {
        return value.is_string() || integer(value, node, path, owner);
    }

    bool time(json::value& value, const Node& node, const Path& path, const Type* owner) {
        const auto* text = value.if_string();
        if (!text) return wrong(value, node, path, owner);
        auto parsed = parse_time(*text);
        if (!parsed) return refuse(parsed.error().message());
        auto micro = *parsed;
        auto written = node.form == Form::MicroTime
                           ? format_micro_time(micro)
                           : format_time(micro >= 0 ? micro / 1'000'000 : (micro - 999'999) / 1'000'000);
        if (std::string_view(*text) != written) value.as_string() = written;
        return true;
    }

    // encoding/base64: line ends are skipped, padding is asked for.
    bool bytes(json::value& value, const Node& node, const Path& path, const Type* owner) {
        auto* text = value.if_string();
        if (!text) return wrong(value, node, path, owner);
        auto is_digit = [](char c) {
            return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
        };
        std::size_t digits = 0, padding = 0, ends = 0, at = 0;
        for (; at < text->size(); ++at) {
            char c = (*text)[at];
            if (c == '\n' || c == '\r')
                ++ends;
            else if (c == '=' && padding < 2 && (digits + padding) % 4 >= 2)
                ++padding;
            else if (is_digit(c) && padding == 0)
                ++digits;
            else
                return refuse(fmt::format("illegal base64 data at input byte {}", at));
        }
        if ((digits + padding) % 4 != 0) return refuse(fmt::format("illegal base64 data at input byte {}", at));
        if (ends > 0)
            text->erase(std::remove_if(text->begin(), text->end(), [](char c) { return c == '\n' || c == '\r'; }) -
                        text->begin());
        return true;
    }

    bool list(json::value& value, const Node& node, const Path& path, const Type* owner) {
        auto* array = value.if_array();
        if (!array) return wrong(value, node, path, owner);
        std::size_t at = 0;
        for (auto& item : *array) {
            auto here = path.item(at++);
            if (item.is_null() && (is_nullable(*node.items) || node.items->constraints)) continue;
            if (item.is_null())
                zero(item, *node.items);
            else if (!this->value(item, *node.items, here, owner))
                return false;
        }
        return true;
    }

    bool map(json::value& value, const Node& node, const Path& path, const Type* owner) {
        auto* object = value.if_object();
        if (!object) return wrong(value, node, path, owner);
        if (node.constraints && !is_nullable(*node.items)) drop_nulls(*object);
        for (auto& member : *object) {
            auto here = path.key(std::string_view(member.key()));
            if (member.value().is_null() && !is_nullable(*node.items))
                zero(member.value(), *node.items);
            else if (!member.value().is_null() && !this->value(member.value(), *node.items, here, owner))
                return false;
        }
        return true;
    }

    bool message(json::value& value, const Node& node, const Path& path, const Type* owner) {
        auto* object = value.if_object();
        if (!object) return wrong(value, node, path, owner);
        if (!node.type) return true;
        std::size_t drops = 0;
        for (auto& member : *object) {
            auto key = std::string_view(member.key());
            const auto* field = node.type->find(key);
            if (!field) {
                if (node.keeps_unknown) continue;
                add_fault(faults_.unknown, path.field(key).text());
                ++drops;
            } else if (member.value().is_null()) {
                if (!is_nullable(field->node)) ++drops;
            } else if (!this->value(member.value(), field->node, path.field(key), node.type)) {
                return false;
            }
        }
        if (drops > 0) drop(*object, node, object->size() - drops);
        return true;
    }

    // Anew, rather than one by one: each erasing moves all that follow.
    static void drop(json::object& object, const Node& node, std::size_t kept_count) {
        json::object kept(object.storage());
        kept.reserve(kept_count);
        for (auto& member : object) {
            const auto* field = node.type->find(std::string_view(member.key()));
            if (field ? !member.value().is_null() || is_nullable(field->node) : node.keeps_unknown)
                kept.emplace(member.key(), std::move(member.value()));
        }
        object = std::move(kept);
    }

    static void drop_nulls(json::object& object) {
        auto is_null = [](const auto& member) { return member.value().is_null(); };
        if (std::none_of(object.begin(), object.end(), is_null)) return;
        json::object kept(object.storage());
        for (auto& member : object)
            if (!is_null(member)) kept.emplace(member.key(), std::move(member.value()));
        object = std::move(kept);
    }

    // The schema of a custom resource within its definition: `owner` is that schema's type.
    bool union_of_schema(json::value& value, const Node& node, const Path& path, const Type* owner) {
        if (node.form == Form::SchemaOrBool && value.is_bool()) return true;
        Node schema{.form = Form::Message, .type = owner};
        if (auto* array = value.if_array(); array && node.form != Form::SchemaOrBool) {
            Node text{.form = Form::String};
            std::size_t at = 0;
            for (auto& item : *array)
                if (!this->value(item, node.form == Form::SchemaOrArray ? schema : text, path.item(at++), owner))
                    return false;
            return true;
        }
        return message(value, schema, path, owner);
    }

    static bool is_nullable(const Node& node) {
        return node.nullable || node.form == Form::Any || node.form == Form::RawJson;
    }

    // What Go makes of a null within a list or map: the zero of its type.
    static void zero(json::value& value, const Node& node) {
        switch (node.form) {
            case Form::String: value.emplace_string(); break;
            case Form::Int32:
            case Form::Int64:
            case Form::Double:
            case Form::IntOrString: value = 0; break;
            case Form::Bool: value = false; break;
            case Form::Quantity: value.emplace_string() = "0"; break;
            case Form::Message: value.emplace_object(); break;
            default: break;
        }
    }

    Faults& faults_;
    std::string error_;
};

}  // namespace

Result<void> fit(json::value& object, const Node& node, Faults& faults) {
    Fitter fitter(faults);
    if (!fitter.value(object, node, {}, nullptr)) return fitter.take_error();
    return {};
}

}  // namespace pila::cluster::codec

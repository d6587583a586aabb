// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/codec/layout_internal.h"
#include "cluster/codec/path_internal.h"
#include "cluster/codec/wire_internal.h"
#include "crypto/base64.h"

namespace pila::cluster::codec {

namespace {

using schema::Form;
using schema::Node;
using schema::Type;

std::string_view text_of(const json::value& value) {
    return value.is_string() ? value.get_string() : std::string_view();
}

class MessageWriter {
public:
    // Fields in the order of their numbers, as Go writes them.
    bool message(std::string& out, const Layout& layout, const Type& type, const json::object& object,
                 const Path& path) {
        for (const auto& slot : layout.slots) {
            if (slot.folded) {
                std::string inner;
                if (!message(inner, *slot.folded, type, object, path)) return false;
                if (!inner.empty()) append_bytes(out, slot.number, inner);
                continue;
            }
            const auto* value = object.if_contains(slot.field->name);
            if (value && !value->is_null() &&
                !field(out, slot.number, slot.field->node, type, *value, path.field(slot.field->name)))
                return false;
        }
        return true;
    }

    Error take_error() { return {Errc::Invalid, std::move(error_)}; }

private:
    bool wrong(const Path& path, std::string_view wanted) {
        error_ = fmt::format("{}: not {}, which protobuf wants", path.text(), wanted);
        return false;
    }

    bool field(std::string& out, std::uint32_t number, const Node& node, const Type& type, const json::value& value,
               const Path& path) {
        if (node.form == Form::List) {
            if (!value.is_array()) return wrong(path, "a list");
            std::size_t at = 0;
            for (const auto& item : value.get_array())
                if (!one(out, number, *node.items, type, item, path.item(at++))) return false;
            return true;
        }
        if (node.form != Form::Map) return one(out, number, node, type, value, path);
        if (!value.is_object()) return wrong(path, "a map");
        for (const auto& member : value.get_object()) {
            std::string entry;
            append_bytes(entry, 1, std::string_view(member.key()));
            if (!one(entry, 2, *node.items, type, member.value(), path.key(std::string_view(member.key()))))
                return false;
            append_bytes(out, number, entry);
        }
        return true;
    }

    bool one(std::string& out, std::uint32_t number, const Node& node, const Type& owner, const json::value& value,
             const Path& path) {
        switch (node.form) {
            case Form::String:
                if (!value.is_string()) return wrong(path, "a string");
                append_bytes(out, number, text_of(value));
                return true;
            case Form::Int32:
            case Form::Int64:
                if (!value.is_int64()) return wrong(path, "an integer");
                append_number(out, number, static_cast<std::uint64_t>(value.get_int64()));
                return true;
            case Form::Bool:
                if (!value.is_bool()) return wrong(path, "true or false");
                append_number(out, number, value.get_bool() ? 1 : 0);
                return true;
            case Form::Double: return number_of(out, number, value, path);
            case Form::Bytes: return bytes(out, number, value, path);
            default: break;
        }
        std::string inner;
        if (!content(inner, node, owner, value, path)) return false;
        append_bytes(out, number, inner);
        return true;
    }

    // Of a value that is a message.
    bool content(std::string& out, const Node& node, const Type& owner, const json::value& value, const Path& path) {
        switch (node.form) {
            case Form::Message:
                if (!value.is_object()) return wrong(path, "an object");
                return message(out, layout_of(*node.type), *node.type, value.get_object(), path);
            case Form::Quantity:
                append_bytes(out, 1, value.is_string() ? std::string(text_of(value)) : json::serialize(value));
                return true;
            case Form::IntOrString: return int_or_string(out, value, path);
            case Form::Time:
            case Form::MicroTime: return time(out, value, path);
            case Form::Fields:
            case Form::Any:
            case Form::Object:
            case Form::RawJson: append_bytes(out, 1, json::serialize(value)); return true;
            case Form::List:  // within a map: {1 items}
                return field(out, 1, node, owner, value, path);
            case Form::SchemaOrArray:
            case Form::SchemaOrBool:
            case Form::SchemaOrStrings: return union_of_schema(out, node.form, owner, value, path);
            default: return wrong(path, "what it is");
        }
    }

    bool number_of(std::string& out, std::uint32_t number, const json::value& value, const Path& path) {
        if (!value.is_number()) return wrong(path, "a number");
        double wide = value.is_double() ? value.get_double() : static_cast<double>(value.to_number<std::int64_t>());
        append_tag(out, number, Fixed64);
        auto bits = std::bit_cast<std::uint64_t>(wide);
        for (int index = 0; index < 8; ++index, bits >>= 8) out += static_cast<char>(bits);
        return true;
    }

    bool bytes(std::string& out, std::uint32_t number, const json::value& value, const Path& path) {
        auto decoded = value.is_string() ? crypto::base64_decode(text_of(value)) : std::nullopt;
        if (!decoded) return wrong(path, "base64");
        append_bytes(out, number, *decoded);
        return true;
    }

    bool int_or_string(std::string& out, const json::value& value, const Path& path) {
        if (!value.is_string() && !value.is_int64()) return wrong(path, "an integer or a string");
        append_number(out, 1, value.is_string() ? 1 : 0);
        append_number(out, 2, value.is_string() ? 0 : static_cast<std::uint64_t>(value.get_int64()));
        append_bytes(out, 3, text_of(value));
        return true;
    }

    // Both numbers even if they are 0: an empty message is no time.
    bool time(std::string& out, const json::value& value, const Path& path) {
        if (value.is_null()) return true;
        auto micro = parse_time(text_of(value));
        if (!micro) return wrong(path, "a time");
        auto rest = *micro % 1'000'000;
        if (rest < 0) rest += 1'000'000;
        append_number(out, 1, static_cast<std::uint64_t>((*micro - rest) / 1'000'000));
        append_number(out, 2, static_cast<std::uint64_t>(rest * 1000));
        return true;
    }

    bool union_of_schema(std::string& out, Form form, const Type& owner, const json::value& value, const Path& path) {
        if (form == Form::SchemaOrBool) append_number(out, 1, !value.is_bool() || value.get_bool() ? 1 : 0);
        if (value.is_bool() && form == Form::SchemaOrBool) return true;
        Node schema{.form = Form::Message, .type = &owner}, string{.form = Form::String};
        if (value.is_array() && form != Form::SchemaOrBool) {
            std::size_t at = 0;
            for (const auto& item : value.get_array())
                if (!one(out, 2, form == Form::SchemaOrArray ? schema : string, owner, item, path.item(at++)))
                    return false;
            return true;
        }
        return one(out, form == Form::SchemaOrBool ? 2 : 1, schema, owner, value, path);
    }

    std::string error_;
};

Result<std::string> write_body(const Content& content, const json::object& object) {
    MessageWriter writer;
    std::string body;
    Path root;
    if (!content.is_list) {
        if (!writer.message(body, layout_of(*content.type), *content.type, object, root)) return writer.take_error();
        return body;
    }
    const auto& meta = *schema::Catalogue::builtin().find_type("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta");
    auto part = [&](std::uint32_t number, const Type& type, const json::value* value, const Path& path) {
        std::string inner;
        if (value && value->is_object() && !writer.message(inner, layout_of(type), type, value->get_object(), path))
            return false;
        append_bytes(body, number, inner);
        return true;
    };
    if (!part(1, meta, object.if_contains("metadata"), root.field("metadata"))) return writer.take_error();
    const auto* items = object.if_contains("items");
    if (!items || !items->is_array()) return body;
    auto list = root.field("items");
    std::size_t at = 0;
    for (const auto& item : items->get_array())
        if (!part(2, *content.type, &item, list.item(at++))) return writer.take_error();
    return body;
}

}  // namespace

Result<std::string> write_protobuf(const json::value& value) {
    const auto* object = value.if_object();
    if (!object) return Error(Errc::Invalid, "only objects have a protobuf form");
    auto text = [&](const char* name) {
        const auto* found = object->if_contains(name);
        return found ? text_of(*found) : std::string_view();
    };
    auto content = TRY(content_of(text("apiVersion"), text("kind")));
    auto body = TRY(write_body(content, *object));
    std::string meta;
    append_bytes(meta, 1, text("apiVersion"));
    append_bytes(meta, 2, text("kind"));
    std::string out(envelope_magic);
    append_bytes(out, 1, meta);
    append_bytes(out, 2, body);
    append_bytes(out, 3, "");
    append_bytes(out, 4, "");
    return out;
}

}  // namespace pila::cluster::codec

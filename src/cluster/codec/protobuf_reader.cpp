// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/codec/codec.h"
#include "cluster/codec/layout_internal.h"
#include "cluster/codec/wire_internal.h"
#include "crypto/base64.h"

namespace pila::cluster::codec {

namespace {

using schema::Field;
using schema::Form;
using schema::Node;
using schema::Type;

bool is_number(Form form) {
    return form == Form::Int32 || form == Form::Int64 || form == Form::Double || form == Form::Bool;
}

bool is_zero(const json::value& value) {
    switch (value.kind()) {
        case json::kind::null: return true;
        case json::kind::bool_: return !value.get_bool();
        case json::kind::int64: return value.get_int64() == 0;
        case json::kind::double_: return value.get_double() == 0;
        case json::kind::string: return value.get_string().empty();
        default: return false;
    }
}

json::string_view as_json_text(std::string_view text) { return {text.data(), text.size()}; }

class MessageReader {
public:
    explicit MessageReader(const Limits& limits) : limits_(limits), left_(limits.max_nodes) {}

    bool message(std::string_view bytes, const Layout& layout, const Type& type, json::object& object,
                 std::size_t depth) {
        if (depth > limits_.max_depth)
            return fail(Errc::Invalid, fmt::format("the protobuf is nested deeper than {} levels", limits_.max_depth));
        Cursor cursor(bytes);
        while (!cursor.is_done()) {
            std::uint32_t number = 0, wire = 0;
            if (!cursor.tag(number, wire)) return malformed(type);
            const auto* slot = layout.find(number);
            if (!slot) {
                if (!cursor.skip(wire)) return malformed(type);
            } else if (slot->folded) {
                std::string_view inner;
                if (wire != Length || !cursor.bytes(inner)) return malformed(type);
                if (!message(inner, *slot->folded, type, object, depth + 1)) return false;
            } else if (!field(cursor, wire, *slot->field, type, object, depth)) {
                return false;
            }
        }
        return true;
    }

    bool list(std::string_view bytes, const Type& type, json::object& object, std::size_t depth) {
        const auto& list_meta =
            *schema::Catalogue::builtin().find_type("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta");
        object["metadata"].emplace_object();
        object["items"].emplace_array();
        auto& metadata = object["metadata"].get_object();
        auto& items = object["items"].get_array();
        Cursor cursor(bytes);
        while (!cursor.is_done()) {
            std::uint32_t number = 0, wire = 0;
            std::string_view inner;
            if (!cursor.tag(number, wire)) return malformed(type);
            if (number > 2) {
                if (!cursor.skip(wire)) return malformed(type);
                continue;
            }
            if (wire != Length || !cursor.bytes(inner)) return malformed(type);
            if (number == 1 ? !message(inner, layout_of(list_meta), list_meta, metadata, depth + 1)
                            : !count() || !message(inner, layout_of(type), type,
                                                   items.emplace_back(json::object_kind).get_object(), depth + 1))
                return false;
        }
        return true;
    }

    Error take_error() { return {code_, std::move(error_)}; }
    bool fail(Errc code, std::string text) {
        code_ = code;
        error_ = std::move(text);
        return false;
    }
    std::size_t nodes_left() const { return left_; }

private:
    bool malformed(const Type& type) {
        return fail(Errc::Invalid, fmt::format("malformed protobuf of a {}", type.name));
    }
    bool malformed(const Field& field, const Type& type) {
        return fail(Errc::Invalid, fmt::format("malformed protobuf of {}.{}", type.name, field.name));
    }

    bool count() {
        if (left_ == 0)
            return fail(Errc::Exhausted, fmt::format("the protobuf has more than {} values", limits_.max_nodes));
        --left_;
        return true;
    }

    bool field(Cursor& cursor, std::uint32_t wire, const Field& field, const Type& type, json::object& object,
               std::size_t depth) {
        const auto& node = field.node;
        if (!count()) return false;
        if (node.form == Form::List) {
            auto& value = object[field.name];
            if (!value.is_array()) value.emplace_array();
            return item(cursor, wire, field, type, value.get_array(), depth);
        }
        if (node.form == Form::Map) {
            auto& value = object[field.name];
            if (!value.is_object()) value.emplace_object();
            return entry(cursor, wire, field, type, value.get_object(), depth);
        }
        auto& value = object[field.name];
        if (!one(cursor, wire, node, type, value, depth)) return error_.empty() ? malformed(field, type) : false;
        bool is_unset =
            value.is_null() || (is_zero(value) && !field.pointer && !field.required && (node.form <= Form::Bytes));
        if (is_unset) object.erase(field.name);
        return true;
    }

    bool item(Cursor& cursor, std::uint32_t wire, const Field& field, const Type& type, json::array& array,
              std::size_t depth) {
        const auto& node = *field.node.items;
        if (wire != Length || !is_number(node.form)) {
            auto& value = array.emplace_back(nullptr);
            return one(cursor, wire, node, type, value, depth) || (error_.empty() && malformed(field, type));
        }
        std::string_view packed;
        if (!cursor.bytes(packed)) return malformed(field, type);
        auto each_wire = node.form == Form::Double ? Fixed64 : Varint;
        for (Cursor inner(packed); !inner.is_done();)
            if (!count() || !one(inner, each_wire, node, type, array.emplace_back(nullptr), depth))
                return error_.empty() && malformed(field, type);
        return true;
    }

    // {1 key, 2 value}; what is absent is zero.
    bool entry(Cursor& cursor, std::uint32_t wire, const Field& field, const Type& type, json::object& object,
               std::size_t depth) {
        std::string_view bytes, key = "";  // never null: it is copied
        if (wire != Length || !cursor.bytes(bytes)) return malformed(field, type);
        const auto& node = *field.node.items;
        json::value value = zero(node, object.storage());
        for (Cursor inner(bytes); !inner.is_done();) {
            std::uint32_t number = 0, inner_wire = 0;
            if (!inner.tag(number, inner_wire)) return malformed(field, type);
            bool ok = number == 1   ? inner_wire == Length && inner.bytes(key)
                      : number == 2 ? one(inner, inner_wire, node, type, value, depth + 1)
                                    : inner.skip(inner_wire);
            if (!ok) return error_.empty() && malformed(field, type);
        }
        if (!is_utf8(key)) return malformed(field, type);
        object.insert_or_assign(as_json_text(key), std::move(value));
        return true;
    }

    static json::value zero(const Node& node, const json::storage_ptr& memory) {
        switch (node.form) {
            case Form::String:
            case Form::Bytes: return json::value(json::string_kind, memory);
            case Form::Int32:
            case Form::Int64: return json::value(0, memory);
            case Form::Double: return json::value(0.0, memory);
            case Form::Bool: return json::value(false, memory);
            case Form::Quantity: return json::value("0", memory);
            case Form::Message: return json::value(json::object_kind, memory);
            case Form::List: return json::value(json::array_kind, memory);
            default: return json::value(nullptr, memory);
        }
    }

    // One value, whatever it is repeated in. Null: there is none. False without error_: malformed.
    bool one(Cursor& cursor, std::uint32_t wire, const Node& node, const Type& owner, json::value& into,
             std::size_t depth) {
        if (is_number(node.form)) return number(cursor, wire, node.form, into);
        std::string_view bytes;
        if (wire != Length || !cursor.bytes(bytes)) return false;
        switch (node.form) {
            case Form::String: return text(bytes, into);
            case Form::Bytes: into.emplace_string() = crypto::base64_encode(bytes); return true;
            case Form::Quantity: return quantity(bytes, into);
            case Form::IntOrString: return int_or_string(bytes, into);
            case Form::Time:
            case Form::MicroTime: return time(bytes, node.form, into);
            case Form::Fields:
            case Form::Any:
            case Form::Object:
            case Form::RawJson: return raw(bytes, into, depth);
            case Form::Message:
                if (!into.is_object()) into.emplace_object();
                return message(bytes, layout_of(*node.type), *node.type, into.get_object(), depth + 1);
            case Form::List: return strings(bytes, node, owner, into, depth);
            case Form::SchemaOrArray:
            case Form::SchemaOrBool:
            case Form::SchemaOrStrings: return union_of_schema(bytes, node.form, owner, into, depth);
            default: return false;
        }
    }

    static bool number(Cursor& cursor, std::uint32_t wire, Form form, json::value& into) {
        std::uint64_t bits = 0;
        if (form == Form::Double) {
            if (wire != Fixed64 || !cursor.fixed64(bits)) return false;
            auto number = std::bit_cast<double>(bits);
            into = number;
            return number - number == 0;  // JSON has no infinity
        }
        if (wire != Varint || !cursor.varint(bits)) return false;
        if (form == Form::Bool)
            into = bits != 0;
        else
            into =
                form == Form::Int32 ? std::int64_t{static_cast<std::int32_t>(bits)} : static_cast<std::int64_t>(bits);
        return true;
    }

    static bool text(std::string_view bytes, json::value& into) {
        if (!is_utf8(bytes)) return false;
        into.emplace_string() = as_json_text(bytes);
        return true;
    }

    // The only string of a message that has it as field 1
    static bool quantity(std::string_view bytes, json::value& into) {
        std::string_view found = "0";
        for (Cursor cursor(bytes); !cursor.is_done();) {
            std::uint32_t number = 0, wire = 0;
            if (!cursor.tag(number, wire)) return false;
            if (number == 1 ? wire != Length || !cursor.bytes(found) : !cursor.skip(wire)) return false;
        }
        return text(found.empty() ? "0" : found, into);
    }

    static bool int_or_string(std::string_view bytes, json::value& into) {
        std::uint64_t kind = 0, value = 0;
        std::string_view string;
        for (Cursor cursor(bytes); !cursor.is_done();) {
            std::uint32_t number = 0, wire = 0;
            if (!cursor.tag(number, wire)) return false;
            bool ok = number == 1   ? wire == Varint && cursor.varint(kind)
                      : number == 2 ? wire == Varint && cursor.varint(value)
                      : number == 3 ? wire == Length && cursor.bytes(string)
                                    : cursor.skip(wire);
            if (!ok) return false;
        }
        if (kind > 1) return false;
        if (kind == 1) return text(string, into);
        into = std::int64_t{static_cast<std::int32_t>(value)};
        return true;
    }

    // An empty message is no time, as Go's zero time is written.
    static bool time(std::string_view bytes, Form form, json::value& into) {
        into = nullptr;
        if (bytes.empty()) return true;
        std::uint64_t seconds = 0, nanoseconds = 0;
        for (Cursor cursor(bytes); !cursor.is_done();) {
            std::uint32_t number = 0, wire = 0;
            if (!cursor.tag(number, wire)) return false;
            bool ok = number == 1   ? wire == Varint && cursor.varint(seconds)
                      : number == 2 ? wire == Varint && cursor.varint(nanoseconds)
                                    : cursor.skip(wire);
            if (!ok) return false;
        }
        constexpr std::int64_t first = -62'135'596'800, last = 253'402'300'799;  // years 1 to 9999
        auto at = static_cast<std::int64_t>(seconds);
        if (at < first || at > last || nanoseconds > 999'999'999) return false;
        into.emplace_string() = form == Form::Time
                                    ? format_time(at)
                                    : format_micro_time(at * 1'000'000 + static_cast<std::int64_t>(nanoseconds / 1000));
        return true;
    }

    bool raw(std::string_view bytes, json::value& into, std::size_t depth) {
        std::string_view found;
        for (Cursor cursor(bytes); !cursor.is_done();) {
            std::uint32_t number = 0, wire = 0;
            if (!cursor.tag(number, wire)) return false;
            if (number == 1 ? wire != Length || !cursor.bytes(found) : !cursor.skip(wire)) return false;
        }
        into = nullptr;
        if (found.empty()) return true;
        Limits inner = limits_;
        inner.max_depth = limits_.max_depth - std::min(limits_.max_depth, depth);
        inner.max_nodes = left_;
        if (inner.max_depth == 0) return false;
        auto parsed = found.starts_with(envelope_magic) ? read_protobuf(found, into.storage(), inner)
                                                        : read_json(found, into.storage(), nullptr, inner);
        if (!parsed) return fail(parsed.error().code(), parsed.error().message());
        into = parsed.take();
        return true;
    }

    // A list within a map is a message of its own: {1 items}
    bool strings(std::string_view bytes, const Node& node, const Type& owner, json::value& into, std::size_t depth) {
        if (!into.is_array()) into.emplace_array();
        for (Cursor cursor(bytes); !cursor.is_done();) {
            std::uint32_t number = 0, wire = 0;
            if (!cursor.tag(number, wire)) return false;
            if (number != 1) {
                if (!cursor.skip(wire)) return false;
            } else if (!count() ||
                       !one(cursor, wire, *node.items, owner, into.get_array().emplace_back(nullptr), depth)) {
                return false;
            }
        }
        return true;
    }

    bool union_of_schema(std::string_view bytes, Form form, const Type& owner, json::value& into, std::size_t depth) {
        std::uint32_t schema_at = form == Form::SchemaOrBool ? 2 : 1;
        json::object schema(into.storage());
        json::array others(into.storage());
        bool has_schema = false;
        std::uint64_t allows = 0;
        for (Cursor cursor(bytes); !cursor.is_done();) {
            std::uint32_t number = 0, wire = 0;
            if (!cursor.tag(number, wire)) return false;
            if (number > 2) {
                if (!cursor.skip(wire)) return false;
                continue;
            }
            if (number != schema_at && form == Form::SchemaOrBool) {
                if (wire != Varint || !cursor.varint(allows)) return false;
                continue;
            }
            std::string_view inner;
            if (!count() || wire != Length || !cursor.bytes(inner)) return false;
            if (number != schema_at && form == Form::SchemaOrStrings) {
                if (!text(inner, others.emplace_back(nullptr))) return false;
                continue;
            }
            has_schema |= number == schema_at;
            auto& target = number == schema_at ? schema : others.emplace_back(json::object_kind).get_object();
            if (!message(inner, layout_of(owner), owner, target, depth + 1)) return false;
        }
        if (!others.empty())
            into = std::move(others);
        else if (has_schema)
            into = std::move(schema);
        else if (form == Form::SchemaOrBool)
            into = allows != 0;
        else
            into = nullptr;
        return true;
    }

    const Limits& limits_;
    std::size_t left_;
    Errc code_ = Errc::Invalid;
    std::string error_;
};

struct Envelope {
    std::string_view api_version, kind, raw;
};

// {1 {1 apiVersion, 2 kind}, 2 raw, 3 encoding, 4 content type}
bool read_envelope(std::string_view bytes, Envelope& envelope) {
    std::string_view meta;
    for (Cursor cursor(bytes); !cursor.is_done();) {
        std::uint32_t number = 0, wire = 0;
        if (!cursor.tag(number, wire)) return false;
        bool ok = number == 1   ? wire == Length && cursor.bytes(meta)
                  : number == 2 ? wire == Length && cursor.bytes(envelope.raw)
                                : cursor.skip(wire);
        if (!ok) return false;
    }
    for (Cursor cursor(meta); !cursor.is_done();) {
        std::uint32_t number = 0, wire = 0;
        if (!cursor.tag(number, wire)) return false;
        bool ok = number == 1   ? wire == Length && cursor.bytes(envelope.api_version)
                  : number == 2 ? wire == Length && cursor.bytes(envelope.kind)
                                : cursor.skip(wire);
        if (!ok) return false;
    }
    return is_utf8(envelope.api_version) && is_utf8(envelope.kind);
}

}  // namespace

Result<json::value> read_protobuf(std::string_view bytes, json::storage_ptr memory, const Limits& limits) {
    if (bytes.size() > limits.max_bytes)
        return Error(Errc::Exhausted,
                     fmt::format("a body of {} bytes exceeds the limit of {}", bytes.size(), limits.max_bytes));
    Envelope envelope;
    if (!bytes.starts_with(envelope_magic))
        return Error(Errc::Invalid, "the body is not Kubernetes' protobuf: it does not begin with \"k8s\\x00\"");
    if (!read_envelope(bytes.substr(envelope_magic.size()), envelope))
        return Error(Errc::Invalid, "malformed protobuf of an object's envelope");
    auto content = TRY(content_of(envelope.api_version, envelope.kind));
    json::value made(json::object_kind, memory);
    auto& object = made.get_object();
    object["apiVersion"] = as_json_text(envelope.api_version);
    object["kind"] = as_json_text(envelope.kind);
    MessageReader reader(limits);
    bool ok = content.is_list ? reader.list(envelope.raw, *content.type, object, 1)
                              : reader.message(envelope.raw, layout_of(*content.type), *content.type, object, 1);
    if (!ok) return reader.take_error();
    return made;
}

}  // namespace pila::cluster::codec

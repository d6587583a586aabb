// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/text.h"
#include "cli/template_internal.h"
#include "cli/units.h"

namespace pila::cli::template_detail {

namespace {

using Arguments = std::vector<Value>;
using Function = Result<Value> (*)(const Arguments&);

Error wrong(std::string message) { return Error(Errc::Invalid, std::move(message)); }

Result<std::string> text_of(const Value& value) {
    if (value->is_string()) return std::string(value->get_string());
    return wrong(fmt::format("wrong type for value; expected string; got {}", printed(*value)));
}

std::optional<double> number_of(const json::value& value) {
    if (value.is_int64()) return static_cast<double>(value.get_int64());
    if (value.is_uint64()) return static_cast<double>(value.get_uint64());
    if (value.is_double()) return value.get_double();
    return std::nullopt;
}

std::optional<std::int64_t> whole_of(const json::value& value) {
    if (value.is_int64()) return value.get_int64();
    if (value.is_uint64() && value.get_uint64() <= INT64_MAX) return static_cast<std::int64_t>(value.get_uint64());
    return std::nullopt;
}

// -1, 0, 1
Result<int> compare(const json::value& one, const json::value& other) {
    auto order = [](auto a, auto b) { return a < b ? -1 : a > b ? 1 : 0; };
    if (one.is_string() && other.is_string())
        return order(std::string_view(one.get_string()), std::string_view(other.get_string()));
    if (auto a = whole_of(one), b = whole_of(other); a && b) return order(*a, *b);
    if (auto a = number_of(one), b = number_of(other); a && b) return order(*a, *b);
    if (one.is_bool() && other.is_bool()) return order(one.get_bool(), other.get_bool());
    if (one.is_null() || other.is_null()) return one.is_null() && other.is_null() ? 0 : 1;
    return wrong("incompatible types for comparison");
}

Result<Value> equal(const Arguments& arguments) {
    for (std::size_t i = 1; i < arguments.size(); ++i)
        if (TRY(compare(*arguments[0], *arguments[i])) == 0) return Value::of(true);
    return Value::of(false);
}
Result<Value> not_equal(const Arguments& arguments) {
    return Value::of(TRY(compare(*arguments[0], *arguments[1])) != 0);
}
Result<Value> less(const Arguments& arguments) { return Value::of(TRY(compare(*arguments[0], *arguments[1])) < 0); }
Result<Value> at_most(const Arguments& arguments) { return Value::of(TRY(compare(*arguments[0], *arguments[1])) <= 0); }
Result<Value> greater(const Arguments& arguments) { return Value::of(TRY(compare(*arguments[0], *arguments[1])) > 0); }
Result<Value> at_least(const Arguments& arguments) {
    return Value::of(TRY(compare(*arguments[0], *arguments[1])) >= 0);
}

Result<Value> all_of(const Arguments& arguments) {
    for (const auto& argument : arguments)
        if (!truth(*argument)) return argument;
    return arguments.back();
}
Result<Value> any_of(const Arguments& arguments) {
    for (const auto& argument : arguments)
        if (truth(*argument)) return argument;
    return arguments.back();
}
Result<Value> negate(const Arguments& arguments) { return Value::of(!truth(*arguments[0])); }

Result<Value> length(const Arguments& arguments) {
    const auto& value = *arguments[0];
    if (const auto* text = value.if_string()) return Value::of(static_cast<std::int64_t>(text->size()));
    if (const auto* list = value.if_array()) return Value::of(static_cast<std::int64_t>(list->size()));
    if (const auto* object = value.if_object()) return Value::of(static_cast<std::int64_t>(object->size()));
    if (value.is_null()) return Value::of(std::int64_t{0});
    return wrong(fmt::format("len of type {}", value.is_bool() ? "bool" : "int"));
}

Result<Value> element(const Arguments& arguments) {
    Value value = arguments[0];
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const auto& key = *arguments[i];
        const json::value* found = nullptr;
        if (const auto* object = value->if_object()) {
            if (!key.is_string()) return wrong("value has type int; should be string");
            found = object->if_contains(key.get_string());
        } else if (const auto* list = value->if_array()) {
            auto index = whole_of(key);
            if (!index)
                return wrong(fmt::format("cannot index slice/array with type {}", key.is_string() ? "string" : "nil"));
            if (*index < 0 || static_cast<std::size_t>(*index) >= list->size())
                return wrong(fmt::format("reflect: slice index out of range: {}", *index));
            found = &(*list)[static_cast<std::size_t>(*index)];
        } else if (const auto* text = value->if_string()) {
            auto index = whole_of(key);
            if (!index || *index < 0 || static_cast<std::size_t>(*index) >= text->size())
                return wrong("index out of range");
            value = Value::of(
                static_cast<std::int64_t>(static_cast<unsigned char>((*text)[static_cast<std::size_t>(*index)])));
            continue;
        } else {
            return wrong(value->is_null() ? "index of untyped nil" : "can't index item of this type");
        }
        static const json::value nothing;
        value = {found ? found : &nothing, value.owned, "<no value>"};
    }
    return value;
}

Result<Value> part(const Arguments& arguments) {
    const auto& value = *arguments[0];
    if (!value.is_string() && !value.is_array()) return wrong("slice of this type");
    auto size = static_cast<std::int64_t>(value.is_string() ? value.get_string().size() : value.get_array().size());
    std::int64_t bounds[2] = {0, size};
    for (std::size_t i = 1; i < arguments.size() && i < 3; ++i) {
        auto bound = whole_of(*arguments[i]);
        if (!bound || *bound < 0 || *bound > size) return wrong("index out of range");
        bounds[i - 1] = *bound;
    }
    if (bounds[0] > bounds[1]) return wrong("invalid slice index");
    auto from = static_cast<std::size_t>(bounds[0]), count = static_cast<std::size_t>(bounds[1] - bounds[0]);
    if (value.is_string()) return Value::of(json::value(std::string_view(value.get_string()).substr(from, count)));
    json::array items;
    for (std::size_t i = 0; i < count; ++i) items.push_back(value.get_array()[from + i]);
    return Value::of(std::move(items));
}

// As Go's Print: spaces between operands when neither side is a string.
std::string concatenated(const Arguments& arguments, bool line) {
    std::string text;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        bool between = i > 0 && (line || (!arguments[i]->is_string() && !arguments[i - 1]->is_string()));
        if (between) text += ' ';
        text += printed(*arguments[i], "<nil>");
    }
    return line ? text + "\n" : text;
}
Result<Value> print(const Arguments& arguments) { return Value::of(json::value(concatenated(arguments, false))); }
Result<Value> print_line(const Arguments& arguments) { return Value::of(json::value(concatenated(arguments, true))); }
Result<Value> print_formatted(const Arguments& arguments) { return Value::of(json::value(TRY(go_printf(arguments)))); }

Result<Value> as_json(const Arguments& arguments) { return Value::of(json::value(compact_json(*arguments[0]))); }

Result<Value> joined(const Arguments& arguments) {
    auto separator = TRY(text_of(arguments[1]));
    if (arguments[0]->is_null()) return Value::of("");
    if (!arguments[0]->is_array()) return wrong("wrong type for value; expected []string");
    std::vector<std::string> parts;
    for (const auto& item : arguments[0]->get_array()) parts.push_back(printed(item));
    return Value::of(json::value(join(parts, separator)));
}

Result<Value> separated(const Arguments& arguments) {
    auto text = TRY(text_of(arguments[0]));
    auto separator = TRY(text_of(arguments[1]));
    json::array parts;
    std::size_t from = 0;
    if (separator.empty()) {
        for (char c : text) parts.push_back(json::value(std::string_view(&c, 1)));
        return Value::of(std::move(parts));
    }
    for (;;) {
        auto at = text.find(separator, from);
        parts.push_back(json::value(std::string_view(text).substr(from, at == std::string::npos ? at : at - from)));
        if (at == std::string::npos) return Value::of(std::move(parts));
        from = at + separator.size();
    }
}

Result<Value> lower(const Arguments& arguments) { return Value::of(json::value(to_lower(TRY(text_of(arguments[0]))))); }
Result<Value> upper(const Arguments& arguments) {
    auto text = TRY(text_of(arguments[0]));
    for (char& c : text)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return Value::of(json::value(text));
}
Result<Value> title(const Arguments& arguments) {
    auto text = TRY(text_of(arguments[0]));
    bool start = true;
    for (char& c : text) {
        if (start && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        start = !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '\'' ||
                  static_cast<unsigned char>(c) >= 0x80);
    }
    return Value::of(json::value(text));
}
Result<Value> padded(const Arguments& arguments) {
    auto text = TRY(text_of(arguments[0]));
    auto before = whole_of(*arguments[1]), after = whole_of(*arguments[2]);
    if (!before || !after || *before < 0 || *after < 0 || *before > 4096 || *after > 4096)
        return wrong("invalid padding");
    if (text.empty()) return Value::of("");
    return Value::of(json::value(std::string(static_cast<std::size_t>(*before), ' ') + text +
                                 std::string(static_cast<std::size_t>(*after), ' ')));
}
Result<Value> truncated(const Arguments& arguments) {
    auto text = TRY(text_of(arguments[0]));
    auto most = whole_of(*arguments[1]);
    if (!most || *most < 0) return wrong("invalid length");
    return Value::of(json::value(std::string_view(text).substr(0, static_cast<std::size_t>(*most))));
}
Result<Value> url_query(const Arguments& arguments) {
    std::string text = concatenated(arguments, false), encoded;
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        bool plain = (byte < 0x80 && std::isalnum(byte)) || c == '-' || c == '_' || c == '.' || c == '~';
        if (plain)
            encoded += c;
        else if (c == ' ')
            encoded += '+';
        else
            encoded += fmt::format("%{:02X}", byte);
    }
    return Value::of(json::value(encoded));
}
Result<Value> html(const Arguments& arguments) {
    std::string escaped;
    for (char c : concatenated(arguments, false)) {
        if (c == '<')
            escaped += "&lt;";
        else if (c == '>')
            escaped += "&gt;";
        else if (c == '&')
            escaped += "&amp;";
        else if (c == '"')
            escaped += "&#34;";
        else if (c == '\'')
            escaped += "&#39;";
        else
            escaped += c;
    }
    return Value::of(json::value(escaped));
}

struct Entry {
    std::string_view name;
    std::size_t least, most;
    Function function;
    bool hands_through = false;  // the column's title stays as it is
};
constexpr std::size_t any = SIZE_MAX;
constexpr Entry functions[] = {
    {"and", 1, any, all_of},
    {"or", 1, any, any_of},
    {"not", 1, 1, negate},
    {"len", 1, 1, length},
    {"index", 1, any, element},
    {"slice", 1, 3, part},
    {"print", 0, any, print},
    {"println", 0, any, print_line},
    {"printf", 1, any, print_formatted},
    {"eq", 2, any, equal},
    {"ne", 2, 2, not_equal},
    {"lt", 2, 2, less},
    {"le", 2, 2, at_most},
    {"gt", 2, 2, greater},
    {"ge", 2, 2, at_least},
    {"html", 1, any, html},
    {"urlquery", 1, any, url_query},
    {"json", 1, 1, as_json, true},
    {"join", 2, 2, joined, true},
    {"split", 2, 2, separated, true},
    {"lower", 1, 1, lower, true},
    {"upper", 1, 1, upper, true},
    {"title", 1, 1, title, true},
    {"pad", 3, 3, padded},
    {"truncate", 2, 2, truncated, true},
};

const Entry* find(std::string_view name) {
    auto found =
        std::find_if(std::begin(functions), std::end(functions), [&](auto& entry) { return entry.name == name; });
    return found == std::end(functions) ? nullptr : found;
}

}  // namespace

bool is_function(std::string_view name) { return find(name) != nullptr; }

Result<Value> call_function(std::string_view name, const Arguments& arguments, bool header) {
    const auto* entry = find(name);
    if (!entry) return wrong("no such function");
    if (arguments.size() < entry->least || arguments.size() > entry->most)
        return wrong(fmt::format("wrong number of args for {}: want {}{} got {}", name,
                                 entry->most == any ? "at least " : "", entry->least, arguments.size()));
    // The title is the text argument: first for all of docker's functions.
    if (header && entry->hands_through) return arguments[0];
    return entry->function(arguments);
}

}  // namespace pila::cli::template_detail

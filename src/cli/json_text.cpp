// SPDX-License-Identifier: Apache-2.0
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/text.h"
#include "cli/template.h"
#include "cli/units.h"

namespace pila::cli {

static void append_compact(std::string& out, const json::value& value) {
    switch (value.kind()) {
        case json::kind::null: out += "null"; break;
        case json::kind::bool_: out += value.get_bool() ? "true" : "false"; break;
        case json::kind::int64: out += std::to_string(value.get_int64()); break;
        case json::kind::uint64: out += std::to_string(value.get_uint64()); break;
        case json::kind::double_: out += go_float(value.get_double()); break;
        case json::kind::string: append_json_quoted(out, value.get_string()); break;
        case json::kind::array: {
            out += '[';
            bool first = true;
            for (const auto& item : value.get_array()) {
                if (!std::exchange(first, false)) out += ',';
                append_compact(out, item);
            }
            out += ']';
            break;
        }
        case json::kind::object: {
            out += '{';
            bool first = true;
            for (const auto& pair : value.get_object()) {
                if (!std::exchange(first, false)) out += ',';
                append_json_quoted(out, pair.key());
                out += ':';
                append_compact(out, pair.value());
            }
            out += '}';
            break;
        }
    }
}

std::string compact_json(const json::value& value) {
    std::string text;
    append_compact(text, value);
    return text;
}

std::string indent_json(std::string_view text, std::string_view indent) {
    std::string out;
    out.reserve(text.size() * 2);
    std::size_t depth = 0;
    bool in_string = false, escaped = false, just_opened = false;
    auto new_line = [&] {
        out += '\n';
        for (std::size_t i = 0; i < depth; ++i) out += indent;
    };
    for (char c : text) {
        if (in_string) {
            out += c;
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
        if (c == '}' || c == ']') {
            depth -= depth > 0;
            if (!just_opened) new_line();
            just_opened = false;
            out += c;
            continue;
        }
        if (just_opened) new_line();
        just_opened = c == '{' || c == '[';
        out += c;
        if (just_opened)
            ++depth;
        else if (c == ',')
            new_line();
        else if (c == ':')
            out += ' ';
        else if (c == '"')
            in_string = true;
    }
    return out;
}

}  // namespace pila::cli

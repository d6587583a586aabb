// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/codec/codec.h"
#include "cluster/codec/forms.h"

namespace pila::cluster::codec {

namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Words that some reader takes for a boolean, for nothing or for a number.
bool is_special_word(std::string_view text) {
    const auto lower = to_lower(text);
    for (std::string_view word : {"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"})
        if (lower == word) return true;
    return false;
}

// What nobody could take for anything but text: it begins with a letter, and has no signs but harmless ones.
bool is_plain(std::string_view text) {
    if (text.empty() || !is_letter(text.front()) || is_special_word(text)) return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '/';
    });
}

void append_text(std::string& out, std::string_view text) {
    if (is_plain(text))
        out += text;
    else
        append_json_quoted(out, text);  // JSON's escapes are among those of YAML's double quotes
}

bool is_block(const json::value& value) {
    return (value.is_object() && !value.get_object().empty()) || (value.is_array() && !value.get_array().empty());
}

void new_line(std::string& out, std::size_t indent) {
    out += '\n';
    out.append(indent, ' ');
}

void append_map(std::string& out, const json::object& object, std::size_t indent) {
    std::vector<const json::key_value_pair*> members;
    for (const auto& member : object) members.push_back(&member);
    std::sort(members.begin(), members.end(),
              [](const auto* left, const auto* right) { return left->key() < right->key(); });
    bool is_first = true;
    for (const auto* member : members) {
        if (!is_first) new_line(out, indent);
        is_first = false;
        append_text(out, member->key());
        out += ':';
        const auto& value = member->value();
        if (!is_block(value)) {
            out += ' ';
            append_yaml(out, value);
            continue;
        }
        const auto inner = indent + (value.is_object() ? 2 : 0);
        new_line(out, inner);
        append_yaml(out, value, inner);
    }
}

}  // namespace

void append_yaml(std::string& out, const json::value& value, std::size_t indent) {
    if (value.is_string()) return append_text(out, value.get_string());
    if (!is_block(value)) {
        out += write_json(value);
        return;
    }
    if (value.is_object()) return append_map(out, value.get_object(), indent);
    bool is_first = true;
    for (const auto& item : value.get_array()) {
        if (!is_first) new_line(out, indent);
        is_first = false;
        out += "- ";
        append_yaml(out, item, indent + 2);
    }
}

}  // namespace pila::cluster::codec

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include <fmt/core.h>
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

struct Escape {
    std::string_view text, escaped;
};

const Escape* find_escape(std::string_view text) {
    static constexpr Escape escapes[] = {{"\u2028", "\\u2028"},
                                         {"\u2029", "\\u2029"},
                                         {"\ufeff", "\\ufeff"},
                                         {"\ufffe", "\\ufffe"},
                                         {"\uffff", "\\uffff"}};
    for (const auto& escape : escapes)
        if (text.starts_with(escape.text)) return &escape;
    return nullptr;
}

// What JSON leaves as it is and YAML does not take, or takes for the end of a line (YAML 1.2, 5.1; 1.1, 4.2).
void append_escaped(std::string& out, std::string_view quoted) {
    for (std::size_t at = 0; at < quoted.size(); ++at) {
        const auto rest = quoted.substr(at);
        const auto second = rest.size() > 1 ? static_cast<unsigned char>(rest[1]) : 0U;
        if (rest[0] == '\x7f') {
            out += "\\x7f";
        } else if (rest[0] == '\xc2' && second < 0xa0) {  // U+0080 to U+009F
            out += fmt::format("\\u{:04x}", second);
            ++at;
        } else if (const auto* escape = find_escape(rest)) {
            out += escape->escaped;
            at += escape->text.size() - 1;
        } else {
            out += rest[0];
        }
    }
}

void append_text(std::string& out, std::string_view text) {
    if (is_plain(text)) {
        out += text;
        return;
    }
    std::string quoted;
    append_json_quoted(quoted, text);  // JSON's escapes are among those of YAML's double quotes
    append_escaped(out, quoted);
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

// SPDX-License-Identifier: Apache-2.0
// ?filters=... of the lists and prunes.
#include <algorithm>

#include <fmt/core.h>

#include "base/go_values.h"
#include "base/pattern.h"
#include "base/text.h"
#include "docker/reply.h"

namespace pila::docker {

Result<Filters> Filters::parse(const http::Request& request, std::initializer_list<std::string_view> known) {
    Filters filters;
    auto text = request.query.get("filters");
    if (text.empty()) return filters;
    auto value = TRY(parse_json(text, {1U << 20, 8}).in("invalid filters"));
    if (!value.is_object()) return Error(Errc::Invalid, "invalid filters: must be an object");
    for (const auto& [key, item] : value.get_object()) {
        bool any = known.size() == 0;
        if (!any && std::find(known.begin(), known.end(), std::string_view(key)) == known.end())
            return Error(Errc::Invalid, fmt::format("invalid filter '{}'", std::string_view(key)));
        auto& values = filters.values_[key];
        if (const auto* list = item.if_array()) {
            for (const auto& one : *list)
                if (const auto* string = one.if_string()) values.emplace_back(*string);
        } else if (const auto* set = item.if_object()) {
            for (const auto& [name, on] : *set)
                if (!on.is_bool() || on.get_bool()) values.emplace_back(name);
        } else {
            return Error(Errc::Invalid, "invalid filters: values must be lists");
        }
    }
    return filters;
}

const std::vector<std::string>& Filters::get(std::string_view key) const {
    static const std::vector<std::string> none;
    auto found = values_.find(std::string(key));
    return found == values_.end() ? none : found->second;
}

bool Filters::exact(std::string_view key, std::string_view value) const {
    const auto& values = get(key);
    return values.empty() || std::find(values.begin(), values.end(), value) != values.end();
}

bool Filters::fuzzy(std::string_view key, std::string_view value) const {
    const auto& values = get(key);
    return values.empty() || std::any_of(values.begin(), values.end(),
                                         [&](const auto& one) { return value.find(one) != std::string_view::npos; });
}

bool Filters::prefix(std::string_view key, std::string_view value) const {
    const auto& values = get(key);
    return values.empty() ||
           std::any_of(values.begin(), values.end(), [&](const auto& one) { return value.starts_with(one); });
}

static bool has_label(const std::map<std::string, std::string>& labels, const std::string& wanted) {
    auto equals = wanted.find('=');
    auto found = labels.find(wanted.substr(0, equals));
    return found != labels.end() && (equals == std::string::npos || found->second == wanted.substr(equals + 1));
}

bool Filters::labels(const std::map<std::string, std::string>& labels) const {
    auto has = [&](const std::string& wanted) { return has_label(labels, wanted); };
    const auto& values = get("label");
    const auto& unwanted = get("label!");
    return std::all_of(values.begin(), values.end(), has) &&
           (unwanted.empty() || !std::all_of(unwanted.begin(), unwanted.end(), has));
}

Result<bool> Filters::matches(std::string_view key, std::string_view value) const {
    const auto& values = get(key);
    for (const auto& one : values) {
        if (one == value) return true;
        auto pattern = Pattern::compile(one);
        if (pattern && pattern->matches(std::string(value))) return true;
    }
    return values.empty();
}

Result<std::optional<bool>> Filters::flag(std::string_view key) const {
    std::optional<bool> asked;
    for (const auto& value : get(key)) {
        bool yes = value == "true" || value == "1";
        if ((!yes && value != "false" && value != "0") || (asked && *asked != yes))
            return Error(Errc::Invalid, fmt::format("invalid filter '{}=[{}]'", key, join(get(key), " ")));
        asked = yes;
    }
    return asked;
}

Result<WallTime> Filters::until() const {
    const auto& values = get("until");
    if (values.empty()) return WallTime{INT64_MAX};
    if (values.size() > 1) return Error(Errc::Invalid, "more than one until filter specified");
    if (auto duration = parse_go_duration(values[0])) return WallTime{now_wall().nanoseconds - *duration};
    auto time = parse_time_query(values[0]);
    if (!time)
        return Error(Errc::Invalid,
                     fmt::format("invalid filter 'until=[{}]': must be a time or a duration", values[0]));
    return *time;
}

static std::optional<std::pair<std::uint64_t, std::uint64_t>> port_range(std::string_view text) {
    auto dash = text.find('-');
    auto first = parse_uint(text.substr(0, dash));
    auto last = dash == std::string_view::npos ? first : parse_uint(text.substr(dash + 1));
    if (!first || !last || *first > *last || *last > 65535) return std::nullopt;
    return std::pair(*first, *last);
}

Result<bool> Filters::port(std::string_view key, std::uint64_t number, std::string_view protocol) const {
    const auto& values = get(key);
    bool found = values.empty();
    for (std::string_view value : values) {
        auto slash = value.find('/');
        auto range = port_range(value.substr(0, slash));
        auto wanted = slash == std::string_view::npos ? std::string_view("tcp") : value.substr(slash + 1);
        if (!range) return Error(Errc::Invalid, fmt::format("invalid filter '{}=[{}]'", key, value));
        found |= number >= range->first && number <= range->second && wanted == protocol;
    }
    return found;
}

// A class of characters, "[a-c]" or "[^a-c]", at the beginning of `pattern`; its length, or 0 if it is none.
static std::size_t class_length(std::string_view pattern, char c, bool& in_class) {
    bool negated = pattern.size() > 1 && pattern[1] == '^';
    in_class = false;
    for (std::size_t i = negated ? 2 : 1; i < pattern.size(); ++i) {
        if (pattern[i] == ']') {
            in_class = in_class != negated;
            return i + 1;
        }
        bool is_range = i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']';
        in_class |= is_range ? c >= pattern[i] && c <= pattern[i + 2] : c == pattern[i];
        if (is_range) i += 2;
    }
    return 0;
}

bool wildcard_match(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) return text.empty();
    if (pattern[0] == '*') {
        for (std::size_t taken = 0; taken <= text.size(); ++taken) {
            if (wildcard_match(pattern.substr(1), text.substr(taken))) return true;
            if (taken < text.size() && text[taken] == '/') return false;
        }
        return false;
    }
    if (text.empty()) return false;
    if (pattern[0] == '[') {
        bool in_class = false;
        auto length = class_length(pattern, text[0], in_class);
        return length != 0 && in_class && wildcard_match(pattern.substr(length), text.substr(1));
    }
    if (pattern[0] == '?' ? text[0] == '/' : pattern[0] != text[0]) return false;
    return wildcard_match(pattern.substr(1), text.substr(1));
}

}  // namespace pila::docker

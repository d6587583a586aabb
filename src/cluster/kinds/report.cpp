// SPDX-License-Identifier: Apache-2.0
#include "cluster/kinds/report.h"

#include <fmt/core.h>

#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

void Report::add(Cause cause) {
    if (!is_full()) causes_.push_back(std::move(cause));
}

void Report::required(const Path& path, std::string_view detail) {
    if (!is_full()) add(kinds::required(path.text(), detail));
}

void Report::forbidden(const Path& path, std::string_view detail) {
    if (!is_full()) add(forbidden_field(path.text(), detail));
}

void Report::invalid(const Path& path, std::string_view value, std::string_view detail) {
    if (!is_full()) add(invalid_value(path.text(), quoted(value), detail));
}

void Report::invalid_number(const Path& path, std::int64_t value, std::string_view detail) {
    if (!is_full()) add(invalid_value(path.text(), std::to_string(value), detail));
}

void Report::each_invalid(const Path& path, std::string_view value, const std::vector<std::string>& details) {
    for (const auto& detail : details) invalid(path, value, detail);
}

void Report::not_supported(const Path& path, std::string_view value,
                           std::initializer_list<std::string_view> supported) {
    if (!is_full()) add(kinds::not_supported(path.text(), value, {supported.begin(), supported.end()}));
}

void Report::not_found(const Path& path, std::string_view value) {
    if (!is_full()) add(kinds::not_found(path.text(), quoted(value)));
}

void Report::duplicate(const Path& path, std::string_view value) {
    if (!is_full()) add(duplicate_value(path.text(), quoted(value)));
}

void Report::too_long(const Path& path, std::size_t most_bytes) {
    if (!is_full()) add(kinds::too_long(path.text(), most_bytes));
}

void Report::too_many(const Path& path, std::size_t count, std::size_t most_items) {
    if (!is_full()) add(kinds::too_many(path.text(), count, most_items));
}

void Report::not_negative(const json::object& object, std::string_view name, const Path& path) {
    const auto number = integer_at(object, name);
    if (number && *number < 0) invalid_number(path.field(name), *number, "must be greater than or equal to 0");
}

void Report::within(const json::object& object, std::string_view name, std::int64_t low, std::int64_t high,
                    const Path& path) {
    const auto number = integer_at(object, name);
    if (number && (*number < low || *number > high))
        invalid_number(path.field(name), *number, fmt::format("must be between {} and {}, inclusive", low, high));
}

void Report::unchanged(const json::object& now, const json::object& old, std::string_view dotted,
                       std::string_view detail) {
    const auto last = dotted.rfind('.');
    const auto name = last == std::string_view::npos ? dotted : dotted.substr(last + 1);
    const auto* new_parent = last == std::string_view::npos ? &now : object_at(now, dotted.substr(0, last));
    const auto* old_parent = last == std::string_view::npos ? &old : object_at(old, dotted.substr(0, last));
    const auto* after = new_parent ? find(*new_parent, name) : nullptr;
    const auto* before = old_parent ? find(*old_parent, name) : nullptr;
    if (is_same(after, before)) return;
    invalid(Path(dotted), after ? *after : json::value(nullptr), detail);
}

}  // namespace pila::cluster::kinds

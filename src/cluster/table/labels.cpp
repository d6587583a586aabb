// SPDX-License-Identifier: Apache-2.0
#include "cluster/table/labels_internal.h"

#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace pila::cluster::table {

std::string Joined::text(std::string_view otherwise) const {
    if (count_ > most_) return fmt::format("{} + {} more...", text_, count_ - most_);
    return text_.empty() ? std::string(otherwise) : text_;
}

std::string labels_text(View labels) {
    std::map<std::string_view, std::string_view> sorted;
    for (const auto& member : labels.map()) sorted.emplace(key_of(member), View(member.value()).text());
    Joined joined;
    for (const auto& [key, value] : sorted) joined.add(fmt::format("{}={}", key, value));
    return joined.text("<none>");
}

// One of matchExpressions; "": it is none.
static std::string requirement_text(View expression) {
    auto key = expression["key"].text(), operation = expression["operator"].text();
    std::vector<std::string_view> values;
    for (View value : expression["values"].list()) values.push_back(value.text());
    std::sort(values.begin(), values.end());
    bool has_values = operation == "In" || operation == "NotIn";
    if (key.empty() || has_values == values.empty()) return {};
    if (operation == "Exists") return std::string(key);
    if (operation == "DoesNotExist") return fmt::format("!{}", key);
    if (!has_values) return {};
    return fmt::format("{} {} ({})", key, operation == "In" ? "in" : "notin", fmt::join(values, ","));
}

std::string selector_text(View selector) {
    std::vector<std::pair<std::string_view, std::string>> parts;
    for (const auto& member : selector["matchLabels"].map())
        parts.emplace_back(key_of(member), fmt::format("{}={}", key_of(member), View(member.value()).text()));
    for (View expression : selector["matchExpressions"].list()) {
        auto text = requirement_text(expression);
        if (text.empty()) return "<error>";
        parts.emplace_back(expression["key"].text(), std::move(text));
    }
    std::stable_sort(parts.begin(), parts.end(),
                     [](const auto& left, const auto& right) { return left.first < right.first; });
    Joined joined;
    for (const auto& part : parts) joined.add(part.second);
    return joined.text("<none>");
}

}  // namespace pila::cluster::table

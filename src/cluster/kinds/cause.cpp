// SPDX-License-Identifier: Apache-2.0
#include "cluster/kinds/cause.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace pila::cluster::kinds {

Cause required(std::string field, std::string_view detail) {
    return {"FieldValueRequired", detail.empty() ? "Required value" : fmt::format("Required value: {}", detail),
            std::move(field)};
}

Cause invalid_value(std::string field, std::string_view value_json, std::string_view detail) {
    return {"FieldValueInvalid", fmt::format("Invalid value: {}: {}", value_json, detail), std::move(field)};
}

Cause not_supported(std::string field, std::string_view value, const std::vector<std::string>& supported) {
    auto sorted = supported;
    std::sort(sorted.begin(), sorted.end());
    std::string list;
    for (const auto& one : sorted) list += (list.empty() ? "\"" : ", \"") + one + "\"";
    return {"FieldValueNotSupported", fmt::format("Unsupported value: \"{}\": supported values: {}", value, list),
            std::move(field)};
}

Cause forbidden_field(std::string field, std::string_view detail) {
    return {"FieldValueForbidden", fmt::format("Forbidden: {}", detail), std::move(field)};
}

Cause duplicate_value(std::string field, std::string_view value_json) {
    return {"FieldValueDuplicate", fmt::format("Duplicate value: {}", value_json), std::move(field)};
}

Cause too_long(std::string field, std::size_t most) {
    return {"FieldValueTooLong", fmt::format("Too long: may not be more than {} bytes", most), std::move(field)};
}

Cause too_many(std::string field, std::size_t count, std::size_t most) {
    return {"FieldValueTooMany", fmt::format("Too many: {}: must have at most {} items", count, most),
            std::move(field)};
}

Cause not_found(std::string field, std::string_view value_json) {
    return {"FieldValueNotFound", fmt::format("Not found: {}", value_json), std::move(field)};
}

namespace {

constexpr std::size_t longest_value = 1024;

// Not in the middle of a UTF-8 sequence.
std::string shortened(std::string text) {
    if (text.size() <= longest_value) return text;
    auto end = longest_value;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
    return text + "...";
}

}  // namespace

std::string quoted(std::string_view text) {
    return shortened(boost::json::serialize(boost::json::string_view(text.data(), text.size())));
}

std::string value_text(const boost::json::value& value) { return shortened(boost::json::serialize(value)); }

}  // namespace pila::cluster::kinds

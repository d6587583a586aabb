// SPDX-License-Identifier: Apache-2.0
#include "registry/ranges.h"

#include <algorithm>

#include "base/text.h"

namespace pila::registry {

RangeAnswer read_range(std::string_view header, std::uint64_t size) {
    const RangeAnswer whole{RangeVerdict::Whole, {0, size}};
    if (to_lower(header.substr(0, 6)) != "bytes=") return whole;
    auto text = trim(header.substr(6));
    auto dash = text.find('-');
    if (dash == std::string_view::npos || text.find(',') != std::string_view::npos) return whole;
    auto first = parse_uint(text.substr(0, dash));
    auto last = parse_uint(text.substr(dash + 1));
    if (dash == 0) {  // the last N bytes
        if (!last) return whole;
        if (*last == 0 || size == 0) return {RangeVerdict::Unsatisfiable, {}};
        auto count = std::min(*last, size);
        return {RangeVerdict::Part, {size - count, count}};
    }
    bool open = dash + 1 == text.size();
    if (!first || (!open && (!last || *last < *first))) return whole;
    if (*first >= size) return {RangeVerdict::Unsatisfiable, {}};
    auto end = open ? size - 1 : std::min(*last, size - 1);
    return {RangeVerdict::Part, {*first, end - *first + 1}};
}

std::optional<Part> read_content_range(std::string_view header) {
    auto text = trim(header);
    if (to_lower(text.substr(0, 6)) == "bytes ") text = trim(text.substr(6));
    text = text.substr(0, text.find('/'));
    auto dash = text.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    auto first = parse_uint(text.substr(0, dash));
    auto last = parse_uint(text.substr(dash + 1));
    if (!first || !last || *last < *first || *last - *first == UINT64_MAX) return std::nullopt;
    return Part{*first, *last - *first + 1};
}

}  // namespace pila::registry

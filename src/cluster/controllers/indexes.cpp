// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/indexes.h"

#include <algorithm>

#include "base/text.h"

namespace pila::cluster::controllers {

std::set<std::int64_t> read_indexes(std::string_view text, std::int64_t count) {
    std::set<std::int64_t> indexes;
    for (auto part : split(text, ',')) {
        auto dash = part.find('-');
        auto first = parse_int(part.substr(0, dash));
        auto last = dash == std::string_view::npos ? first : parse_int(part.substr(dash + 1));
        if (!first || !last || *first < 0) continue;
        for (auto index = *first; index <= std::min(*last, count - 1); ++index) indexes.insert(index);
    }
    return indexes;
}

std::string write_indexes(const std::set<std::int64_t>& indexes) {
    std::string text;
    for (auto at = indexes.begin(); at != indexes.end();) {
        auto first = *at, last = first;
        for (++at; at != indexes.end() && *at == last + 1; ++at) last = *at;
        if (!text.empty()) text += ',';
        text += std::to_string(first);
        if (last > first) text += (last == first + 1 ? "," : "-") + std::to_string(last);
    }
    return text;
}

}  // namespace pila::cluster::controllers

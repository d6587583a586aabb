// SPDX-License-Identifier: Apache-2.0
#include "cli/csv.h"

#include <fmt/core.h>

namespace pila::cli {

Result<std::vector<std::string>> split_csv(std::string_view text) {
    if (text.empty()) return Error(Errc::Invalid, "EOF");
    std::vector<std::string> fields(1);
    std::size_t at = 0;
    auto bad = [&](std::size_t column, std::string_view why) {
        return Error(Errc::Invalid, fmt::format("parse error on line 1, column {}: {}", column, why));
    };
    while (at <= text.size()) {
        auto& field = fields.back();
        if (at < text.size() && text[at] == '"') {
            for (++at;; ++at) {
                if (at >= text.size()) return bad(text.size() + 1, "extraneous or missing \" in quoted-field");
                if (text[at] != '"')
                    field += text[at];
                else if (at + 1 < text.size() && text[at + 1] == '"')
                    field += text[at++];
                else
                    break;
            }
            ++at;
            if (at < text.size() && text[at] != ',') return bad(at, "extraneous or missing \" in quoted-field");
        } else {
            auto end = std::min(text.find(',', at), text.size());
            field = text.substr(at, end - at);
            if (auto quote = field.find('"'); quote != std::string::npos)
                return bad(at + quote + 1, "bare \" in non-quoted-field");
            at = end;
        }
        if (at >= text.size()) break;
        ++at;
        fields.emplace_back();
    }
    return fields;
}

}  // namespace pila::cli

// SPDX-License-Identifier: Apache-2.0
#include "cluster/access/static_tokens.h"

#include <fmt/core.h>

#include "base/text.h"
#include "crypto/signature.h"

namespace pila::cluster::access {

namespace {

// One line's fields; quotes hold commas, two quotes within are one.
Result<std::vector<std::string>> fields_of(std::string_view line) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (std::size_t at = 0; at < line.size(); ++at) {
        char c = line[at];
        if (quoted) {
            bool twice = c == '"' && at + 1 < line.size() && line[at + 1] == '"';
            if (c == '"' && !twice) {
                quoted = false;
                continue;
            }
            at += twice ? 1 : 0;
            fields.back() += c;
        } else if (c == '"') {
            if (!fields.back().empty()) return Error(Errc::Invalid, "a quote within a field");
            quoted = true;
        } else if (c == ',') {
            fields.emplace_back();
        } else {
            fields.back() += c;
        }
    }
    if (quoted) return Error(Errc::Invalid, "a quote is not closed");
    return fields;
}

}  // namespace

Result<StaticTokens> StaticTokens::parse(std::string_view text) {
    StaticTokens made;
    int number = 0;
    for (auto line : split(text, '\n')) {
        ++number;
        line = trim(line);
        if (line.empty()) continue;
        auto fields = TRY(fields_of(line).in(fmt::format("line {}", number)));
        if (fields.size() < 3 || fields[0].empty() || fields[1].empty())
            return Error(Errc::Invalid, fmt::format("line {}: must be TOKEN,USER,UID[,\"GROUP,GROUP\"]", number));
        User user{fields[1], fields[2], {}};
        if (fields.size() > 3)
            for (auto group : split(fields[3], ','))
                if (!trim(group).empty()) user.groups.emplace_back(trim(group));
        user.groups.emplace_back(authenticated_group);
        made.users_[crypto::sha256(fields[0])] = std::move(user);
    }
    return made;
}

const User* StaticTokens::find(std::string_view token) const {
    auto found = users_.find(crypto::sha256(token));
    return found == users_.end() ? nullptr : &found->second;
}

}  // namespace pila::cluster::access

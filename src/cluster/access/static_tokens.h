// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tokens that an administrator wrote into a file: lines of TOKEN,USER,UID and, if wanted, "GROUP,GROUP" (RFC 4180).

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "cluster/access/user.h"

namespace pila::cluster::access {

class StaticTokens {
public:
    // Invalid says which line. Of a token that stands there twice the last holds.
    static Result<StaticTokens> parse(std::string_view text);
    const User* find(std::string_view token) const;  // null: nobody's

private:
    std::unordered_map<std::string, User> users_;  // by the token's digest: how long a search takes tells nothing of it
};

}  // namespace pila::cluster::access

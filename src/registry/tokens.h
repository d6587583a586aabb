// SPDX-License-Identifier: Apache-2.0
#pragma once
// What this server signs (RFC 7519, HS256) and nobody else has to understand: access tokens, which live for minutes and
// end with the process, and refresh tokens, which stand for a password until that changes. Threads: any.

#include <ctime>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::registry {

// "repository:some/name:pull,push"
struct Scope {
    std::string type, name;
    std::set<std::string> actions;
    static std::optional<Scope> parse(std::string_view text);
    std::string text() const;
};

struct Access {
    std::string user;  // "": who says nothing
    std::vector<Scope> scopes;
};

class Tokens {
public:
    static constexpr std::time_t access_seconds = 300, refresh_seconds = 366 * 24 * 3600;

    // `key_file`: the key of refresh tokens, made if it is not there; "": there are none.
    static Result<std::unique_ptr<Tokens>> create(const std::string& key_file);

    const std::string& process_key() const { return key_; }
    std::string access(const Access& granted, std::time_t now) const;
    std::optional<Access> read_access(const std::string& token, std::time_t now) const;

    // Good as long as the hash of the user's password is this one. "": there are no such tokens.
    std::string refresh(const std::string& user, const std::string& hash, std::time_t now) const;
    struct Refresh {
        std::string user, mark;
    };
    std::optional<Refresh> read_refresh(const std::string& token, std::time_t now) const;
    std::string mark_of(const std::string& hash) const;

private:
    Tokens() = default;
    std::string key_, refresh_key_;
};

}  // namespace pila::registry

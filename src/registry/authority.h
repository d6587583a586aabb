// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who may do what: Basic credentials of an htpasswd file, or tokens that this server signs for them (Docker's token
// authentication specification). Without a file everybody may do everything. Threads: any.

#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "registry/names.h"
#include "registry/password_file.h"
#include "registry/server.h"

namespace pila::registry {

// "repository:some/name:pull,push"
struct Scope {
    std::string type, name;
    std::set<std::string> actions;
    static std::optional<Scope> parse(std::string_view text);
    std::string text() const;
};

// The Authorization header.
struct Credentials {
    enum class Kind : std::uint8_t { None, Basic, Bearer, Unreadable } kind = Kind::None;
    std::string user, password, token;
    static Credentials parse(std::string_view header);
};

class Authority {
public:
    static Result<std::unique_ptr<Authority>> create(const Options& options);

    // What stands between this request and `action` on `name` ("": the registry itself): nothing, or this answer.
    std::optional<http::Response> refusal(const http::Request& request, const std::string& name,
                                          const std::string& action) const;
    http::Response token(http::Request& request) const;

private:
    explicit Authority(const Options& options) : options_(options) {}
    struct Grant {
        std::string user;
        std::vector<Scope> scopes;
        bool everything = false;  // a user with a password
        bool allows(const Scope& wanted) const;
    };
    std::optional<Grant> grant_of(const http::Request& request) const;
    bool is_user(const std::string& name, const std::string& password) const;
    http::Response challenge(const http::Request& request, const std::optional<Scope>& wanted, bool insufficient) const;
    std::string sign(const std::string& user, const std::vector<Scope>& scopes, std::time_t now) const;
    std::optional<Grant> verify(const std::string& token, std::time_t now) const;
    std::string base_url(const http::Request& request) const;

    const Options options_;
    std::unique_ptr<PasswordFile> users_;  // null: no file
    std::string key_;                      // of this process: tokens end with it, and clients ask for new ones
    // Passwords that were good a moment ago, by a keyed digest: bcrypt is slow on purpose, and clients with Basic
    // credentials send them with every request.
    mutable Mutex mutex_;
    mutable std::map<std::string, std::time_t> known_ GUARDED_BY(mutex_);
};

}  // namespace pila::registry

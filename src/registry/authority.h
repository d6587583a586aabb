// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who may do what: Basic credentials of an htpasswd file, or tokens that this server signs for them (Docker's token
// authentication specification, its OAuth2 part included), and what a file of rights gives them. Without a file of
// users everybody may do everything, without one of rights every user. Threads: any.

#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "registry/names.h"
#include "registry/password_file.h"
#include "registry/rights.h"
#include "registry/server.h"
#include "registry/tokens.h"

namespace pila::registry {

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
    // Whether who sent this request may see that there is such a repository.
    bool may_see(const http::Request& request, const std::string& name) const;

private:
    explicit Authority(const Options& options) : options_(options) {}
    struct Grant {
        std::string user;
        std::vector<Scope> scopes;
        bool everything = false;  // a user with a password: what the rights give
        bool allows(const Scope& wanted) const;
    };
    std::optional<Grant> grant_of(const http::Request& request) const;
    bool is_user(const std::string& name, const std::string& password) const;
    bool permitted(const std::string& user, const Scope& wanted) const;
    Scope limited(Scope asked, const std::string& user) const;
    http::Response challenge(const http::Request& request, const std::optional<Scope>& wanted, bool insufficient) const;
    struct Asked {
        Credentials credentials;
        std::string refresh;  // a token to go on with
        std::vector<std::string_view> scopes;
        bool offline = false;  // wants such a token
    };
    std::optional<std::string> user_of(const Asked& asked) const;
    http::Response issue(const Asked& asked, const std::string& user) const;
    std::string base_url(const http::Request& request) const;

    const Options options_;
    std::unique_ptr<PasswordFile> users_;  // null: no file
    std::unique_ptr<Rights> rights_;       // null: no file
    std::unique_ptr<Tokens> tokens_;
    // Passwords that were good a moment ago, by a keyed digest: bcrypt is slow on purpose, and clients with Basic
    // credentials send them with every request.
    mutable Mutex mutex_;
    mutable std::map<std::string, std::time_t> known_ GUARDED_BY(mutex_);
};

}  // namespace pila::registry

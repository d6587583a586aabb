// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a registry wants to be asked: Basic, or Bearer with tokens from a token server (Docker's token authentication
// specification, OAuth2 for identity tokens).

#include <map>
#include <utility>

#include "base/keyed_lock.h"
#include "base/mutex.h"
#include "image/registry.h"

namespace pila::image {

struct Challenge {
    std::string scheme;                             // lower case
    std::map<std::string, std::string> parameters;  // names lower case
};
// One WWW-Authenticate header (RFC 9110 section 11.6.1), several challenges in it included. What is malformed ends it.
std::vector<Challenge> parse_challenges(std::string_view header);

// The Authorization header for requests to one registry by one user. Threads: any.
class Authorizer {
public:
    Authorizer(http::Endpoint registry, RegistryAuth credentials, http::ClientOptions options, bool proxies)
        : registry_(std::move(registry)),
          credentials_(std::move(credentials)),
          options_(std::move(options)),
          proxies_(proxies) {}

    // What a 401 asked for. Unsupported: nothing that we can do.
    Result<void> challenged(const http::Headers& headers);
    // `scopes`: "repository:library/busybox:pull", sorted out by the caller; "" before any challenge.
    Result<std::string> header(const Context& context, const std::string& scopes);
    void rejected(const std::string& scopes);  // the token that was given for these is no good
    // For `docker login`: asks for a refresh token too. "" if there is none to be had.
    Result<std::string> identity_token(const Context& context);
    bool has_credentials() const { return !credentials_.empty(); }

private:
    struct Token {
        std::string value, refresh;
        MonotonicTime expires;
    };
    Result<Token> fetch(const Context& context, const Challenge& challenge, const std::string& scopes, bool offline);
    Result<http::ClientRequest> token_request(const http::Endpoint& realm, const Challenge& challenge,
                                              const std::string& scopes, bool offline) const;

    const http::Endpoint registry_;
    const RegistryAuth credentials_;
    const http::ClientOptions options_;
    const bool proxies_;
    KeyedLock fetching_;
    Mutex mutex_;
    std::optional<Challenge> challenge_ GUARDED_BY(mutex_);
    std::map<std::string, Token> tokens_ GUARDED_BY(mutex_);
};

}  // namespace pila::image

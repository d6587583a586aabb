// SPDX-License-Identifier: Apache-2.0
#pragma once
// The wire to one registry: endpoints, authentication, redirects, errors; manifests and blobs as verified bytes.

#include "image/registry_auth.h"
#include "image/registry_manifest.h"

namespace pila::image {

// A base URL that may serve a name.
struct RegistryPlace {
    http::Endpoint endpoint;
    bool verify = true;   // its certificate
    bool mirror = false;  // sees no credentials
};
// Best first. Pushes never go to mirrors.
std::vector<RegistryPlace> places_of(const std::string& domain, const RegistryOptions& options, bool for_push);
bool is_insecure(const std::string& domain, const RegistryOptions& options);

// What all connections of one operation share. Threads: any.
class RegistrySession {
public:
    // Asks /v2/ of each place until one speaks the protocol.
    static Result<std::shared_ptr<RegistrySession>> open(const Context& context,
                                                         const std::vector<RegistryPlace>& places,
                                                         const RegistryAuth& auth, const RegistryOptions& options);
    RegistrySession(RegistryPlace place, const RegistryAuth& auth, const RegistryOptions& options);

    const RegistryPlace& place() const { return place_; }
    const RegistryOptions& options() const { return options_; }
    Authorizer& authorizer() { return authorizer_; }
    http::ClientOptions client_options(const http::Endpoint& endpoint) const;

private:
    Result<void> ping(const Context& context);
    const RegistryPlace place_;
    const RegistryOptions options_;
    Authorizer authorizer_;
};

// Requests about one repository. Threads: one at a time.
class RegistryConnection {
public:
    RegistryConnection(std::shared_ptr<RegistrySession> session, std::string repository, std::string scopes)
        : session_(std::move(session)), repository_(std::move(repository)), scopes_(std::move(scopes)) {}

    struct Fetched {
        std::string bytes, content_type;
        Digest digest;  // of the bytes; what was asked for, if that was a digest
    };
    Result<Fetched> manifest(const Context& context, const std::string& tag_or_digest);
    struct OpenBlob {
        std::unique_ptr<http::BodyReader> body;
        std::uint64_t start = 0;  // offset of its first byte: 0 if the registry does not do ranges
    };
    Result<OpenBlob> blob(const Context& context, const Digest& digest, std::uint64_t offset);
    Result<std::vector<std::string>> tags(const Context& context);
    // Image indexes, one a page. NotFound: it keeps no such lists, or not of this repository.
    Result<std::vector<std::string>> referrers(const Context& context, const Digest& subject);

    Result<Digest> resolve(const Context& context, const std::string& tag);  // by HEAD; NotFound
    // By HEAD; nullopt: not there.
    Result<std::optional<std::uint64_t>> blob_size(const Context& context, const Digest& digest);
    Result<bool> has_blob(const Context& context, const Digest& digest, std::uint64_t size);
    // False: not there, or not for us.
    Result<bool> mount(const Context& context, const Digest& digest, const std::string& from_repository);
    using OpenAt = std::function<Result<std::unique_ptr<http::BodyReader>>(std::uint64_t offset, std::uint64_t count)>;
    using Sent = std::function<void(std::uint64_t bytes)>;
    Result<void> upload(const Context& context, const Digest& digest, std::uint64_t size, const OpenAt& open,
                        const Sent& sent);
    Result<void> put_manifest(const Context& context, const std::string& tag_or_digest, const std::string& bytes,
                              const std::string& media_type, const Digest& digest);

    RegistrySession& session() { return *session_; }
    const std::shared_ptr<RegistrySession>& shared_session() const { return session_; }
    const std::string& scopes() const { return scopes_; }
    const std::string& repository() const { return repository_; }
    Result<http::ClientResponse> probe(const Context& context) { return get(context, "/v2/", {}); }  // with credentials

private:
    static constexpr int max_redirects = 8;
    Result<std::vector<std::string>> pages(const Context& context, std::string target);
    Result<http::ClientResponse> send(const Context& context, const http::Endpoint& to, http::ClientRequest request);
    Result<http::ClientResponse> get(const Context& context, const std::string& path, http::ClientRequest request);
    Result<http::Client*> client_for(const http::Endpoint& endpoint);
    Result<http::Endpoint> begin_upload(const Context& context, const std::string& query);
    Result<void> upload_once(const Context& context, const Digest& digest, std::uint64_t size, const OpenAt& open,
                             const Sent& sent);
    Result<std::uint64_t> upload_piece(const Context& context, http::Endpoint& upload, std::uint64_t start,
                                       std::uint64_t end, const OpenAt& open, const Sent& sent);
    Result<std::uint64_t> uploaded(const Context& context, http::Endpoint& upload);
    std::string path(std::string_view rest) const;
    http::Endpoint at(const std::string& target) const;

    const std::shared_ptr<RegistrySession> session_;
    const std::string repository_, scopes_;
    struct Open {
        http::Endpoint endpoint;
        std::unique_ptr<http::Client> client;
    };
    std::vector<Open> clients_;
};

// The registry's own words for a refusal, as Docker prints them: "manifest unknown: manifest unknown".
Error registry_error(int status, const std::string& body, const std::string& doing);
Result<http::ClientResponse> expect(Result<http::ClientResponse> response, std::initializer_list<int> statuses,
                                    const std::string& doing);

// Whether the same again may succeed: the other side or the network failed, and the caller still waits.
bool is_transient(const Error& error, const Context& context);
// Until the next attempt; an error if the caller gives up before.
Result<void> wait_for_retry(const Context& context, std::chrono::milliseconds time);

template <typename Work>
auto with_retries(const Context& context, const RegistryOptions& options, const Work& work) {
    for (unsigned attempt = 1;; ++attempt) {
        auto result = work();
        if (result || !is_transient(result.error(), context) || attempt >= options.attempts) return result;
        if (!wait_for_retry(context, options.retry_delay * (1U << (attempt - 1)))) return result;
    }
}

}  // namespace pila::image

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Images from and to registries: OCI distribution specification 1.1 and Docker's registry API v2 with its tokens.
// Nothing is believed that a registry says: every manifest, configuration and layer is checked against its digest and
// size before it is used. Threads: any; a layer that two pulls want is fetched once.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/client.h"
#include "image/image_store.h"

namespace pila::image {

// What `docker login` stores and the client sends along with each request.
struct RegistryAuth {
    std::string username, password;
    std::string identity_token;  // OAuth2 refresh token, instead of a password
    std::string registry_token;  // a bearer token that is used as it is
    std::string server_address;
    bool empty() const { return username.empty() && identity_token.empty() && registry_token.empty(); }
    // The X-Registry-Auth header: base64 (either alphabet) of JSON; "" is nobody.
    static Result<RegistryAuth> parse(std::string_view header);
    static Result<RegistryAuth> parse_json(std::string_view text);  // the body of POST /auth
};

struct RegistryOptions {
    std::vector<std::string> mirrors;  // URLs, asked first for names of docker.io, without credentials
    std::vector<std::string>
        insecure;  // "HOST", "HOST:PORT" or an address block: plain HTTP and any certificate will do
    std::string
        certificates_directory;  // HOST[:PORT]/{ca.crt,client.cert,client.key} below it, as in /etc/docker/certs.d
    bool proxies_from_environment = true;
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds stall_timeout{30'000};
    std::chrono::milliseconds retry_delay{1'000};  // doubles with each attempt without progress
    unsigned attempts = 5;
    unsigned parallel_downloads = 3, parallel_uploads = 5;
};

struct PullRequest {
    RegistryAuth auth;
    std::string platform;  // "os/arch[/variant]"; "": this machine's
    bool all_tags = false;
};

struct PullResult {
    ImagePointer image;  // the last one if there are several
    Digest digest;       // of the manifest or index that the name led to
    bool newer = false;  // false: the name was up to date
};

struct PushResult {
    std::string tag;
    Digest digest;
    std::uint64_t size = 0;  // of the manifest
};

struct LoginResult {
    std::string status;          // "Login Succeeded"
    std::string identity_token;  // "" unless the registry gave one
};

struct SearchHit {
    std::string name, description;
    std::uint64_t stars = 0;
    bool official = false, automated = false;
};

class Registry {
public:
    static std::unique_ptr<Registry> create(ImageStore& images, RegistryOptions options);
    virtual ~Registry() = default;

    // `name` is "[HOST[:PORT]/]PATH[:TAG][@DIGEST]". Progress lines are Docker's, called by one thread at a time, and
    // end with "Digest: ..." and "Status: ...".
    virtual Result<PullResult> pull(const Context& context, const std::string& name, const PullRequest& request,
                                    const ProgressSink& progress) = 0;
    // One tag, or with no tag in `name` and `all_tags` every tag of that repository that we have.
    virtual Result<std::vector<PushResult>> push(const Context& context, const std::string& name, bool all_tags,
                                                 const RegistryAuth& auth, const ProgressSink& progress) = 0;
    virtual Result<LoginResult> login(const Context& context, const RegistryAuth& auth) = 0;
    virtual Result<std::vector<SearchHit>> search(const Context& context, const std::string& term, unsigned limit,
                                                  const RegistryAuth& auth) = 0;
};

}  // namespace pila::image

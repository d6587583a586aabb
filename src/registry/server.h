// SPDX-License-Identifier: Apache-2.0
#pragma once
// An OCI registry (distribution specification 1.1) as a handler of HTTP requests: what was pushed to it, the images of
// an engine's store, or what another registry has. README.md says how it locks and what survives what. Threads: any.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "http/message.h"
#include "image/image_store.h"

namespace pila::registry {

enum class Challenge : std::uint8_t { Basic, Token };

struct Options {
    std::string directory;                   // DATA_DIR/registry
    std::string htpasswd;                    // file of users; "": everybody may do everything
    std::string rights;                      // file: which of them may do what; "": each everything
    Challenge challenge = Challenge::Basic;  // how users are asked who they are, if there is such a file
    bool anonymous_pull = false;             // with Challenge::Token: who has no name may read
    std::string url;                         // what clients call it, for the token server; "": by their Host header
    std::string upstream;                    // URL: a cache of that registry, and nothing else
    std::string upstream_user, upstream_password;
    std::vector<std::string> insecure;       // registries whose certificate need not be good
    std::chrono::seconds expiry{24 * 3600};  // of uploads and blobs that no manifest has come to name
    std::chrono::seconds keep{168 * 3600};   // of a cache: what nobody asked for that long goes
    bool read_only = false;
};

class Server {
public:
    // `images`: of an engine, to be served too; may be null.
    static Result<std::unique_ptr<Server>> create(Options options, image::ImageStore* images);
    virtual ~Server() = default;
    virtual http::Response handle(http::Request& request) = 0;
    virtual void collect() = 0;  // garbage, now
};

// For requests that are no HTTP.
http::Response error_body(int status, const std::string& message);

}  // namespace pila::registry

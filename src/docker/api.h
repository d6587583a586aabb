// SPDX-License-Identifier: Apache-2.0
#pragma once
// The Docker Engine API (1.24 to 1.50) over the engine: routes and JSON shapes only, no state. Source: the Engine API
// reference and what dockerd answers. Threads: any; one call per request.

#include <memory>
#include <string>

#include "build/builder.h"
#include "engine/engine.h"
#include "http/message.h"
#include "http/websocket.h"

namespace pila::docker {

struct ApiOptions {
    std::string version;  // of pila
    WallTime started_at;
    std::vector<std::string> registry_mirrors, insecure_registries;
};

class Api {
public:
    Api(engine::Engine& engine, build::Builder& builder, ApiOptions options)
        : engine_(engine), builder_(builder), options_(std::move(options)) {}

    // Never throws, never fails: errors are {"message": ...} with their status.
    http::Response handle(http::Request& request);

    engine::Engine& engine() { return engine_; }
    build::Builder& builder() { return builder_; }
    const ApiOptions& options() const { return options_; }
    http::WebSockets& websockets() { return websockets_; }

private:
    engine::Engine& engine_;
    build::Builder& builder_;
    ApiOptions options_;
    http::WebSockets websockets_;
};

// {"message": "..."}; also for what the HTTP server refuses by itself.
http::Response error_response(int status, const std::string& message);

}  // namespace pila::docker

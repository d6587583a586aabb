// SPDX-License-Identifier: Apache-2.0
#pragma once
// `pila registry`, and the registry beside a daemon.

#include <memory>

#include "app/registry_options.h"
#include "http/server.h"

namespace pila::app {

// A registry and its sockets. Its destructor ends both.
class RegistryListener {
public:
    // Null if it listens nowhere. `images`: of the daemon, or null.
    static Result<std::unique_ptr<RegistryListener>> open(const RegistryOptions& options,
                                                          const std::string& data_directory, image::ImageStore* images);
    ~RegistryListener();

private:
    RegistryListener() = default;
    std::unique_ptr<registry::Server> registry_;
    std::unique_ptr<http::Server> server_;
};

// Until SIGTERM or SIGINT.
Result<void> run_registry(const RegistryOptions& options);

}  // namespace pila::app

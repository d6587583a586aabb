// SPDX-License-Identifier: Apache-2.0
#pragma once
// The settings of the registry: flags of `pila registry`, and with "registry-" before them of `pila daemon`.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/server.h"

namespace pila::app {

struct RegistryOptions {
    std::vector<std::string> listen;  // "127.0.0.1:5000"
    std::string tls_certificate, tls_key, tls_client_ca;
    std::string upstream_password_file;
    bool allow_insecure = false;
    registry::Options server;
    // Of `pila registry` alone:
    std::string data_directory;
    bool help = false;
};

struct RegistrySetting {
    std::string_view name, argument, help;
    std::function<Result<void>(RegistryOptions&, const std::string& value)> apply;
};
const std::vector<RegistrySetting>& registry_settings();

Result<RegistryOptions> parse_registry_arguments(const std::vector<std::string>& arguments);
std::string registry_help();

}  // namespace pila::app

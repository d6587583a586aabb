// SPDX-License-Identifier: Apache-2.0
#pragma once
// The user's config.json: credentials of registries, and a few preferences. The same file and form as docker's.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/cli.h"

namespace pila::cli {

struct Credentials {
    std::string username, password, identity_token;
};

// The key under which a registry's credentials are kept: docker_hub_server for docker.io.
std::string auth_key(std::string_view registry);
Result<std::optional<Credentials>> load_credentials(const GlobalOptions& global, const std::string& server);
Result<void> save_credentials(const GlobalOptions& global, const std::string& server, const Credentials& credentials);
Result<bool> erase_credentials(const GlobalOptions& global, const std::string& server);  // false: there were none

// The value of X-Registry-Auth for images of `domain` ("" without credentials).
Result<std::string> registry_auth_header(const GlobalOptions& global, std::string_view domain);
// The value of X-Registry-Config, credentials of all registries ("" if there are none).
Result<std::string> registry_config_header(const GlobalOptions& global);
std::string encode_auth(const Credentials& credentials, const std::string& server);
// A text setting: "psFormat", "detachKeys". "" when it is not there.
std::string preference(const GlobalOptions& global, std::string_view name);

}  // namespace pila::cli

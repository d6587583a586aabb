// SPDX-License-Identifier: Apache-2.0
#pragma once
// POST /containers/create, with the image pulled first when it is missing.

#include <string>

#include "cli/api.h"
#include "cli/container_options.h"

namespace pila::cli {

struct NewContainer {
    std::string id;
    std::vector<std::string> warnings;
};

// Writes the id to options.cid_file. The pull's messages go to standard error.
Result<NewContainer> create_container(Api& api, const ContainerOptions& options, const json::object& body);
// $DOCKER_DEFAULT_PLATFORM, which --platform overrides.
std::string default_platform();
Result<void> pull_image(Api& api, const std::string& image, const std::string& platform, bool quiet, int descriptor);

}  // namespace pila::cli

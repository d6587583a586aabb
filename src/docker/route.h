// SPDX-License-Identifier: Apache-2.0
#pragma once
// Routes as data: method, pattern, function. In a pattern "*" is one path segment, "**" one or more (image names).

#include <span>
#include <string_view>

#include "docker/api.h"

namespace pila::docker {

using Reply = Result<http::Response>;

struct Route {
    std::string_view method;
    std::string_view pattern;
    Reply (*handle)(Api& api, http::Request& request);
};

// One table per file.
std::span<const Route> system_routes();
std::span<const Route> container_routes();
std::span<const Route> observation_routes();
std::span<const Route> live_edit_routes();
std::span<const Route> stats_routes();
std::span<const Route> archive_routes();
std::span<const Route> stream_routes();
std::span<const Route> exec_routes();
std::span<const Route> image_routes();
std::span<const Route> network_routes();
std::span<const Route> volume_routes();
std::span<const Route> registry_routes();
std::span<const Route> build_routes();
std::span<const Route> off_routes();

// The answer where no route fits.
Error no_route(std::string_view method, std::string_view path);
// Fills request.parameters; nullptr if no route fits. wrong_method: a route fits but for its method.
const Route* find_route(http::Request& request, std::string_view path, bool& wrong_method);

}  // namespace pila::docker

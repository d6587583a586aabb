// SPDX-License-Identifier: Apache-2.0
// Parts of Docker's API that are not for pila (Swarm, plugins): refused so that clients can tell.
#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "docker/reply.h"

namespace pila::docker {

static constexpr std::array swarm_roots = {"/swarm", "/nodes", "/services", "/tasks", "/secrets", "/configs"};

static Error not_a_manager() {
    return Error(Errc::Unavailable,
                 "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this "
                 "node to swarm and try again.");
}

Error no_route(std::string_view method, std::string_view path) {
    auto below = [&](std::string_view root) {
        return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
    };
    if (std::any_of(swarm_roots.begin(), swarm_roots.end(), below)) return not_a_manager();
    // dockerd's routes take a name with slashes, and look for it.
    auto name = [&](std::string_view root, std::size_t last) {
        return path.substr(root.size(), last == path.npos ? last : last - root.size());
    };
    auto last = path.rfind('/');
    if (path.starts_with("/containers/") && last > 12)
        return Error(Errc::NotFound, fmt::format("No such container: {}", name("/containers/", last)));
    if (path.starts_with("/networks/") && method == "GET")
        return Error(Errc::NotFound, fmt::format("network {} not found", name("/networks/", path.npos)));
    return Error(Errc::NotFound, "page not found");
}

static Reply no_swarm(Api&, http::Request&) {
    return Error(Errc::Unsupported, "Swarm is not a part of pila: this node can neither make nor join one");
}

static Reply not_in_a_swarm(Api&, http::Request&) {
    return Error(Errc::Unavailable, "This node is not part of a swarm");
}

static Reply no_plugins(Api&, http::Request& request) {
    TRY(Filters::parse(request, {"capability", "enabled"}));
    return json_response(200, json::array{});
}

static Reply no_such_plugin(Api&, http::Request& request) {
    return Error(Errc::NotFound, fmt::format("plugin \"{}\" not found", request.parameters[0]));
}

static Reply plugins_unsupported(Api&, http::Request&) {
    return Error(Errc::Unsupported, "pila has no plugins: volumes, networks and logs are its own");
}

static Reply checkpoint_unsupported(Api& api, http::Request& request) {
    TRY(api.engine().find(request.parameters[0]));
    return Error(Errc::Unsupported, "checkpoints are not supported");
}

static constexpr Route routes[] = {
    {"POST", "/swarm/init", no_swarm},
    {"POST", "/swarm/join", no_swarm},
    {"POST", "/swarm/leave", not_in_a_swarm},
    {"GET", "/plugins", no_plugins},
    {"GET", "/plugins/privileges", plugins_unsupported},
    {"POST", "/plugins/pull", plugins_unsupported},
    {"POST", "/plugins/create", plugins_unsupported},
    {"GET", "/plugins/**/json", no_such_plugin},
    {"POST", "/plugins/**/enable", no_such_plugin},
    {"POST", "/plugins/**/disable", no_such_plugin},
    {"POST", "/plugins/**/push", no_such_plugin},
    {"POST", "/plugins/**/set", no_such_plugin},
    {"POST", "/plugins/**/upgrade", no_such_plugin},
    {"DELETE", "/plugins/**", no_such_plugin},
    {"GET", "/containers/*/checkpoints", checkpoint_unsupported},
    {"POST", "/containers/*/checkpoints", checkpoint_unsupported},
    {"DELETE", "/containers/*/checkpoints/*", checkpoint_unsupported},
};

std::span<const Route> off_routes() { return routes; }

}  // namespace pila::docker

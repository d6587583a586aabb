// SPDX-License-Identifier: Apache-2.0
// pila's own: ports, mounts, networks and limits of a container that exists, running or not (decision 067).
#include "docker/reply.h"

namespace pila::docker {

static Reply set(Api& api, http::Request& request) {
    auto body = TRY(read_object(request));
    auto warnings = TRY(api.engine().set(request.context, request.parameters[0], body));
    return json_response(200, json::object{{"Warnings", array_or_null(warnings)}});
}

static constexpr Route routes[] = {{"POST", "/containers/*/set", set}};

std::span<const Route> live_edit_routes() { return routes; }

}  // namespace pila::docker

// SPDX-License-Identifier: Apache-2.0
// Running containers looked at and adjusted: top, update.
#include <fmt/core.h>

#include "docker/reply.h"
#include "engine/process_list.h"

namespace pila::docker {

using engine::Status;

static Reply top(Api& api, http::Request& request) {
    auto container = TRY(api.engine().find(request.parameters[0]));
    auto status = container->state().status;
    auto shim = container->shim();
    if (status == Status::Restarting)
        return Error(Errc::Conflict,
                     fmt::format("Container {} is restarting, wait until the container is running", container->id()));
    if (!container->state().is_running() || !shim)
        return Error(Errc::Conflict, fmt::format("Container {} is not running", container->id()));
    auto pids = TRY(shim->processes());
    auto list = TRY(engine::list_processes(request.query.get("ps_args"), pids));
    api.engine().publish(request.context, *container, "top");
    json::array processes;
    for (const auto& process : list.processes) processes.push_back(array_of(process));
    json::object body;
    body["Titles"] = array_of(list.titles);
    body["Processes"] = processes.empty() ? json::value(nullptr) : json::value(std::move(processes));
    return json_response(200, body);
}

static Reply update(Api& api, http::Request& request) {
    auto body = TRY(read_object(request));
    auto warnings = TRY(api.engine().update(request.context, request.parameters[0], std::move(body)));
    return json_response(200, json::object{{"Warnings", array_or_null(warnings)}});
}

static constexpr Route routes[] = {
    {"POST", "/containers/*/update", update},
    {"GET", "/containers/*/top", top},
};

std::span<const Route> observation_routes() { return routes; }

}  // namespace pila::docker

// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "base/log.h"
#include "docker/reply.h"

namespace pila::docker {

static Reply create(Api& api, http::Request& request) {
    auto body = TRY(read_object(request));
    auto id = TRY(api.engine().create_exec(request.context, request.parameters[0], body));
    return json_response(201, json::object{{"Id", id}});
}

static Reply start(Api& api, http::Request& request) {
    auto body = TRY(read_object(request));
    JsonReader in(body);
    bool detach = in.boolean("Detach");
    bool terminal = in.boolean("Tty");
    TRY(in.check());
    const auto& id = request.parameters[0];
    auto exec = TRY(api.engine().execs().find(id));
    if (exec.phase != engine::Exec::Phase::Created)
        return Error(Errc::Conflict, fmt::format("Error: Exec command {} is already running", id));
    if (detach) {
        TRY(api.engine().start_exec(request.context, id, std::nullopt, "", exec.spec.tty));
        return http::Response::empty(200);
    }
    auto take = [&api, id, terminal, context = request.context](http::Hijacked connection) mutable {
        context.stop = {};
        auto shared = std::make_shared<http::Hijacked>(std::move(connection));
        api.engine().background().post([&api, id, terminal, context, shared] {
            auto started = api.engine().start_exec(context, id, std::move(*shared), "", terminal);
            if (!started) log::debug("exec {}: {}", id, started.error().message());
        });
    };
    return hijack_response(request, terminal, take);
}

static Reply resize(Api& api, http::Request& request) {
    auto rows = TRY(query_integer(request, "h")), columns = TRY(query_integer(request, "w"));
    if (!rows || !columns || *rows < 0 || *columns < 0 || *rows > 65535 || *columns > 65535)
        return Error(Errc::Invalid, "invalid terminal size");
    TRY(api.engine().resize_exec(request.parameters[0], static_cast<std::uint16_t>(*rows),
                                 static_cast<std::uint16_t>(*columns)));
    return http::Response::empty(200);
}

static Reply inspect(Api& api, http::Request& request) {
    auto exec = TRY(api.engine().inspect_exec(request.parameters[0]));
    const auto& spec = exec.spec;
    json::object process;
    process["tty"] = spec.tty;
    process["entrypoint"] = spec.command[0];
    process["arguments"] = array_of({spec.command.begin() + 1, spec.command.end()});
    process["privileged"] = spec.privileged;
    if (!spec.user.empty()) process["user"] = spec.user;
    json::object body;
    body["ID"] = exec.id;
    body["Running"] = exec.phase == engine::Exec::Phase::Running;
    body["ExitCode"] = exec.exit_code ? json::value(*exec.exit_code) : json::value(nullptr);
    body["ProcessConfig"] = std::move(process);
    body["OpenStdin"] = spec.attach_stdin;
    body["OpenStderr"] = spec.attach_stderr;
    body["OpenStdout"] = spec.attach_stdout;
    body["CanRemove"] = false;
    body["ContainerID"] = exec.container_id;
    body["DetachKeys"] = spec.detach_keys;
    body["Pid"] = exec.pid;
    return json_response(200, body);
}

static constexpr Route routes[] = {
    {"POST", "/containers/*/exec", create},
    {"POST", "/exec/*/start", start},
    {"POST", "/exec/*/resize", resize},
    {"GET", "/exec/*/json", inspect},
};

std::span<const Route> exec_routes() { return routes; }

}  // namespace pila::docker

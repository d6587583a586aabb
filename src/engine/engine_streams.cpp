// SPDX-License-Identifier: Apache-2.0
// Clients' own connections meeting containers' streams: attach and exec. The shim serves them; the daemon only hands
// over.
#include <fcntl.h>
#include <fmt/core.h>

#include "base/json_reader.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/plan_builder.h"
#include "os/file.h"

namespace pila::engine {

static constexpr std::string_view default_detach_keys = "ctrl-p,ctrl-q";

// Only what a person types can detach: bytes that pass through without a terminal mean nothing to us.
static Result<runtime::Attachment> attachment_of(http::Hijacked connection, const std::string& detach_keys,
                                                 bool terminal) {
    runtime::Attachment attachment;
    attachment.stream = std::move(connection.socket);
    attachment.already_read = std::move(connection.already_read);
    auto keys = TRY(parse_detach_keys(detach_keys.empty() ? default_detach_keys : detach_keys));
    if (terminal) attachment.detach_keys = std::move(keys);
    return attachment;
}

Result<void> Engine::attach(const Context& context, const ContainerPointer& container, const AttachOptions& options,
                            http::Hijacked connection) {
    auto spec = container->spec();
    if (options.logs) {
        auto write = [&](std::string_view bytes) { return os::write_all(connection.socket, bytes).ok(); };
        LogOptions logs;
        logs.output = options.output;
        logs.error = options.error;
        TRY(read_logs(*container, logs, write));
    }
    if (!options.stream) return {};
    auto attachment = TRY(attachment_of(std::move(connection), options.detach_keys, spec->tty));
    attachment.input = options.input && spec->open_stdin;
    attachment.output = options.output;
    attachment.error = options.error;
    attachment.close_stdin_when_gone = spec->stdin_once && attachment.input;
    // Against a start in between: it takes what is pending, so decide with it kept out.
    auto transition = transitions_.lock(container->id());
    if (auto shim = container->shim(); shim && container->state().is_running()) {
        TRY(shim->attach(std::move(attachment)));
    } else {
        container->add_pending(std::move(attachment));
    }
    publish(context, *container, "attach");
    return {};
}

Result<std::string> Engine::create_exec(const Context& context, std::string_view reference, const json::object& body) {
    auto container = TRY(find(reference));
    auto state = container->state();
    if (!state.is_running()) return Error(Errc::Conflict, fmt::format("container {} is not running", container->id()));
    if (state.status == Status::Paused)
        return Error(Errc::Conflict,
                     fmt::format("container {} is paused, unpause the container before exec", reference));
    auto spec = TRY(parse_exec(body));
    auto command = spec.command;
    TRY(parse_detach_keys(spec.detach_keys));
    auto id = execs_.add(container->id(), std::move(spec));
    publish_exec(context, *container, "exec_create", command, id);
    return id;
}

// The text that a docker user sees in place of the program's output.
static void tell(int socket, bool terminal, std::string text) {
    text += "\r\n";
    if (!terminal) {
        std::string frame{1, 0, 0, 0};  // standard output, as dockerd
        for (int shift : {24, 16, 8, 0}) frame += static_cast<char>(text.size() >> shift & 0xff);
        text.insert(0, frame);
    }
    ignore(os::write_all(FdView(socket), text), "the client may have gone");
}

Result<void> Engine::start_exec(const Context& context, const std::string& exec_id,
                                std::optional<http::Hijacked> connection, const std::string& detach_keys,
                                bool terminal) {
    auto exec = TRY(execs_.begin(exec_id));
    auto run = [&]() -> Result<void> {
        auto container = TRY(table_.find(exec.container_id));
        auto shim = container->shim();
        auto state = container->state();
        if (!shim || !state.is_running())
            return Error(Errc::Conflict, fmt::format("container {} is not running", container->id()));
        runtime::ExecRequest request;
        request.exec_id = exec_id;
        request.process = TRY(build_exec_process(*container, exec.spec, security_));
        if (connection) {
            // A copy stays here until the outcome is known, to tell the client of a failure.
            http::Hijacked copy{TRY(connection->socket.duplicate()), connection->already_read};
            auto attachment = TRY(attachment_of(
                std::move(copy), detach_keys.empty() ? exec.spec.detach_keys : detach_keys, exec.spec.tty));
            attachment.input = exec.spec.attach_stdin;
            attachment.output = exec.spec.attach_stdout;
            attachment.error = exec.spec.attach_stderr;
            attachment.close_stdin_when_gone = true;
            request.attachment = std::move(attachment);
        }
        publish_exec(context, *container, "exec_start", exec.spec.command,
                     exec_id);  // as dockerd; its end may come at once
        auto pid = TRY(shim->exec(context, std::move(request)));
        execs_.set_running(exec_id, pid);
        return {};
    };
    auto outcome = run();
    if (outcome) return outcome;
    auto error = outcome.take_error();
    execs_.set_ended(exec_id, error.code() == Errc::NotFound ? 127 : 126);
    if (connection)
        tell(connection->socket.get(), terminal, "OCI runtime exec failed: exec failed: " + error.message());
    if (error.code() == Errc::NotFound || error.code() == Errc::Denied)
        error = std::move(error).with_code(Errc::Invalid);
    return std::move(error).in("exec failed");
}

Result<Exec> Engine::inspect_exec(const std::string& exec_id) {
    auto exec = TRY(execs_.find(exec_id));
    if (exec.phase != Exec::Phase::Running) return exec;
    // The shim reports in order: once it has answered anything, an exit that a client can have seen is known here, too.
    auto container = table_.by_id(exec.container_id);
    if (auto shim = container ? container->shim() : nullptr) ignore(shim->processes(), "it may have just ended");
    return execs_.find(exec_id);
}

Result<void> Engine::resize_exec(const std::string& exec_id, std::uint16_t rows, std::uint16_t columns) {
    auto exec = TRY(execs_.find(exec_id));
    auto container = TRY(table_.find(exec.container_id));
    auto shim = container->shim();
    if (!shim || exec.phase != Exec::Phase::Running) return Error(Errc::Conflict, "exec process is not running");
    return shim->resize(exec_id, rows, columns);
}

}  // namespace pila::engine

// SPDX-License-Identifier: Apache-2.0
#include "cli/containers.h"

#include <fmt/core.h>
#include <unistd.h>

#include "cli/detach_keys.h"
#include "cli/json_helpers.h"
#include "cli/registry_auth.h"

namespace pila::cli {

Result<std::unique_ptr<Waiter>> Waiter::begin(const Api& api, const std::string& id, std::string_view condition) {
    std::unique_ptr<Waiter> waiter(new Waiter());
    waiter->api_ = TRY(api.another());
    Call call{.method = "POST", .path = fmt::format("/containers/{}/wait", path_part(id))};
    if (!condition.empty()) call.query.add("condition", condition);
    auto response = TRY(waiter->api_->open(call));
    waiter->body_ = std::move(response.body);
    return waiter;
}

Waiter::~Waiter() = default;

Result<int> Waiter::exit_code() {
    auto body = TRY(body_->read_all(1U << 20));
    auto answer = TRY(parse_json(body));
    if (auto problem = text(answer, "Error.Message"); !problem.empty()) return Error(Errc::Internal, problem);
    return static_cast<int>(number(answer, "StatusCode"));
}

Result<std::unique_ptr<Attachment>> Attachment::open(Api& api, AttachRequest request) {
    std::unique_ptr<Attachment> attachment(new Attachment(api, std::move(request)));
    auto& wanted = attachment->request_;
    if (wanted.detach_keys.empty()) wanted.detach_keys = "\x10\x11";  // ctrl-p, ctrl-q
    bool resizes = wanted.terminal && is_terminal(STDOUT_FILENO) && !wanted.resize_path.empty();
    bool kills = !wanted.kill_path.empty();
    // Before the first byte can start anything: a signal from now on belongs to the container.
    if (kills || resizes)
        attachment->signals_ =
            TRY(SignalSource::create(kills ? SignalSource::Which::All : SignalSource::Which::WindowOnly));
    if (!resizes) wanted.resize_path.clear();
    Call call{.method = "POST", .path = wanted.path, .query = wanted.query, .body = wanted.body};
    if (wanted.body.empty()) call.headers.set("Content-Type", "text/plain");
    auto upgraded = TRY(api.upgrade(call));
    attachment->connection_ = std::move(upgraded.connection);
    return attachment;
}

void Attachment::resize(unsigned more) {
    if (request_.resize_path.empty()) return;
    auto size = terminal_size(STDOUT_FILENO);
    if (!size || (size->rows == 0 && size->columns == 0)) return;
    if (!control_) control_ = api_.another().value_or(nullptr);
    if (!control_) return;
    Call call{.method = "POST", .path = request_.resize_path};
    call.query.add("h", std::to_string(size->rows + more)).add("w", std::to_string(size->columns + more));
    ignore(control_->done(call), "the process may not have begun, or have ended");
}

void Attachment::forward(int signal) {
    if (!control_) control_ = api_.another().value_or(nullptr);
    if (!control_) return;
    Call call{.method = "POST", .path = request_.kill_path};
    call.query.add("signal", signal_name(signal));
    ignore(control_->done(call), "the container may be ending already");
}

Result<StreamEnd> Attachment::carry() {
    StreamPlan plan{.terminal = request_.terminal,
                    .input = request_.input,
                    .output = request_.output,
                    .errors = request_.errors,
                    .detach_keys = request_.detach_keys};
    plan.resized = [this] { resize(); };
    if (!request_.kill_path.empty()) plan.signalled = [this](int signal) { forward(signal); };
    std::optional<RawMode> raw;
    if (request_.terminal && request_.input && is_terminal(STDIN_FILENO))
        raw.emplace(TRY(RawMode::enter(STDIN_FILENO)));
    auto end = carry_streams(connection_, plan, signals_ ? &*signals_ : nullptr);
    connection_.socket.reset();
    return end;
}

Result<void> check_terminal(bool attach_input, bool terminal) {
    if (attach_input && terminal && !is_terminal(STDIN_FILENO))
        return Error(Errc::Invalid, "the input device is not a TTY");
    return {};
}

Result<std::string> detach_keys_of(const GlobalOptions& global, const std::string& flag) {
    return parse_detach_keys(flag.empty() ? preference(global, "detachKeys") : flag);
}

}  // namespace pila::cli

// SPDX-License-Identifier: Apache-2.0
#include <csignal>

#include "runtime/supervisor_internal.h"

namespace pila::runtime {

// A shim answers at once unless the machine is in trouble; a caller must not hang on one that was stopped.
static constexpr std::chrono::milliseconds answer_time{10'000};

Result<Report> Client::call(const Context& context, Request& request, const std::vector<int>& fds) {
    {
        Lock lock(mutex_);
        if (over_) return Error(Errc::Gone, "the shim of container " + id_ + " has ended");
        request.number = ++last_request_;
        waiting_[request.number];
        if (request.verb > Verb::Prepare) newer_request_ = request.number;
    }
    auto forget_call = [&] {
        Lock lock(mutex_);
        waiting_.erase(request.number);
    };
    {
        Lock sending(send_mutex_);
        if (auto sent = send_parcel(socket_, encode(request), fds); !sent) {
            forget_call();
            return std::move(sent).take_error().in("ask the shim of container " + id_);
        }
    }
    std::stop_callback wake(context.stop, [this] {
        Lock lock(mutex_);
        answered_.notify_all();
    });
    Lock lock(mutex_);
    for (;;) {
        auto& slot = waiting_[request.number];
        if (slot) {
            auto report = std::move(*slot);
            waiting_.erase(request.number);
            if (!report.ok) return error_of(report);
            return report;
        }
        Result<void> stopped =
            over_ ? Error(Errc::Gone, "the shim of container " + id_ + " has ended") : context.check();
        if (!stopped) {
            waiting_.erase(request.number);
            return stopped.take_error();
        }
        if (context.deadline)
            answered_.wait_until(lock, *context.deadline);
        else
            answered_.wait(lock);
    }
}

Result<void> Client::call_simple(Request& request) {
    TRY(call(Context{}.with_timeout(answer_time), request));
    return {};
}

void Client::replied(Report report) {
    Lock lock(mutex_);
    if (report.number == 0 && newer_request_ != 0) {
        report.number = newer_request_;
        report.code = Errc::Unsupported;
        report.message = "the container was started by an older pila, whose shim cannot do this; restart it once";
    }
    if (report.number == newer_request_) newer_request_ = 0;
    // Nobody waits for the answer to a request whose caller gave up.
    if (auto found = waiting_.find(report.number); found != waiting_.end()) found->second = std::move(report);
    answered_.notify_all();
}

void Client::disconnected() {
    Lock lock(mutex_);
    over_ = true;
    answered_.notify_all();
}

bool Client::connection_over() {
    Lock lock(mutex_);
    return over_;
}

Result<void> Client::attach(Attachment attachment) {
    Request request;
    request.verb = Verb::Attach;
    request.attachments.push_back(options_of(attachment));
    TRY(call(Context{}.with_timeout(answer_time), request, {attachment.stream.get()}));
    return {};
}

Result<pid_t> Client::exec(const Context& context, ExecRequest wanted) {
    Request request;
    request.verb = Verb::Exec;
    request.exec_id = wanted.exec_id;
    request.plan = serialize(wanted.process);
    std::vector<int> fds;
    if (wanted.attachment) {
        request.attachments.push_back(options_of(*wanted.attachment));
        fds.push_back(wanted.attachment->stream.get());
    }
    auto report = TRY(call(context, request, fds));
    return report.pid;
}

Result<void> Client::resize(const std::string& exec_id, std::uint16_t rows, std::uint16_t columns) {
    Request request;
    request.verb = Verb::Resize;
    request.exec_id = exec_id;
    request.rows = rows;
    request.columns = columns;
    return call_simple(request);
}

Result<void> Client::kill(const std::string& exec_id, int signal) {
    Request request;
    request.verb = Verb::Kill;
    request.exec_id = exec_id;
    request.signal = signal;
    return call_simple(request);
}

Result<void> Client::kill_all() {
    Request request;
    request.verb = Verb::KillAll;
    return call_simple(request);
}

Result<void> Client::pause(bool paused) {
    Request request;
    request.verb = Verb::Pause;
    request.paused = paused;
    return call_simple(request);
}

Result<std::vector<pid_t>> Client::processes() {
    Request request;
    request.verb = Verb::Processes;
    auto report = TRY(call(Context{}.with_timeout(answer_time), request));
    return std::vector<pid_t>(report.pids.begin(), report.pids.end());
}

Result<void> Client::update(const ResourcePlan& resources) {
    Request request;
    request.verb = Verb::Update;
    request.resources = resources;
    return call_simple(request);
}

Result<void> Client::reopen_log() {
    Request request;
    request.verb = Verb::ReopenLog;
    return call_simple(request);
}

Result<void> Client::hold_ports(const PortHold& wanted) {
    Request request;
    request.verb = Verb::Ports;
    PortsRequest ports{wanted.relays, wanted.ports, wanted.keep};
    for (const auto& move : wanted.moves) {
        ports.relays.push_back({listener_at(ports.ports.size()), move.address, move.port});
        ports.ports.push_back(move.from);
    }
    request.plan = encode(ports);
    std::vector<int> fds;
    for (const auto& socket : wanted.sockets) fds.push_back(socket.get());
    TRY(call(Context{}.with_timeout(answer_time), request, fds));
    return {};
}

void Client::forget() {
    Request request;
    request.verb = Verb::Forget;
    Lock sending(send_mutex_);
    ignore(send_parcel(socket_, encode(request), {}), "it may have ended, which is as good");
}

}  // namespace pila::runtime

// SPDX-License-Identifier: Apache-2.0
// What the daemon asks of a running shim.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/failpoint.h"
#include "os/file.h"
#include "os/socket.h"
#include "runtime/shim_internal.h"
#include "runtime/state_files_internal.h"

namespace pila::runtime {

void Shim::listen() {
    auto path = shim_socket_path(plan_.state_directory);
    ignore(os::remove_file(path), "of an earlier run of the container");
    auto listener = os::listen_unix(path, SOCK_SEQPACKET, 0600, 8);
    if (!listener) return;  // a daemon restart will not find us and kills the container: better than not starting it
    listener_ = listener.take();
    loop_.watch(listener_, EPOLLIN, [this](std::uint32_t) {
        Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        PILA_CRASHPOINT("shim.control.accepted");
        if (socket && controls_.size() < 8) add_control(std::move(socket));
    });
}

void Shim::add_control(Fd socket) {
    auto control = std::make_shared<Control>();
    control->socket = std::move(socket);
    controls_.push_back(control);
    loop_.watch(control->socket, EPOLLIN, [this, control](std::uint32_t) { serve(control); });
}

void Shim::drop_control(const std::shared_ptr<Control>& control) {
    auto keep = control;
    if (!keep->socket) return;
    loop_.remove(keep->socket);
    keep->socket.reset();
    controls_.remove(keep);
}

void Shim::reply(const std::shared_ptr<Control>& control, const Report& report, const std::vector<int>& fds) {
    if (!control->socket) return;
    if (!send_parcel(control->socket, encode(report), fds)) drop_control(control);
}

void Shim::broadcast(const Report& report) {
    auto all = controls_;
    for (const auto& control : all) reply(control, report);
}

void Shim::report_detached(const std::string& exec_id) {
    Report report;
    report.kind = Report::Kind::Detached;
    report.exec_id = exec_id;
    broadcast(report);
}

void Shim::report_rotation() {
    Report report;
    report.kind = Report::Kind::LogRotated;
    broadcast(report);  // a daemon that is away looks for itself when it is back
}

void Shim::serve(const std::shared_ptr<Control>& control) {
    auto parcel = receive_parcel(control->socket, 0);
    if (!parcel) {
        if (parcel.error().code() != Errc::Timeout) drop_control(control);
        return;
    }
    auto request = decode_request(parcel->bytes);
    if (!request) return reply(control, failure(0, request.error()));
    if (request->verb == Verb::Forget) {
        forgotten_ = true;
        return;
    }
    auto number = request->number;
    if (request->verb == Verb::Exec) {
        auto begun = begin_exec(control, *request, parcel->fds);
        if (!begun) reply(control, failure(number, begun.error()));
        return;
    }
    auto answered = answer(control, *request, parcel->fds);
    auto report = answered ? answered.take() : failure(number, answered.error());
    report.number = number;
    reply(control, report);
    if (request->verb != Verb::Adopt) return;
    if (reported_) report_exit(control);
    for (const auto& exit : std::exchange(unheard_, {})) reply(control, exit);
}

Result<void> Shim::kill(const std::string& exec_id, int signal) {
    if (exec_id.empty()) {
        if (exit_) return Error(Errc::NotFound, "send signal: the container has ended", ESRCH);
        return os::send_signal(pidfd_, signal);
    }
    auto found = execs_.find(exec_id);
    if (found == execs_.end() || !found->second.pidfd) return Error(Errc::NotFound, "no such exec: " + exec_id);
    return os::send_signal(found->second.pidfd, signal);
}

Result<Report> Shim::answer(const std::shared_ptr<Control>&, Request& request, std::vector<Fd>& fds) {
    Report report;
    auto need_cgroup = [&]() -> Result<void> {
        if (!cgroup_.valid()) return Error(Errc::Unsupported, "the container has no cgroup");
        if (exit_) return Error(Errc::NotFound, "the container has ended", ESRCH);
        return {};
    };
    switch (request.verb) {
        case Verb::Adopt:
            report.pid = pid_;
            report.shim_pid = ::getpid();
            break;
        case Verb::Attach:
            if (fds.size() != 1 || request.attachments.size() != 1)
                return Error(Errc::Invalid, "attach: exactly one stream is needed");
            if (exit_) return Error(Errc::NotFound, "attach: the container has ended");
            session_->attach(attachment_of(request.attachments[0], std::move(fds[0])));
            break;
        case Verb::Resize: {
            auto found = execs_.find(request.exec_id);
            if (!request.exec_id.empty() && found == execs_.end())
                return Error(Errc::NotFound, "no such exec: " + request.exec_id);
            auto& session = request.exec_id.empty() ? *session_ : *found->second.session;
            TRY(session.resize(request.rows, request.columns));
            break;
        }
        case Verb::Kill: TRY(kill(request.exec_id, request.signal)); break;
        case Verb::KillAll:
            if (cgroup_.valid() && !exit_) TRY(cgroup_.kill_all());
            if (!exit_) ignore(os::send_signal(pidfd_, SIGKILL), "ended by the line above");
            break;
        case Verb::Pause:
            TRY(need_cgroup());
            TRY(cgroup_.freeze(request.paused));
            PILA_FAILPOINT("shim.pause.done");
            break;
        case Verb::Processes:
            TRY(need_cgroup());
            for (pid_t pid : TRY(cgroup_.processes())) report.pids.push_back(pid);
            break;
        case Verb::Update:
            TRY(need_cgroup());
            TRY(update_resources(cgroup_, request.resources));
            break;
        case Verb::ReopenLog: TRY(log_.reopen()); break;
        case Verb::Ports:
            TRY(change_ports(request.plan, fds));
            PILA_FAILPOINT("shim.ports.changed");
            break;
        case Verb::Prepare:
        case Verb::Start:
        case Verb::Exec:
        case Verb::Forget: return Error(Errc::Invalid, "not a request to a running shim");
    }
    return report;
}

}  // namespace pila::runtime

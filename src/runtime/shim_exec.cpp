// SPDX-License-Identifier: Apache-2.0
// Further processes in the container of a shim.
#include <sys/epoll.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "runtime/shim_internal.h"

namespace pila::runtime {

using std::chrono::milliseconds;

static constexpr int first_exec_timer = 100;
static constexpr milliseconds exec_drain_time{2000};

Result<void> Shim::begin_exec(const std::shared_ptr<Control>& control, Request& request, std::vector<Fd>& fds) {
    if (exit_) return Error(Errc::NotFound, "exec: the container has ended");
    const auto id = request.exec_id;
    if (id.empty() || execs_.count(id) != 0) return Error(Errc::AlreadyExists, "exec: id is in use: " + id);
    if (request.attachments.size() > 1 || fds.size() != request.attachments.size())
        return Error(Errc::Invalid, "exec: streams and their descriptions differ in number");
    auto process = TRY(deserialize_process(request.plan));
    Exec exec;
    exec.serial = next_exec_++;
    exec.request = request.number;
    exec.asked_by = control;
    exec.session = std::make_unique<Session>(loop_, nullptr, [this, id] { exec_settled(id); });
    exec.session->on_detached([this, id] { report_detached(id); });
    if (!fds.empty()) exec.session->attach(attachment_of(request.attachments[0], std::move(fds[0])));
    auto stdio = TRY(exec.session->prepare(process));
    auto launch = TRY(Launch::exec({plan_, process, stdio, cgroup_, pidfd_}));
    PILA_FAILPOINT("shim.exec.cloned");
    TRY(launch.begin());
    exec.launch.emplace(std::move(launch));
    // The loop goes on meanwhile: entering a directory or opening a program may take as long as it likes.
    loop_.watch(exec.launch->channel(), EPOLLIN, [this, id](std::uint32_t) { exec_progress(id); });
    execs_.emplace(id, std::move(exec));
    return {};
}

void Shim::exec_progress(const std::string& id) {
    auto found = execs_.find(id);
    if (found == execs_.end()) return;
    auto name = id;  // `id` lives in the handler that is removed here
    auto& exec = found->second;
    FdView channel(exec.launch->channel().get());
    auto stepped = exec.launch->step();
    if (stepped && !*stepped) return;
    loop_.remove(channel);
    if (!stepped) {
        auto report = failure(exec.request, stepped.error());
        auto asked_by = exec.asked_by;
        execs_.erase(found);
        reply(asked_by, report);
        return;
    }
    PILA_CRASHPOINT("shim.exec.running");
    Report report;
    report.number = exec.request;
    report.pid = exec.launch->pid();
    exec.pidfd = exec.launch->take_pidfd();
    exec.session->launched(exec.launch->take_terminal());
    exec.launch.reset();
    loop_.watch(exec.pidfd, EPOLLIN, [this, name](std::uint32_t) { exec_ended(name); });
    reply(exec.asked_by, report);
    exec.asked_by.reset();
}

void Shim::exec_ended(const std::string& id) {
    auto found = execs_.find(id);
    if (found == execs_.end()) return;
    auto name = id;
    auto& exec = found->second;
    loop_.remove(exec.pidfd);
    auto status = os::wait_child(exec.pidfd);
    exec.record = status ? exit_record_of(*status) : ExitRecord{.code = 255, .finished_at = now_wall()};
    exec.pidfd.reset();
    exec.session->process_ended();
    exec_settled(name);
}

// Its own output comes first. A process that exec left behind in the container may keep the pipes for as long as it
// likes, though: after two seconds the streams end, as Docker's do.
void Shim::exec_settled(const std::string& id) {
    auto found = execs_.find(id);
    if (found == execs_.end() || !found->second.record) return;
    auto& exec = found->second;
    int timer = first_exec_timer + exec.serial;
    if (exec.session->finished()) {
        report_exec(id, exec);
        // From the loop, not from within the session that called us.
        loop_.after(milliseconds(0), timer, [this, name = id] { execs_.erase(name); });
        return;
    }
    if (std::exchange(exec.draining, true)) return;
    loop_.after(exec_drain_time, timer, [this, name = id] {
        auto late = execs_.find(name);
        if (late == execs_.end()) return;
        report_exec(name, late->second);
        late->second.session->abandon_output();
    });
}

void Shim::report_exec(const std::string& id, Exec& exec) {
    if (std::exchange(exec.reported, true)) return;
    PILA_CRASHPOINT("shim.exec.ended");
    Report report;
    report.kind = Report::Kind::ExecExited;
    report.exec_id = id;
    report.exit_code = exec.record->code;
    report.finished_at = exec.record->finished_at.nanoseconds;
    if (controls_.empty()) unheard_.push_back(report);
    broadcast(report);
}

// The container is over, and with it what ran in it.
void Shim::end_execs() {
    for (auto& [id, exec] : execs_) {
        if (exec.launch) {
            loop_.remove(exec.launch->channel());
            reply(exec.asked_by, failure(exec.request, Error(Errc::NotFound, "exec: the container has ended")));
            exec.launch.reset();
        } else if (exec.record) {
            report_exec(id, exec);
        }
    }
}

}  // namespace pila::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/shim_internal.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

#include "base/failpoint.h"
#include "os/file.h"
#include "runtime/init_internal.h"
#include "runtime/state_files_internal.h"

namespace pila::runtime {

using std::chrono::milliseconds;

namespace {

enum TimerName { drain_timer = 1, linger_timer };

// Somebody outside the container may hold its pipes for ever: so long we wait once all inside are dead.
constexpr milliseconds drain_time{500};
// A client that does not read: so long its last output delays the report of the exit, and then the shim's end.
constexpr milliseconds flush_time{2000}, linger_time{60'000};

}  // namespace

ExitRecord exit_record_of(const os::ExitStatus& status) { return {.code = status.code, .finished_at = now_wall()}; }

Result<void> Shim::hold_ports(std::vector<Fd>& fds) {
    for (int index : plan_.held_fds) held_.push_back(TRY(fds[index].duplicate()));
    for (const auto& relay : plan_.relays) {
        auto listener = TRY(fds[relay.listen_fd].duplicate());
        relays_.push_back(TRY(Relay::create(loop_, relay, std::move(listener))));
    }
    return {};
}

Result<void> Shim::prepare(const std::string& cgroup_path) {
    cgroup_ = os::Cgroup(layout_, cgroup_path, os::container_controllers());
    if (!cgroup_.valid()) return {};
    cgroup_made_ = true;  // as far as it got: to be unmade
    return cgroup_.create();
}

Result<void> Shim::start(Request request, std::vector<Fd> fds, FdView control) {
    if (request.verb != Verb::Start) return Error(Errc::Invalid, "the first request to a shim must be to start");
    plan_ = TRY(deserialize_plan(request.plan));
    request.plan = {};
    show_name_(plan_.id);
    if (fds.size() < request.attachments.size()) return Error(Errc::Invalid, "fewer descriptors than attachments");
    std::vector<Fd> streams;
    for (auto left = request.attachments.size(); left > 0; --left) {
        streams.insert(streams.begin(), std::move(fds.back()));
        fds.pop_back();
    }
    PILA_FAILPOINT("shim.start.received");
    if (!plan_.cgroup_path.empty() && !cgroup_made_)
        cgroup_ = os::Cgroup(layout_, plan_.cgroup_path, os::container_controllers());
    log_ = TRY(LogWriter::open(plan_.log));
    if (plan_.log.tell_rotation) log_.on_rotated([this] { report_rotation(); });
    session_ = std::make_unique<Session>(loop_, &log_, [this] { output_settled(); });
    session_->on_detached([this] { report_detached(""); });
    auto& options = request.attachments;
    for (std::size_t i = 0; i < streams.size(); ++i) {
        // Before the launch, so that not one byte of output can be missed.
        session_->attach(attachment_of(options[i], std::move(streams[i])));
    }
    return launch_container(std::move(fds), control);
}

Result<void> Shim::launch_container(std::vector<Fd> fds, FdView control) {
    auto stdio = TRY(session_->prepare(plan_.process));
    auto launch = TRY(Launch::container({.plan = plan_,
                                         .fds = fds,
                                         .stdio = stdio,
                                         .layout = layout_,
                                         .cgroup = cgroup_,
                                         .cgroup_made = cgroup_made_,
                                         .self_exe = self_exe_.get()}));
    PILA_FAILPOINT("shim.start.cloned");
    TRY(hold_ports(fds));
    if (plan_.root_fd >= 0) root_ = std::move(fds[plan_.root_fd]);
    fds.clear();
    listen();
    PILA_FAILPOINT("shim.start.listening");
    PidRecord record;
    record.container = TRY(process_name(launch.pid()));
    record.shim = TRY(process_name(::getpid()));
    TRY(write_pid_record(plan_.state_directory, record));
    PILA_FAILPOINT("shim.start.recorded");
    TRY(launch.finish(control.get()));
    PILA_FAILPOINT("shim.start.running");
    pid_ = launch.pid();
    pidfd_ = launch.take_pidfd();
    session_->launched(launch.take_terminal());
    loop_.watch(pidfd_, EPOLLIN, [this](std::uint32_t) { container_ended(); });
    return {};
}

// Nothing of a failed start stays behind.
void Shim::abandon_start() {
    PILA_CRASHPOINT("shim.start.failed");
    session_.reset();
    if (cgroup_.valid()) {
        ignore(cgroup_.kill_all(), "usually empty");
        ignore(cgroup_.remove(), "the next start of this container tries again");
    }
    if (plan_.state_directory.empty()) return;  // no plan yet
    ignore(os::remove_file(shim_socket_path(plan_.state_directory)), "may not have been made");
    ignore(os::remove_file(plan_.state_directory + "/pid"), "may not have been made");
}

Result<void> Shim::run(Fd control) {
    auto parcel = TRY(receive_parcel(control, -1));
    auto request = TRY(decode_request(parcel.bytes));
    Result<void> prepared;
    if (request.verb == Verb::Prepare) {
        prepared = prepare(request.plan);
        auto next = receive_parcel(control, -1);
        if (!next) abandon_start();  // another part of the start has failed
        parcel = TRY(std::move(next));
        request = TRY(decode_request(parcel.bytes));
    }
    auto number = request.number;
    auto started = prepared ? start(std::move(request), std::move(parcel.fds), control) : std::move(prepared);
    if (!started) {
        abandon_start();
        return send_parcel(control, encode(failure(number, started.error())), {});
    }
    Report report;
    report.number = number;
    report.pid = pid_;
    report.shim_pid = ::getpid();
    ignore(send_parcel(control, encode(report), {}), "a daemon that ended meanwhile connects again");
    PILA_CRASHPOINT("shim.start.reported");
    // Of the plan only what exec needs is kept: an idle shim is to be small.
    parcel = {};
    plan_.process = {};
    plan_.mounts = {};
    plan_.resources = {};
    plan_.masked_paths = plan_.readonly_paths = {};
    layout_ = {};
    add_control(std::move(control));
    watch_memory();
    ::malloc_trim(0);
    while (!over()) loop_.turn();
    return {};
}

void Shim::container_ended() {
    PILA_CRASHPOINT("shim.exit.noticed");
    loop_.remove(pidfd_);
    stop_watching_memory();
    auto status = os::wait_child(pidfd_);
    exit_ = status ? exit_record_of(*status) : ExitRecord{.code = 255, .finished_at = now_wall()};
    // A pid namespace of its own has died with it. Otherwise what it left behind has to go, as with Docker.
    if (cgroup_.valid() && !init::makes_namespace(plan_, Namespace::Pid))
        ignore(cgroup_.kill_all(), "they may be gone");
    exit_->oom_killed = cgroup_.valid() && cgroup_.oom_kills() > 0;
    relays_.clear();
    // Processes that are just being started have copies until their exec; the port must be free at once.
    for (const auto& port : held_) ::shutdown(port.get(), SHUT_RDWR);
    held_.clear();
    session_->process_ended();
    if (!session_->output_ended()) loop_.after(drain_time, drain_timer, [this] { session_->abandon_output(); });
    output_settled();
}

// Called whenever a stream of the container ended.
void Shim::output_settled() {
    if (!exit_ || reported_) return;
    if (!session_->output_ended()) return;
    loop_.cancel(drain_timer);
    if (session_->finished())
        finish_container();
    else
        loop_.after(flush_time, drain_timer, [this] { finish_container(); });
}

void Shim::finish_container() {
    if (std::exchange(reported_, true)) return;
    loop_.cancel(drain_timer);
    end_execs();
    // Before the report: the container may be started again at once, under the same name.
    if (cgroup_.valid()) ignore(cgroup_.remove(), "left to the daemon's recovery");
    PILA_CRASHPOINT("shim.exit.before-record");
    ignore(write_exit_record(plan_.state_directory, *exit_), "reported all the same if somebody listens");
    PILA_CRASHPOINT("shim.exit.before-report");
    for (auto all = controls_; const auto& control : all) report_exit(control);
    PILA_CRASHPOINT("shim.exit.reported");
    loop_.after(linger_time, linger_timer, [this] { lingered_ = true; });
}

void Shim::report_exit(const std::shared_ptr<Control>& control) {
    Report report;
    report.kind = Report::Kind::Exited;
    report.exit_code = exit_->code;
    report.oom_killed = exit_->oom_killed;
    report.finished_at = exit_->finished_at.nanoseconds;
    reply(control, report, root_ ? std::vector<int>{root_.get()} : std::vector<int>{});
}

bool Shim::over() const {
    if (!reported_ || !(forgotten_ || controls_.empty())) return false;
    return session_->finished() || lingered_;
}

int shim_main(Fd control, ShimSurroundings surroundings) {
    auto loop = Loop::create();
    if (!loop) return 1;
    Shim shim(loop.take(), std::move(surroundings));
    return shim.run(std::move(control)) ? 0 : 1;
}

}  // namespace pila::runtime

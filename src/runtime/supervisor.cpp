// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "os/cgroup.h"
#include "os/file.h"
#include "os/socket.h"
#include "os/spawn.h"
#include "runtime/state_files_internal.h"

namespace pila::runtime {

namespace {

constexpr int adopt_timeout_ms = 10'000;

// A copy that nobody can change any more, a container through /proc/self/exe included (CVE-2019-5736).
Result<Fd> sealed_copy(const std::string& path) {
    auto file = TRY(os::open(path, O_RDONLY));
    auto size = static_cast<std::size_t>(TRY(os::stat_of(file)).st_size);
    Fd memory(::memfd_create("pila-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!memory) return Error::from_errno(errno, "create memfd");
    for (std::size_t copied = 0; copied < size;) {
        auto moved = ::sendfile(memory.get(), file.get(), nullptr, size - copied);
        if (moved < 0) return Error::from_errno(errno, "copy " + path);
        if (moved == 0) return Error(Errc::Unavailable, "copy " + path + ": it shrank meanwhile");
        copied += static_cast<std::size_t>(moved);
    }
    // For all: it is the init of other users and of user namespaces, too.
    if (::fchmod(memory.get(), 0555) < 0) return Error::from_errno(errno, "mode of memfd");
    // Busy while the kernel itself holds one of its pages (a migration): each attempt waits for that, but not for long.
    constexpr int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int sealed = -1;
    for (int attempt = 0; attempt < 20 && sealed < 0 && (attempt == 0 || errno == EBUSY); ++attempt)
        sealed = ::fcntl(memory.get(), F_ADD_SEALS, seals);
    if (sealed < 0) return Error::from_errno(errno, "seal the copy of " + path);
    // Opened again for reading only: a file that is open for writing cannot be executed.
    return os::open(fmt::format("/proc/self/fd/{}", memory.get()), O_RDONLY);
}

// Becomes readable when the caller of an operation asks it to stop.
class StopSignal {
public:
    explicit StopSignal(const std::stop_token& token)
        : event_(token.stop_possible() ? ::eventfd(0, EFD_CLOEXEC) : -1), callback_(token, Raise{event_.get()}) {}
    int fd() const { return event_.get(); }

private:
    struct Raise {
        int event;
        void operator()() const {
            std::uint64_t one = 1;
            if (event >= 0 && ::write(event, &one, sizeof one) < 0) return;  // cannot fail on an eventfd at 0
        }
    };
    Fd event_;
    std::stop_callback<Raise> callback_;
};

Result<Report> first_report(const Context& context, FdView socket) {
    StopSignal stop(context.stop);
    for (;;) {
        TRY(context.check());
        pollfd waiting[2] = {{socket.get(), POLLIN, 0}, {stop.fd(), POLLIN, 0}};
        if (::poll(waiting, 2, context.poll_timeout()) < 0 && errno != EINTR)
            return Error::from_errno(errno, "wait for the shim");
        if (waiting[0].revents == 0) continue;
        auto parcel = TRY(receive_parcel(socket, 0));
        return decode_report(parcel.bytes);
    }
}

// v2: out of our own group, or a restart of the daemon's service would end the shims.
Fd group_of_shims() {
    auto layout = os::probe_cgroup_layout();
    if (!layout || layout->mode != os::CgroupMode::V2) return {};
    auto top = os::open(layout->hierarchies.front().mount_point, O_RDONLY | O_DIRECTORY);
    return top ? top.take() : Fd();
}

}  // namespace

Result<std::unique_ptr<ShimSupervisor>> ShimSupervisor::create(const std::string& runtime_exe, ShimEvents& events) {
    auto copy = TRY(sealed_copy(runtime_exe).in("prepare pila-runtime"));
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC)), stop(::eventfd(0, EFD_CLOEXEC));
    if (!epoll || !stop) return Error::from_errno(errno, "create epoll");
    auto supervisor =
        std::make_unique<Supervisor>(std::move(copy), group_of_shims(), std::move(epoll), std::move(stop), events);
    return std::unique_ptr<ShimSupervisor>(std::move(supervisor));
}

Supervisor::Supervisor(Fd exe, Fd group, Fd epoll, Fd stop, ShimEvents& events)
    : epoll_(std::move(epoll)), stop_(std::move(stop)), spawner_(std::move(exe), std::move(group)), events_(events) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = 0;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event);
    watcher_ = std::thread([this] { watch(); });
    spawner_.refill();
}

Supervisor::~Supervisor() {
    std::uint64_t one = 1;
    if (::write(stop_.get(), &one, sizeof one) > 0) watcher_.join();
}

Prepared::~Prepared() {
    if (shim_.process) supervisor_.abandon(std::move(shim_));
}

void Supervisor::abandon(FreshShim shim) {
    shim.connection.reset();
    auto client = std::make_shared<Client>(*this, "", "");
    client->child_ = std::move(shim.process);
    client->failed_ = true;
    add(client);
}

Result<std::unique_ptr<PreparedShim>> Supervisor::prepare(const std::string& cgroup_path) {
    auto prepared = std::make_unique<Prepared>(*this, TRY(spawner_.take()));
    Request request;
    request.verb = Verb::Prepare;
    request.plan = cgroup_path;
    TRY(prepared->say(encode(request)));
    return std::unique_ptr<PreparedShim>(std::move(prepared));
}

Result<std::shared_ptr<ShimClient>> Supervisor::start(const Context& context, const Plan& plan, std::vector<Fd> fds,
                                                      std::vector<Attachment> attachments,
                                                      std::unique_ptr<PreparedShim> prepared) {
    auto shim = prepared ? static_cast<Prepared&>(*prepared).take() : TRY(spawner_.take());
    Request request;
    request.verb = Verb::Start;
    request.plan = serialize(plan);
    std::vector<int> passed;
    for (const auto& fd : fds) passed.push_back(fd.get());
    for (const auto& attachment : attachments) {
        request.attachments.push_back(options_of(attachment));
        passed.push_back(attachment.stream.get());
    }
    auto begin = [&]() -> Result<Report> {
        PILA_FAILPOINT("engine.start.shim-spawned");
        TRY(send_parcel(shim.connection, encode(request), passed));
        PILA_FAILPOINT("engine.start.shim-asked");
        fds.clear();
        attachments.clear();
        return first_report(context, shim.connection);
    };
    auto report = begin();
    spawner_.refill();  // now that this one is on its way
    if (!report || !report->ok) {
        // The connection's end tells a shim to kill what it has begun and to end.
        abandon(std::move(shim));
        if (!report) {
            kill_leftover(plan.state_directory);  // had the shim been killed
            return std::move(report).take_error().in("start container " + plan.id);
        }
        return error_of(*report);
    }
    auto client = std::make_shared<Client>(*this, plan.id, plan.state_directory);
    client->child_ = std::move(shim.process);
    client->started_ = {report->pid, report->shim_pid};
    client->socket_ = std::move(shim.connection);
    add(client);
    return std::shared_ptr<ShimClient>(client);
}

Result<std::shared_ptr<ShimClient>> Supervisor::adopt(const std::string& container_id,
                                                      const std::string& state_directory) {
    auto connected = os::connect_unix(shim_socket_path(state_directory), SOCK_SEQPACKET);
    auto adopt = [&](Fd socket) -> Result<std::shared_ptr<ShimClient>> {
        Request request;
        request.verb = Verb::Adopt;
        TRY(send_parcel(socket, encode(request), {}));
        auto report = TRY(first_report(Context{}.with_timeout(std::chrono::milliseconds(adopt_timeout_ms)), socket));
        if (!report.ok) return error_of(report);
        auto client = std::make_shared<Client>(*this, container_id, state_directory);
        client->started_ = {report.pid, report.shim_pid};
        client->socket_ = std::move(socket);
        add(client);
        return std::shared_ptr<ShimClient>(client);
    };
    if (connected) {
        auto adopted = adopt(connected.take());
        if (adopted || adopted.error().code() == Errc::Timeout) return adopted;
    }
    // Nobody there. A container whose shim was killed while we were away must not run on unwatched.
    kill_leftover(state_directory);
    return Error(Errc::NotFound, "the shim of container " + container_id + " has ended");
}

void Supervisor::kill_leftover(const std::string& state_directory) {
    auto record = read_pid_record(state_directory);
    if (record && still_runs(record->container)) ::kill(record->container.pid, SIGKILL);
}

void Supervisor::add(const std::shared_ptr<Client>& client) {
    std::uint64_t number;
    {
        Lock lock(mutex_);
        number = ++last_number_;
        clients_[number] = client;
    }
    client->number_ = number;
    // Even numbers: the connection; odd ones: the process.
    auto watch_fd = [&](const Fd& fd, std::uint64_t name) {
        if (!fd) return;
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = name;
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event);
    };
    watch_fd(client->child_, number * 2 + 1);
    watch_fd(client->socket_, number * 2);
}

void Supervisor::watch() {
    ::prctl(PR_SET_NAME, "shim-watcher");
    for (;;) {
        epoll_event events[64];
        int ready = ::epoll_wait(epoll_.get(), events, 64, -1);
        for (int i = 0; i < ready; ++i) {
            auto name = events[i].data.u64;
            if (name == 0) return;
            std::shared_ptr<Client> client;
            {
                Lock lock(mutex_);
                auto found = clients_.find(name / 2);
                if (found != clients_.end()) client = found->second;
            }
            if (!client) continue;
            if (name % 2 == 1)
                process_ended(client);
            else
                report_came(client);
        }
    }
}

void Supervisor::report_came(const std::shared_ptr<Client>& client) {
    auto parcel = receive_parcel(client->socket_, 0);
    if (!parcel && parcel.error().code() == Errc::Timeout) return;
    auto report = parcel ? decode_report(parcel->bytes) : Result<Report>(parcel.take_error());
    if (!report) return connection_ended(client);
    ExitRecord record{report->exit_code, report->oom_killed, WallTime{report->finished_at}};
    switch (report->kind) {
        case Report::Kind::Reply: client->replied(report.take()); break;
        case Report::Kind::Exited:
            if (std::exchange(client->exit_told_, true)) break;
            events_.container_exited(client->id_, record, parcel->fds.empty() ? Fd() : std::move(parcel->fds[0]));
            break;
        case Report::Kind::ExecExited: events_.exec_exited(client->id_, report->exec_id, record); break;
        case Report::Kind::OutOfMemory: events_.out_of_memory(client->id_); break;
        case Report::Kind::Detached: events_.detached(client->id_, report->exec_id); break;
        case Report::Kind::LogRotated: events_.log_rotated(client->id_); break;
    }
}

void Supervisor::connection_ended(const std::shared_ptr<Client>& client) {
    client->disconnected();
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, client->socket_.get(), nullptr);
    if (!client->child_) remove(client);
    if (std::exchange(client->exit_told_, true)) return;
    // It may have written the record and died before it could tell us.
    if (auto record = read_exit_record(client->state_directory_); record && still_absent(*client)) {
        events_.container_exited(client->id_, *record, {});
        return;
    }
    kill_leftover(client->state_directory_);
    events_.shim_lost(client->id_);
}

void Supervisor::process_ended(const std::shared_ptr<Client>& client) {
    if (client->failed_ || client->connection_over()) {
        ignore(os::wait_child(client->child_), "only reaps");
        remove(client);
        return;
    }
    // Its last words are still to be read; the connection's end comes next. Reaped here: no second notice.
    ignore(os::wait_child(client->child_), "only reaps");
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, client->child_.get(), nullptr);
    client->child_.reset();
}

bool Supervisor::still_absent(const Client& client) const {
    auto record = read_pid_record(client.state_directory_);
    return !record || !still_runs(record->container);
}

void Supervisor::remove(const std::shared_ptr<Client>& client) {
    Lock lock(mutex_);
    clients_.erase(client->number_);
}

}  // namespace pila::runtime

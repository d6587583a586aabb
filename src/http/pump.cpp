// SPDX-License-Identifier: Apache-2.0
#include "http/pump.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

#include "base/log.h"
#include "http/parked_stream.h"

namespace pila::http {

static constexpr ConnectionId wakeup_id = 0;
static constexpr std::size_t scratch_size = 32U << 10;
static constexpr std::size_t max_drained = 1U << 20;
static constexpr std::chrono::milliseconds drain_time{1000};

Result<std::shared_ptr<Pump>> Pump::create(const ServerLimits& limits, Ready ready) {
    std::shared_ptr<Pump> pump(new Pump(limits, std::move(ready)));
    pump->epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!pump->epoll_) return Error::from_errno(errno, "create epoll");
    pump->wakeup_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!pump->wakeup_) return Error::from_errno(errno, "create eventfd");
    epoll_event event{EPOLLIN, {.u64 = wakeup_id}};
    if (::epoll_ctl(pump->epoll_.get(), EPOLL_CTL_ADD, pump->wakeup_.get(), &event) < 0)
        return Error::from_errno(errno, "watch eventfd");
    pump->scratch_ = std::make_unique<char[]>(scratch_size);
    return pump;
}

Result<void> Pump::start() {
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "http-pump");
        run();
    });
    return {};
}

Pump::~Pump() { shut(); }

void Pump::quiesce() {
    {
        Lock lock(mutex_);
        if (stopping_) return;
        stopping_ = true;
    }
    post([this] { close_owned(); });
}

void Pump::shut() {
    quiesce();
    {
        Lock lock(mutex_);
        ended_ = true;
    }
    wake();
    if (thread_.joinable()) thread_.join();
    // What the last tasks have posted, too; only then may others run theirs themselves.
    for (bool over = false; !over;) {
        run_tasks();
        Lock lock(mutex_);
        over = over_ = tasks_.empty();
    }
}

void Pump::wake() const {
    std::uint64_t one = 1;
    // The only possible failure is a full counter, and then a wakeup is pending.
    [[maybe_unused]] auto written = ::write(wakeup_.get(), &one, sizeof one);
}

void Pump::post(std::function<void()> task) {
    {
        Lock lock(mutex_);
        if (!over_) {
            tasks_.push_back(std::move(task));
            wake();
            return;
        }
    }
    task();
}

void Pump::run_tasks() {
    std::vector<std::function<void()>> tasks;
    {
        Lock lock(mutex_);
        tasks.swap(tasks_);
    }
    for (auto& task : tasks) task();
}

void Pump::run() {
    epoll_event events[64];
    for (;;) {
        int count = ::epoll_wait(epoll_.get(), events, 64, timeout());
        if (count < 0 && errno != EINTR) {
            log::error("http: wait for events: {}", errno);
            return;
        }
        for (int i = 0; i < count; ++i) {
            if (events[i].data.u64 != wakeup_id) {
                handle(events[i].data.u64, events[i].events);
                continue;
            }
            std::uint64_t counter;
            [[maybe_unused]] auto got = ::read(wakeup_.get(), &counter, sizeof counter);
            run_tasks();
            Lock lock(mutex_);
            if (ended_) return;
        }
        expire();
    }
}

int Pump::timeout() {
    Lock lock(mutex_);
    if (deadlines_.empty()) return -1;
    return Context{.deadline = deadlines_.begin()->first}.poll_timeout();
}

ConnectionPointer Pump::find(ConnectionId id) {
    Lock lock(mutex_);
    auto found = connections_.find(id);
    return found == connections_.end() ? nullptr : found->second;
}

void Pump::handle(ConnectionId id, std::uint32_t events) {
    ConnectionPointer connection;
    Listener* listener = nullptr;
    Owner owner = Owner::Pump;
    std::shared_ptr<ParkedStream> stream;
    {
        Lock lock(mutex_);
        if (auto found = connections_.find(id); found != connections_.end()) {
            connection = found->second;
            owner = connection->owner;
            stream = connection->stream.lock();
        } else if (auto listening = listeners_.find(id); listening != listeners_.end() && listening_) {
            listener = listening->second.get();  // erased on this thread only
        }
    }
    if (listener) return accept_from(*listener);
    if (!connection) return;
    switch (owner) {
        case Owner::Pump: return read_head(connection);
        case Owner::Worker: return peer_left(connection, events);
        case Owner::Drain: return read_drain(connection);
        case Owner::Stream:
            if (!stream) return close(connection);
            if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) return stream->lost();
            return stream->writable();
    }
}

void Pump::peer_left(const ConnectionPointer& connection, std::uint32_t events) {
    connection->peer_gone = true;
    if (!connection->body_pending || (events & (EPOLLHUP | EPOLLERR))) connection->stop.request_stop();
}

void Pump::read_head(const ConnectionPointer& connection) {
    do {
        auto step = connection->channel.try_read(scratch_.get(), scratch_size);
        if (!step || step->end) return close(connection);
        if (step->bytes > 0) connection->input.append({scratch_.get(), step->bytes});
        connection->wants_write = (step->wait & POLLOUT) != 0;
    } while (connection->channel.has_buffered());  // the rest of one TLS record
    examine(connection);
}

void Pump::examine(const ConnectionPointer& connection) {
    if (head_is_decided(*connection, limits_.max_header_bytes)) return hand_over(connection);
    rest(connection);
}

void Pump::rest(const ConnectionPointer& connection) {
    connection->input.release_if_empty();
    bool stays;
    {
        Lock lock(mutex_);
        stays = change_owner(*connection, Owner::Pump);
        // Too many, and none was idle when the last one came: the first to become idle again makes room.
        if (connection->served && connection->input.empty() && connections_.size() > limits_.max_connections)
            stays = false;
        bool begun = !connection->input.empty() || !connection->channel.is_established();
        if (stays && begun) {
            if (!connection->deadline)
                set_deadline(*connection, std::chrono::steady_clock::now() + limits_.header_timeout);
        } else if (stays && !connection->in_idle_list) {
            set_deadline(*connection, std::nullopt);
            connection->idle_place = idle_.insert(idle_.end(), connection->id);
            connection->in_idle_list = true;
        }
        // Armed with the lock held: afterwards the connection may be gone at any time.
        if (stays) watch(*connection, (connection->wants_write ? EPOLLOUT : EPOLLIN) | EPOLLRDHUP);
    }
    if (!stays) close(connection);
}

void Pump::hand_over(const ConnectionPointer& connection) {
    connection->searched = 0;
    connection->served = true;
    if (!connection->stop.stop_possible()) connection->stop = std::stop_source();
    bool stays;
    {
        Lock lock(mutex_);
        stays = change_owner(*connection, Owner::Worker);
        if (stays) watch(*connection, hangup_events(*connection));
    }
    if (!stays) return close(connection);
    ready_(connection);
}

void Pump::read_drain(const ConnectionPointer& connection) {
    for (;;) {
        auto step = connection->channel.try_read(scratch_.get(), scratch_size);
        if (!step || step->end || connection->drained > max_drained) return close(connection);
        connection->drained += step->bytes;
        if (!step->wait) continue;
        Lock lock(mutex_);
        return watch(*connection, EPOLLIN | EPOLLRDHUP);
    }
}

void Pump::expire() {
    std::vector<ConnectionPointer> late;
    {
        Lock lock(mutex_);
        if (deadlines_.empty()) return;
        auto now = std::chrono::steady_clock::now();
        while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
            auto connection = connections_[deadlines_.begin()->second];
            set_deadline(*connection, std::nullopt);
            late.push_back(std::move(connection));
        }
    }
    for (auto& connection : late) {
        Owner owner;
        std::shared_ptr<ParkedStream> stream;
        {
            Lock lock(mutex_);
            owner = connection->owner;
            stream = connection->stream.lock();
        }
        if (owner == Owner::Stream && stream) {
            stream->lost();
        } else if (owner == Owner::Pump && !connection->channel.is_established()) {
            close(connection);
        } else if (owner == Owner::Pump) {
            connection->refusal = 408;
            hand_over(connection);
        } else if (owner == Owner::Drain) {
            close(connection);
        }
    }
}

void Pump::give_back(const ConnectionPointer& connection) {
    if (connection->input.empty() && !connection->channel.has_buffered()) return rest(connection);
    post([this, connection] { connection->channel.has_buffered() ? read_head(connection) : examine(connection); });
}

void Pump::drain(const ConnectionPointer& connection) {
    connection->channel.shutdown_write();
    bool stays;
    {
        Lock lock(mutex_);
        stays = change_owner(*connection, Owner::Drain);
        if (stays) {
            set_deadline(*connection, std::chrono::steady_clock::now() + drain_time);
            watch(*connection, EPOLLIN | EPOLLRDHUP);
        }
    }
    if (!stays) return close(connection);
    wake();
}

void Pump::park(const ConnectionPointer& connection, const std::shared_ptr<ParkedStream>& stream) {
    bool stays;
    {
        Lock lock(mutex_);
        stays = change_owner(*connection, Owner::Stream);
        if (stays) {
            connection->stream = stream;
            watch(*connection, hangup_events(*connection));
        }
    }
    if (!stays) stream->lost();
}

void Pump::want_write(Connection& connection, bool wanted, std::chrono::milliseconds stall) {
    Lock lock(mutex_);
    if (connection.owner != Owner::Stream) return;
    bool first = !connection.deadline;
    set_deadline(connection, wanted ? std::optional(std::chrono::steady_clock::now() + stall) : std::nullopt);
    watch(connection, hangup_events(connection) | (wanted ? EPOLLOUT : 0U));
    if (wanted && first) wake();
}

void Pump::keep_until_flushed(Connection& connection, std::shared_ptr<ParkedStream> stream) {
    Lock lock(mutex_);
    connection.finishing = std::move(stream);
}

void Pump::close(const ConnectionPointer& connection) {
    std::shared_ptr<ParkedStream> finishing;
    {
        Lock lock(mutex_);
        if (connections_.erase(connection->id) == 0) return;
        set_deadline(*connection, std::nullopt);
        if (connection->in_idle_list) idle_.erase(connection->idle_place);
        connection->in_idle_list = false;
        finishing = std::move(connection->finishing);
        set_listening(true);
    }
    connection->channel.close();
}

Channel Pump::take_channel(const ConnectionPointer& connection) {
    {
        Lock lock(mutex_);
        connections_.erase(connection->id);
        set_deadline(*connection, std::nullopt);
        set_listening(true);
    }
    auto channel = std::move(connection->channel);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, channel.socket(), nullptr);
    return channel;
}

void Pump::close_owned() {
    std::vector<ConnectionPointer> ours;
    std::unordered_map<ConnectionId, std::unique_ptr<Listener>> listeners;
    {
        Lock lock(mutex_);
        listeners.swap(listeners_);
        for (auto& [id, connection] : connections_) ours.push_back(connection);
    }
    for (auto& connection : ours) {
        Owner owner;
        std::shared_ptr<ParkedStream> stream;
        {
            Lock lock(mutex_);
            owner = connection->owner;
            stream = connection->stream.lock();
        }
        if (owner == Owner::Worker)
            connection->stop.request_stop();
        else if (owner == Owner::Stream && stream)
            stream->lost();
        else
            close(connection);
    }
}

void Pump::cut_workers() {
    Lock lock(mutex_);
    for (auto& [id, connection] : connections_)
        if (connection->owner == Owner::Worker) ::shutdown(connection->channel.socket(), SHUT_RDWR);
}

bool Pump::change_owner(Connection& connection, Owner owner) {
    connection.owner = owner;
    if (connection.in_idle_list && owner != Owner::Pump) {
        idle_.erase(connection.idle_place);
        connection.in_idle_list = false;
    }
    if (owner != Owner::Pump) set_deadline(connection, std::nullopt);
    if (owner != Owner::Stream) connection.stream.reset();
    return !stopping_;
}

void Pump::set_deadline(Connection& connection, std::optional<MonotonicTime> deadline) {
    if (connection.deadline) deadlines_.erase({*connection.deadline, connection.id});
    connection.deadline = deadline;
    if (deadline) deadlines_.emplace(*deadline, connection.id);
}

void Pump::watch(Connection& connection, std::uint32_t events) const {
    epoll_event event{events | EPOLLONESHOT, {.u64 = connection.id}};
    int socket = connection.channel.socket();
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, socket, &event) < 0 && errno == ENOENT)
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &event);
}

// A unix socket tells a closed peer (EPOLLHUP, always reported) from one that only finished sending; TCP cannot.
std::uint32_t Pump::hangup_events(const Connection& connection) const { return connection.is_unix ? 0U : EPOLLRDHUP; }

}  // namespace pila::http

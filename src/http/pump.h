// SPDX-License-Identifier: Apache-2.0
#pragma once
// One epoll thread that owns everything of the server that waits without a handler: listening sockets, idle keep-alive
// connections, half-read heads, parked streams, connections draining before close. Sleeps until an event or deadline.

#include <thread>
#include <unordered_map>

#include "base/mutex.h"
#include "http/connection.h"
#include "http/server.h"

namespace pila::http {

class Pump : public std::enable_shared_from_this<Pump> {
public:
    // Called on the pump's thread with a connection that has a whole head (or a refusal); the callee owns it then.
    using Ready = std::function<void(ConnectionPointer)>;

    static Result<std::shared_ptr<Pump>> create(const ServerLimits& limits, Ready ready);
    ~Pump();
    Result<void> start();
    void quiesce();  // no new requests: closes what it owns now and whatever is given back later
    void shut();     // after quiesce(): ends and joins the thread

    // Threads: any.
    Result<void> listen(Fd socket, std::shared_ptr<TlsAcceptor> tls);
    void give_back(const ConnectionPointer& connection);  // from Worker or Stream, after a complete exchange
    void drain(
        const ConnectionPointer& connection);  // answered, then closed without destroying the answer (RFC 9112 9.6)
    void close(const ConnectionPointer& connection);
    Channel take_channel(const ConnectionPointer& connection);  // for hijacking: no longer watched
    void park(const ConnectionPointer& connection, const std::shared_ptr<ParkedStream>& stream);
    // A parked stream has bytes queued (or none any more); a stall of the client counts from here.
    void want_write(Connection& connection, bool wanted, std::chrono::milliseconds stall);
    void keep_until_flushed(Connection& connection, std::shared_ptr<ParkedStream> stream);
    void post(std::function<void()> task);  // runs on the pump's thread; after shut() on the caller's
    void cut_workers();                     // shuts the sockets of busy connections down

private:
    Pump(const ServerLimits& limits, Ready ready) : limits_(limits), ready_(std::move(ready)) {}
    struct Listener {
        Fd socket;
        bool is_unix;
        std::shared_ptr<TlsAcceptor> tls;  // null: none
    };

    void run();
    void handle(ConnectionId id, std::uint32_t events);
    void run_tasks();
    void accept_from(Listener& listener);
    void admit(Fd socket, Listener& listener, std::string peer);
    void read_head(const ConnectionPointer& connection);
    void examine(const ConnectionPointer& connection);
    void read_drain(const ConnectionPointer& connection);
    void hand_over(const ConnectionPointer& connection);
    void rest(const ConnectionPointer& connection);  // waits for (more of) a head
    void close_owned();
    void peer_left(const ConnectionPointer& connection, std::uint32_t events);
    void expire();
    int timeout();
    bool evict_idle();
    void set_listening(bool listening) REQUIRES(mutex_);
    void wake() const;
    void watch(Connection& connection, std::uint32_t events) const;
    std::uint32_t hangup_events(const Connection& connection) const;
    ConnectionPointer find(ConnectionId id);
    // False when the server is stopping: the connection is to be closed instead.
    bool change_owner(Connection& connection, Owner owner) REQUIRES(mutex_);
    void set_deadline(Connection& connection, std::optional<MonotonicTime> deadline) REQUIRES(mutex_);

    const ServerLimits limits_;
    const Ready ready_;
    Fd epoll_, wakeup_;
    std::thread thread_;
    std::unique_ptr<char[]> scratch_;  // pump's thread only

    mutable Mutex mutex_;
    bool stopping_ GUARDED_BY(mutex_) = false, ended_ GUARDED_BY(mutex_) = false;
    bool over_ GUARDED_BY(mutex_) = false;  // shut() is through: nobody runs tasks any more
    ConnectionId next_id_ GUARDED_BY(mutex_) = 1;
    std::unordered_map<ConnectionId, std::unique_ptr<Listener>> listeners_ GUARDED_BY(mutex_);
    std::unordered_map<ConnectionId, ConnectionPointer> connections_ GUARDED_BY(mutex_);
    std::list<ConnectionId> idle_ GUARDED_BY(mutex_);  // longest idle first
    std::set<std::pair<MonotonicTime, ConnectionId>> deadlines_ GUARDED_BY(mutex_);
    std::vector<std::function<void()>> tasks_ GUARDED_BY(mutex_);
    bool listening_ GUARDED_BY(mutex_) = true;
};

}  // namespace pila::http

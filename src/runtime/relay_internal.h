// SPDX-License-Identifier: Apache-2.0
#pragma once
// Published ports that the kernel cannot rewrite: accepts TCP connections and passes bytes on to the container, both
// ways, half-closes included. Bounded: a direction holds at most one buffer.

#include <sys/socket.h>
#include <list>
#include <memory>
#include <string>

#include "base/fd.h"
#include "runtime/loop_internal.h"
#include "runtime/plan.h"

namespace pila::runtime {

class Relay {
public:
    static Result<std::unique_ptr<Relay>> create(Loop& loop, const RelayPlan& plan, Fd listener);
    ~Relay();

    FdView listener() const { return listener_; }
    void stop_listening();  // connections that there are go on
    bool idle() const { return !listener_ && connections_.empty(); }

private:
    struct Direction {
        std::string buffer;  // read, not yet written
        bool ended = false;  // nothing more will be read, and the other side has been told
    };
    struct Connection {
        Fd outside, inside;
        bool connected = false;
        Direction inward, outward;
    };

    Relay(Loop& loop, Fd listener) : loop_(loop), listener_(std::move(listener)) {}
    void accept_one();
    void advance(const std::shared_ptr<Connection>& connection, std::uint32_t inside_events);
    bool move(FdView from, FdView to, Direction& direction);  // false: broken
    void watch(const std::shared_ptr<Connection>& connection);
    void drop(const std::shared_ptr<Connection>& connection);

    Loop& loop_;
    Fd listener_;
    sockaddr_storage target_{};
    socklen_t target_size_ = 0;
    std::list<std::shared_ptr<Connection>> connections_;
};

}  // namespace pila::runtime

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
    struct Target {
        sockaddr_storage address{};
        socklen_t size = 0;
    };
    static Result<Target> parse_target(const RelayPlan& plan);
    static Result<std::unique_ptr<Relay>> create(Loop& loop, const RelayPlan& plan, Fd listener);
    ~Relay();

    FdView listener() const { return listener_; }
    void stop_listening();  // connections that there are go on
    void lead_to(const Target& target) { target_ = target; }
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

    Relay(Loop& loop, Fd listener, const Target& target)
        : loop_(loop), listener_(std::move(listener)), target_(target) {}
    void accept_one();
    void advance(const std::shared_ptr<Connection>& connection, std::uint32_t inside_events);
    bool move(FdView from, FdView to, Direction& direction);  // false: broken
    void watch(const std::shared_ptr<Connection>& connection);
    void drop(const std::shared_ptr<Connection>& connection);

    Loop& loop_;
    Fd listener_;
    Target target_;
    std::list<std::shared_ptr<Connection>> connections_;
};

}  // namespace pila::runtime

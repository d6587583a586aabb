// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one thread of a shim: epoll with a function for each descriptor, and deadlines.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/fd.h"

namespace pila::runtime {

class Loop {
public:
    using Handler = std::function<void(std::uint32_t events)>;

    static Result<Loop> create();

    // `events` of epoll(7), level-triggered. The descriptor stays the caller's and must be removed before it is closed.
    void watch(FdView fd, std::uint32_t events, Handler handler);
    // 0: not watched for now, hang-ups included.
    void change(FdView fd, std::uint32_t events);
    void remove(FdView fd);
    // Once, unless set again under the same name before.
    void after(std::chrono::milliseconds delay, int name, std::function<void()> action);
    void cancel(int name) { timers_.erase(name); }
    // Waits for something to happen and handles it.
    void turn();

private:
    struct Watch {
        Handler handler;
        std::uint32_t events = 0;
        bool registered = false;
    };
    struct Timer {
        std::chrono::steady_clock::time_point due;
        std::function<void()> action;
    };
    void set(int fd, Watch& watch, std::uint32_t events);
    int timeout() const;

    Fd epoll_;
    std::unordered_map<int, std::shared_ptr<Watch>> watches_;
    std::unordered_map<int, Timer> timers_;
};

}  // namespace pila::runtime

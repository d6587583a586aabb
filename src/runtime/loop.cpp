// SPDX-License-Identifier: Apache-2.0
#include "runtime/loop_internal.h"

#include <sys/epoll.h>
#include <algorithm>
#include <cerrno>

namespace pila::runtime {

Result<Loop> Loop::create() {
    Loop loop;
    loop.epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!loop.epoll_) return Error::from_errno(errno, "create epoll");
    return loop;
}

// Without registration when there is nothing to wait for: epoll always reports hang-ups, and a level-triggered one of a
// stream that is being held back would keep us spinning.
void Loop::set(int fd, Watch& watch, std::uint32_t events) {
    if (watch.registered && watch.events == events) return;
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    int operation = !watch.registered ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (!(operation == EPOLL_CTL_ADD && events == 0)) ::epoll_ctl(epoll_.get(), operation, fd, &event);
    watch.events = events;
    watch.registered = events != 0;
}

void Loop::watch(FdView fd, std::uint32_t events, Handler handler) {
    auto& watch = watches_[fd.get()];
    watch = std::make_shared<Watch>();
    watch->handler = std::move(handler);
    set(fd.get(), *watch, events);
}

void Loop::change(FdView fd, std::uint32_t events) {
    if (auto found = watches_.find(fd.get()); found != watches_.end()) set(fd.get(), *found->second, events);
}

void Loop::remove(FdView fd) {
    auto found = watches_.find(fd.get());
    if (found == watches_.end()) return;
    set(fd.get(), *found->second, 0);
    watches_.erase(found);
}

void Loop::after(std::chrono::milliseconds delay, int name, std::function<void()> action) {
    timers_[name] = {std::chrono::steady_clock::now() + delay, std::move(action)};
}

int Loop::timeout() const {
    if (timers_.empty()) return -1;
    auto first =
        std::min_element(timers_.begin(), timers_.end(), [](auto& a, auto& b) { return a.second.due < b.second.due; });
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(first->second.due - std::chrono::steady_clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 1'000'000'000));
}

void Loop::turn() {
    epoll_event events[32];
    int ready = ::epoll_wait(epoll_.get(), events, 32, timeout());
    for (int i = 0; i < ready; ++i) {
        // A handler before this one may have removed or replaced the watch; shared so that it may remove itself.
        auto found = watches_.find(events[i].data.fd);
        if (found == watches_.end() || !found->second->registered) continue;
        auto watch = found->second;
        watch->handler(events[i].events);
    }
    auto now = std::chrono::steady_clock::now();
    for (auto timer = timers_.begin(); timer != timers_.end();) {
        if (timer->second.due > now) {
            ++timer;
            continue;
        }
        auto action = std::move(timer->second.action);
        timers_.erase(timer);
        action();
        timer = timers_.begin();
    }
}

}  // namespace pila::runtime

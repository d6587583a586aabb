// SPDX-License-Identifier: Apache-2.0
#include "engine/output_drain.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

namespace pila::engine {

static constexpr std::uint64_t stop_key = 0;

Result<std::unique_ptr<OutputDrain>> OutputDrain::create() {
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC)), stop(::eventfd(0, EFD_CLOEXEC));
    if (!epoll || !stop) return Error::from_errno(errno, "make descriptors to read health probes");
    epoll_event event{.events = EPOLLIN, .data = {.u64 = stop_key}};
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, stop.get(), &event) < 0)
        return Error::from_errno(errno, "watch for the end of health probes");
    return std::unique_ptr<OutputDrain>(new OutputDrain(std::move(epoll), std::move(stop)));
}

OutputDrain::OutputDrain(Fd epoll, Fd stop) : epoll_(std::move(epoll)), stop_(std::move(stop)) {
    thread_ = std::thread([this] { run(); });
}

OutputDrain::~OutputDrain() {
    const std::uint64_t one = 1;
    while (::write(stop_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
}

Result<void> OutputDrain::add(std::uint64_t key, Fd socket) {
    Lock lock(mutex_);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = key}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event) < 0)
        return Error::from_errno(errno, "watch a health probe's output");
    sources_[key].socket = std::move(socket);
    return {};
}

bool OutputDrain::read_available(Source& source) {
    char buffer[16384];
    for (;;) {
        auto size = ::recv(source.socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN) return true;
        if (size <= 0) return false;
        auto room = std::min<std::size_t>(kept_bytes - source.text.size(), static_cast<std::size_t>(size));
        source.text.append(buffer, room);
        source.more |= room < static_cast<std::size_t>(size);
    }
}

std::string OutputDrain::take(std::uint64_t key) {
    Lock lock(mutex_);
    auto found = sources_.find(key);
    if (found == sources_.end()) return {};
    if (found->second.socket) read_available(found->second);
    auto text = std::move(found->second.text);
    if (found->second.more) text += "...";
    sources_.erase(found);
    return text;
}

void OutputDrain::run() {
    for (;;) {
        epoll_event events[16];
        int count = ::epoll_wait(epoll_.get(), events, 16, -1);
        if (count < 0 && errno != EINTR) return;
        Lock lock(mutex_);
        for (int i = 0; i < count; ++i) {
            if (events[i].data.u64 == stop_key) return;
            auto found = sources_.find(events[i].data.u64);
            if (found != sources_.end() && found->second.socket && !read_available(found->second))
                found->second.socket.reset();
        }
    }
}

}  // namespace pila::engine

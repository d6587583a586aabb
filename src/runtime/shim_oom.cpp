// SPDX-License-Identifier: Apache-2.0
// Processes that the kernel killed because the container's memory was used up, told while the container goes on.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "os/file.h"
#include "runtime/shim_internal.h"

namespace pila::runtime {

// memory.rst, section 9: an eventfd and the control file, registered together.
static Result<Fd> watch_v1(const os::Cgroup& cgroup) {
    Fd events(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!events) return Error::from_errno(errno, "make an eventfd");
    auto directory = cgroup.directory("memory");
    if (directory.empty()) return Error(Errc::Unsupported, "watch memory: no cgroup controller memory");
    auto control = TRY(os::open(directory + "/memory.oom_control", O_RDONLY));
    TRY(os::write_file(directory + "/cgroup.event_control", fmt::format("{} {}", events.get(), control.get())));
    return events;
}

static Result<Fd> watch_v2(const os::Cgroup& cgroup) {
    Fd events(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!events) return Error::from_errno(errno, "make an inotify descriptor");
    auto file = cgroup.directory("memory") + "/memory.events";
    if (::inotify_add_watch(events.get(), file.c_str(), IN_MODIFY) < 0)
        return Error::from_errno(errno, "watch " + file);
    return events;
}

void Shim::watch_memory() {
    if (!cgroup_.valid() || exit_) return;
    auto events = cgroup_.mode() == os::CgroupMode::V1 ? watch_v1(cgroup_) : watch_v2(cgroup_);
    if (!events) return;  // told at the container's end only
    memory_events_ = events.take();
    loop_.watch(memory_events_, EPOLLIN, [this](std::uint32_t) { memory_event(); });
    // The container runs already: what happened before we listened is in the counter alone. (v1 signals at once if
    // memory is used up at this moment.)
    if (auto kills = cgroup_.oom_kills(); kills > 0) {
        drain_memory_events();
        oom_kills_ = kills;
        report_out_of_memory();
    }
}

void Shim::stop_watching_memory() {
    if (!memory_events_) return;
    loop_.remove(memory_events_);
    memory_events_.reset();
}

void Shim::drain_memory_events() {
    char unread[4096];
    while (::read(memory_events_.get(), unread, sizeof unread) > 0) {
    }
}

void Shim::memory_event() {
    drain_memory_events();
    // v1 tells that memory is used up, a moment before it counts the kill; v2 of other events in the same file, too.
    if (cgroup_.mode() == os::CgroupMode::V2) {
        auto kills = cgroup_.oom_kills();
        if (kills == oom_kills_) return;
        oom_kills_ = kills;
    }
    report_out_of_memory();
}

void Shim::report_out_of_memory() {
    Report report;
    report.kind = Report::Kind::OutOfMemory;
    // Once is enough for a daemon that comes back.
    bool noted = std::any_of(unheard_.begin(), unheard_.end(),
                             [](const auto& one) { return one.kind == Report::Kind::OutOfMemory; });
    if (controls_.empty() && !noted) unheard_.push_back(report);
    broadcast(report);
}

}  // namespace pila::runtime

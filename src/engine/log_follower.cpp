// SPDX-License-Identifier: Apache-2.0
#include "engine/log_follower.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <cerrno>

#include "os/file.h"

namespace pila::engine {

static constexpr int retry_slow_client_ms = 10;
static constexpr std::size_t enough_queued = http::Stream::max_queued / 4;

Result<std::unique_ptr<LogFollower>> LogFollower::create() {
    Fd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify) return Error::from_errno(errno, "create inotify instance for logs");
    Fd wakeup(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wakeup) return Error::from_errno(errno, "create eventfd for logs");
    std::unique_ptr<LogFollower> follower(new LogFollower(std::move(inotify), std::move(wakeup)));
    follower->thread_ = std::thread([raw = follower.get()] { raw->run(); });
    ::pthread_setname_np(follower->thread_.native_handle(), "log-follower");
    return follower;
}

LogFollower::~LogFollower() {
    {
        Lock lock(mutex_);
        stopping_ = true;
    }
    wake();
    if (thread_.joinable()) thread_.join();
}

void LogFollower::wake() {
    std::uint64_t one = 1;
    [[maybe_unused]] auto written = ::write(wakeup_.get(), &one, sizeof one);
}

Result<void> LogFollower::add(Start start) {
    auto follow = std::make_shared<Follow>(std::move(start));
    follow->watch = ::inotify_add_watch(inotify_.get(), follow->start.directory.c_str(),
                                        IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
    if (follow->watch < 0) return Error::from_errno(errno, "watch " + follow->start.directory);
    follow->start.stream->on_closed([this, weak = std::weak_ptr(follow)] {
        if (auto alive = weak.lock()) {
            alive->client_gone = true;
            wake();
        }
    });
    {
        Lock lock(mutex_);
        follows_.push_back(follow);
    }
    wake();
    return {};
}

void LogFollower::container_ended(const std::string& container_id) {
    bool any = false;
    {
        Lock lock(mutex_);
        for (auto& follow : follows_)
            if (follow->start.container_id == container_id) any = follow->ended = true;
    }
    if (any) wake();
}

// Which container it was does not matter: every follower looks at its own file, which costs one read each.
void LogFollower::drain_events() {
    char buffer[4096];
    while (::read(inotify_.get(), buffer, sizeof buffer) > 0) {
    }
    std::uint64_t count;
    [[maybe_unused]] auto got = ::read(wakeup_.get(), &count, sizeof count);
}

static bool is_current(const Fd& file, const std::string& path) {
    struct stat ours {
    }, theirs{};
    return ::fstat(file.get(), &ours) == 0 && ::stat(path.c_str(), &theirs) == 0 && ours.st_ino == theirs.st_ino &&
           ours.st_dev == theirs.st_dev;
}

LogFollower::Read LogFollower::read_part(Follow& follow, const LogPart& part) {
    auto& start = follow.start;
    char buffer[64 * 1024];
    for (;;) {
        if (start.stream->queued_bytes() > enough_queued) return Read::SlowClient;
        auto got = os::read_some(part.file, buffer, sizeof buffer);
        if (!got) return Read::Finished;
        if (*got == 0) return Read::All;
        std::string out;
        start.formatter.feed({buffer, *got}, out);
        if (!out.empty() && !start.stream->write(out)) return Read::Finished;
        if (start.formatter.past_until()) return Read::Finished;
    }
}

bool LogFollower::advance(Follow& follow, bool& behind) {
    auto& start = follow.start;
    if (follow.client_gone) return false;
    bool ended = follow.ended;  // read before the file: what was logged before the end is seen
    for (;;) {
        if (start.parts.empty()) {
            auto next = open_next_log(start.log_path, start.finished);
            if (!next || !next->file) return !ended;
            start.parts.push_back(next.take());
            start.formatter.next_file();
        }
        auto& part = start.parts.front();
        // Looked at before the reading: what is written between that and a rotation is still to come.
        bool current = start.parts.size() == 1 && is_current(part.file, start.log_path);
        auto read = read_part(follow, part);
        behind |= read == Read::SlowClient;
        if (read != Read::All) return read == Read::SlowClient;
        if (current && is_current(part.file, start.log_path)) return !ended;
        if (current) continue;
        start.finished = part.number;
        start.parts.pop_front();
        start.formatter.next_file();
    }
}

void LogFollower::run() {
    for (;;) {
        std::vector<std::shared_ptr<Follow>> follows;
        {
            Lock lock(mutex_);
            if (stopping_) {
                for (auto& follow : follows_) follow->start.stream->finish();
                follows_.clear();
                return;
            }
            follows = follows_;
        }
        bool behind = false;
        for (auto& follow : follows) {
            if (advance(*follow, behind)) continue;
            follow->start.stream->finish();
            Lock lock(mutex_);
            std::erase(follows_, follow);
            bool watched = false;
            for (auto& other : follows_) watched |= other->watch == follow->watch;
            if (!watched) ::inotify_rm_watch(inotify_.get(), follow->watch);
        }
        pollfd waiting[] = {{inotify_.get(), POLLIN, 0}, {wakeup_.get(), POLLIN, 0}};
        ::poll(waiting, 2, behind ? retry_slow_client_ms : -1);
        drain_events();
    }
}

}  // namespace pila::engine

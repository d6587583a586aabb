// SPDX-License-Identifier: Apache-2.0
#include "build/container_output.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include "base/mutex.h"
#include "os/file.h"

namespace pila::build {

static Error cancelled() { return Error(Errc::Unavailable, "Build cancelled"); }

namespace {

// Where the last character begins that is not whole.
std::size_t whole_characters(std::string_view text) {
    for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
        auto byte = static_cast<unsigned char>(text[text.size() - back]);
        if ((byte & 0xc0) == 0x80) continue;
        std::size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        return length > back ? text.size() - back : text.size();
    }
    return text.size();
}

class Frames {
public:
    explicit Frames(const std::function<void(std::string)>& say) : say_(say) {}

    void take(std::string_view bytes) {
        while (!bytes.empty()) {
            if (left_ == 0) {
                auto part = std::min(bytes.size(), sizeof header_ - filled_);
                std::copy_n(bytes.data(), part, header_ + filled_);
                filled_ += part;
                bytes.remove_prefix(part);
                if (filled_ < sizeof header_) return;
                filled_ = 0;
                for (int i = 4; i < 8; ++i) left_ = left_ << 8 | static_cast<unsigned char>(header_[i]);
                continue;
            }
            auto part = std::min<std::size_t>(bytes.size(), left_);
            text(header_[0] == 2 ? 1 : 0, bytes.substr(0, part), false);
            bytes.remove_prefix(part);
            left_ -= part;
        }
    }
    void finish() {
        text(0, "", true);
        text(1, "", true);
    }

private:
    void text(int which, std::string_view bytes, bool all) {
        auto& kept = kept_[which];
        kept += bytes;
        auto whole = all ? kept.size() : whole_characters(kept);
        if (whole == 0) return;
        auto part = kept.substr(0, whole);
        kept.erase(0, whole);
        say_(which == 1 ? "\x1b[91m" + part + "\x1b[0m" : std::move(part));
    }

    const std::function<void(std::string)>& say_;
    char header_[8];
    std::size_t filled_ = 0, left_ = 0;
    std::string kept_[2];
};

}  // namespace

Result<void> copy_output(const Context& context, FdView stream, const std::function<void(std::string)>& say) {
    Fd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop) return Error::from_errno(errno, "eventfd");
    std::stop_callback wake(context.stop, [&] { ::eventfd_write(stop.get(), 1); });
    Frames frames(say);
    std::string buffer(64U << 10, '\0');
    for (;;) {
        pollfd fds[2] = {{stream.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}};
        if (::poll(fds, 2, -1) < 0 && errno != EINTR) return Error::from_errno(errno, "poll");
        if (fds[1].revents != 0) return cancelled();
        if (fds[0].revents == 0) continue;
        auto got = TRY(os::read_some(stream, buffer.data(), buffer.size()).in("reading a container's output"));
        if (got == 0) break;
        frames.take(std::string_view(buffer).substr(0, got));
    }
    frames.finish();
    return {};
}

Result<int> wait_for_end(const Context& context, const engine::ContainerPointer& container) {
    struct Wait {
        Mutex mutex;
        Condition changed;
        bool ended GUARDED_BY(mutex) = false, stopped GUARDED_BY(mutex) = false;
        int code GUARDED_BY(mutex) = 0;
    };
    auto wait = std::make_shared<Wait>();
    auto key = container->wait_for(engine::WaitCondition::NotRunning, [wait](const engine::WaitResult& result) {
        Lock lock(wait->mutex);
        wait->ended = true;
        wait->code = result.status_code;
        wait->changed.notify_all();
    });
    std::stop_callback wake(context.stop, [wait] {
        Lock lock(wait->mutex);
        wait->stopped = true;
        wait->changed.notify_all();
    });
    bool ended = false;
    int code = 0;
    {
        Lock lock(wait->mutex);
        while (!wait->ended && !wait->stopped) wait->changed.wait(lock);
        ended = wait->ended;
        code = wait->code;
    }
    container->cancel_wait(key);
    if (!ended) return cancelled();
    return code;
}

}  // namespace pila::build

// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/log_follower.h"
#include "engine/log_reader.h"
#include "os/file.h"

namespace pila::engine {

static constexpr int max_rotated_files = 64;

// The container's log files, oldest first, each positioned where reading begins.
static Result<std::vector<Fd>> open_log_files(const std::string& path, std::int64_t tail) {
    std::vector<Fd> newest_first;
    for (int number = 0; number < max_rotated_files; ++number) {
        auto opened = os::open(number == 0 ? path : fmt::format("{}.{}", path, number), O_RDONLY);
        if (!opened) {
            if (opened.error().code() != Errc::NotFound) return opened.take_error();
            if (number == 0) continue;  // rotated a moment ago
            break;
        }
        auto file = opened.take();
        if (tail >= 0) {
            std::int64_t missing = 0;
            auto offset = TRY(tail_offset(file, tail, missing));
            if (::lseek(file.get(), offset, SEEK_SET) < 0) return Error::from_errno(errno, "position in the log");
            tail = missing;
        }
        newest_first.push_back(std::move(file));
        if (tail == 0) break;
    }
    std::vector<Fd> oldest_first;
    while (!newest_first.empty()) {
        oldest_first.push_back(std::move(newest_first.back()));
        newest_first.pop_back();
    }
    return oldest_first;
}

static Result<void> check_driver(const ContainerSpec& spec) {
    if (spec.log_driver != "none") return {};
    return Error(Errc::Unsupported, "configured logging driver does not support reading");
}

Result<void> Engine::read_logs(const Container& container, const LogOptions& options,
                               const std::function<bool(std::string_view)>& sink) {
    auto spec = container.spec();
    TRY(check_driver(*spec));
    LogFormatter formatter(options, spec->tty);
    std::string buffer(256 * 1024, '\0'), out;
    for (const auto& file : TRY(open_log_files(container_directory(container.id()) + "/log.json", options.tail))) {
        for (;;) {
            auto got = TRY(os::read_some(file, buffer.data(), buffer.size()));
            if (got == 0) break;
            out.clear();
            formatter.feed({buffer.data(), got}, out);
            if (!out.empty() && !sink(out)) return {};
            if (formatter.past_until()) return {};
        }
    }
    return {};
}

void Engine::follow_logs(const ContainerPointer& container, const LogOptions& options, std::shared_ptr<http::Stream> stream) {
    auto spec = container->spec();
    auto directory = container_directory(container->id());
    auto path = directory + "/log.json";
    auto files = open_log_files(path, options.tail);
    LogFollower::Start start{container->id(), directory, path, Fd(), LogFormatter(options, spec->tty), stream};
    if (files && !files->empty()) {
        // Older, rotated files first; they are complete.
        std::string buffer(64 * 1024, '\0'), out;
        for (std::size_t i = 0; i + 1 < files->size(); ++i)
            for (;;) {
                auto got = os::read_some((*files)[i], buffer.data(), buffer.size());
                if (!got || *got == 0) break;
                out.clear();
                start.formatter.feed({buffer.data(), *got}, out);
                if (!out.empty() && !stream->write(out)) return;
            }
        start.file = std::move(files->back());
    }
    if (!follower_->add(std::move(start))) {
        stream->finish();
        return;
    }
    auto state = container->state();
    if (!state.is_running() && state.status != Status::Restarting) follower_->container_ended(container->id());
}

}  // namespace pila::engine

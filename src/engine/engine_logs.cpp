// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>

#include "engine/engine.h"
#include "engine/log_compressor.h"
#include "engine/log_files.h"
#include "engine/log_follower.h"
#include "engine/log_reader.h"
#include "os/file.h"

namespace pila::engine {

static Result<void> check_driver(const ContainerSpec& spec) {
    if (spec.log_driver != "none") return {};
    return Error(Errc::Unsupported, "configured logging driver does not support reading");
}

using LogSink = std::function<bool(std::string_view)>;

// false: enough, the client is gone or --until is reached.
static Result<bool> read_part(const LogPart& part, LogFormatter& formatter, const LogSink& sink) {
    std::string buffer(256 * 1024, '\0'), out;
    formatter.next_file();
    for (;;) {
        auto got = TRY(os::read_some(part.file, buffer.data(), buffer.size()));
        if (got == 0) return true;
        out.clear();
        formatter.feed({buffer.data(), got}, out);
        if (!out.empty() && !sink(out)) return false;
        if (formatter.past_until()) return false;
    }
}

Result<void> Engine::read_logs(const Container& container, const LogOptions& options, const LogSink& sink) {
    auto spec = container.spec();
    TRY(check_driver(*spec));
    LogFormatter formatter(options, spec->tty, log_format_of(*spec));
    auto path = log_path_of(*spec, container_directory(container.id()));
    for (const auto& part : TRY(open_log(path, options.tail, options.since)))
        if (!TRY(read_part(part, formatter, sink))) return {};
    return {};
}

void Engine::follow_logs(const ContainerPointer& container, const LogOptions& options,
                         std::shared_ptr<http::Stream> stream) {
    auto spec = container->spec();
    auto directory = container_directory(container->id());
    auto path = log_path_of(*spec, directory);
    auto parts = open_log(path, options.tail, options.since);
    LogFormatter formatter(options, spec->tty, log_format_of(*spec));
    LogFollower::Start start{container->id(), directory, path, {}, 0, std::move(formatter), stream};
    if (parts && !parts->empty()) {
        std::move(parts->begin(), parts->end(), std::back_inserter(start.parts));
    } else if (options.tail >= 0) {
        auto rotated = rotated_logs(path);  // the current one is being made this moment
        if (!rotated.empty()) start.finished = rotated.back().number;
    }
    if (!follower_->add(std::move(start))) {
        stream->finish();
        return;
    }
    // A restart that is waiting for its time may never come: as with dockerd, an end is an end.
    if (!container->state().is_running()) follower_->container_ended(container->id());
}

void Engine::compress_logs(const Container& container) {
    auto spec = container.spec();
    if (logs_are_compressed(*spec)) compressor_->compress(log_path_of(*spec, container_directory(container.id())));
}

void Engine::log_rotated(const std::string& container_id) {
    if (auto container = table_.by_id(container_id)) compress_logs(*container);
}

}  // namespace pila::engine

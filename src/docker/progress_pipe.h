// SPDX-License-Identifier: Apache-2.0
#pragma once
// Long work whose answer is a stream of progress lines, but a plain error with its status as long as nothing was said.
// The work runs on a thread of its own that this object joins; a client that goes away cancels it.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "docker/route.h"

namespace pila::docker {

class ProgressPipe {
public:
    using Work = std::function<Result<void>(const Context&, const image::ProgressSink&)>;
    // The answer, once the first line or the end of `work` is known.
    static Reply answer(const Context& context, Work work);
    ~ProgressPipe();

private:
    explicit ProgressPipe(const Context& context) : context_(context) {}
    void run(const Work& work);
    void push(std::string line);
    Result<void> drain(http::BodyWriter& writer);

    Context context_;
    std::stop_source stop_;
    std::optional<std::stop_callback<std::function<void()>>> caller_stops_;
    Mutex mutex_;
    Condition changed_;
    std::deque<std::string> lines_ GUARDED_BY(mutex_);
    bool ended_ GUARDED_BY(mutex_) = false;
    std::optional<Error> error_ GUARDED_BY(mutex_);
    std::thread thread_;
};

}  // namespace pila::docker

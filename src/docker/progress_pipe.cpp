// SPDX-License-Identifier: Apache-2.0
#include "docker/progress_pipe.h"

#include <exception>
#include <pthread.h>

#include "docker/reply.h"

namespace pila::docker {

static constexpr std::size_t max_waiting_lines = 1024;

ProgressPipe::~ProgressPipe() {
    stop_.request_stop();
    {
        Lock lock(mutex_);
        ended_ = true;  // nobody takes lines any more: whoever waits for room goes on
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void ProgressPipe::push(std::string line) {
    Lock lock(mutex_);
    while (lines_.size() >= max_waiting_lines && !ended_) changed_.wait(lock);
    lines_.push_back(std::move(line));
    changed_.notify_all();
}

void ProgressPipe::run(const Work& work) {
    auto context = context_;
    context.stop = stop_.get_token();
    auto outcome = [&]() -> Result<void> {
        try {
            return work(context, [this](const image::Progress& progress) { push(progress_line(progress)); });
        } catch (const std::exception& failure) {
            return Error(Errc::Internal, failure.what());
        }
    }();
    Lock lock(mutex_);
    if (!outcome) error_ = outcome.take_error();
    ended_ = true;
    changed_.notify_all();
}

Result<void> ProgressPipe::drain(http::BodyWriter& writer) {
    for (;;) {
        std::string batch;
        bool last = false;
        {
            Lock lock(mutex_);
            while (lines_.empty() && !ended_) changed_.wait(lock);
            for (const auto& line : lines_) batch += line;
            lines_.clear();
            last = ended_;
            if (last && error_) batch += error_line(*error_);
            changed_.notify_all();
        }
        if (!batch.empty()) TRY(writer.write(batch));
        if (last) return {};
    }
}

Reply ProgressPipe::answer(const Context& context, Work work) {
    std::shared_ptr<ProgressPipe> pipe(new ProgressPipe(context));
    pipe->caller_stops_.emplace(context.stop, [raw = pipe.get()] { raw->stop_.request_stop(); });
    pipe->thread_ = std::thread([raw = pipe.get(), work = std::move(work)] { raw->run(work); });
    ::pthread_setname_np(pipe->thread_.native_handle(), "progress");
    {
        Lock lock(pipe->mutex_);
        while (pipe->lines_.empty() && !pipe->ended_) pipe->changed_.wait(lock);
        if (pipe->lines_.empty() && pipe->error_) return *pipe->error_;
    }
    http::Response response;
    response.headers.set("Content-Type", "application/json");
    response.produce = [pipe](http::BodyWriter& writer) { return pipe->drain(writer); };
    return response;
}

}  // namespace pila::docker

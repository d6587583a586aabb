// SPDX-License-Identifier: Apache-2.0
#pragma once
// The same job for several items on a few threads; the first failure cancels the rest.

#include <pthread.h>

#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "base/context.h"
#include "base/mutex.h"

namespace pila::image {

// `job(context, index)` for 0 <= index < count. The context it gets also stops when another one has failed.
template <typename Job>
Result<void> run_in_parallel(const Context& outer, std::size_t count, unsigned threads, const char* name,
                             const Job& job) {
    std::stop_source stop;
    std::stop_callback on_outer(outer.stop, [&] { stop.request_stop(); });
    Context context = outer;
    context.stop = stop.get_token();
    std::atomic<std::size_t> next{0};
    Mutex mutex;
    std::optional<Error> failure;
    auto work = [&] {
        ::pthread_setname_np(::pthread_self(), name);
        for (auto index = next++; index < count && !stop.stop_requested(); index = next++) {
            auto done = [&]() -> Result<void> {
                try {
                    return job(context, index);
                } catch (const std::exception& exception) {
                    return Error(Errc::Internal, exception.what());
                }
            }();
            if (done) continue;
            Lock lock(mutex);
            if (!failure) failure = done.take_error();
            stop.request_stop();
        }
    };
    std::vector<std::thread> workers;
    for (std::size_t i = 0; i < std::min<std::size_t>(threads, count); ++i) workers.emplace_back(work);
    for (auto& worker : workers) worker.join();
    if (failure) return std::move(*failure);
    return outer.check();
}

}  // namespace pila::image

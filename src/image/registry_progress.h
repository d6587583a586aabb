// SPDX-License-Identifier: Apache-2.0
#pragma once
// Docker's progress lines from several threads, one call at a time.

#include "base/mutex.h"
#include "image/image_store.h"

namespace pila::image {

class ProgressLines {
public:
    explicit ProgressLines(const ProgressSink& sink) : sink_(sink) {}
    void say(const std::string& id, const std::string& status, std::uint64_t current = 0, std::uint64_t total = 0) {
        if (!sink_) return;
        Lock lock(mutex_);
        sink_({.id = id, .status = status, .current = current, .total = total});
    }

private:
    Mutex mutex_;
    const ProgressSink& sink_;
};

// The bar of one transfer: at most ten lines a second.
class TransferBar {
public:
    TransferBar(ProgressLines& lines, std::string id, std::string status, std::uint64_t total)
        : lines_(lines), id_(std::move(id)), status_(std::move(status)), total_(total) {}
    void add(std::uint64_t bytes) {
        current_ = std::min(current_ + bytes, total_);
        auto now = std::chrono::steady_clock::now();
        if (now < next_ && current_ < total_) return;
        next_ = now + std::chrono::milliseconds(100);
        lines_.say(id_, status_, current_, total_);
    }

private:
    ProgressLines& lines_;
    const std::string id_, status_;
    const std::uint64_t total_;
    std::uint64_t current_ = 0;
    std::chrono::steady_clock::time_point next_;
};

}  // namespace pila::image

// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a build says, in the order of its stages although they run beside each other: the first that is not done speaks
// at once, the others when their turn comes. Who has said more than is kept waits. Threads: any.

#include <stop_token>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "image/image_store.h"

namespace pila::build {

class Output {
public:
    Output(image::ProgressSink sink, std::size_t stages) : sink_(std::move(sink)), stages_(stages) {}

    void write(std::size_t stage, image::Progress progress);
    void text(std::size_t stage, std::string text);
    void finish(std::size_t stage);
    // What this stage has said comes out now, whatever it waits for; nothing of the others does any more.
    void give_up(std::size_t stage);

private:
    static constexpr std::size_t max_kept = 2U << 20;
    struct Stage {
        std::vector<image::Progress> kept;
        std::size_t bytes = 0;
        bool finished = false;
    };
    void flush(Stage& stage) REQUIRES(mutex_);

    const image::ProgressSink sink_;
    Mutex mutex_;
    Condition changed_;
    std::vector<Stage> stages_ GUARDED_BY(mutex_);
    std::size_t speaking_ GUARDED_BY(mutex_) = 0;
    bool over_ GUARDED_BY(mutex_) = false;
};

}  // namespace pila::build

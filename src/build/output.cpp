// SPDX-License-Identifier: Apache-2.0
#include "build/output.h"

namespace pila::build {

void Output::flush(Stage& stage) {
    for (const auto& progress : stage.kept) sink_(progress);
    stage.kept.clear();
    stage.bytes = 0;
}

void Output::write(std::size_t stage, image::Progress progress) {
    Lock lock(mutex_);
    while (!over_ && stage != speaking_ && stages_[stage].bytes > max_kept) changed_.wait(lock);
    if (over_) return;
    if (stage == speaking_) {
        sink_(progress);
        return;
    }
    stages_[stage].bytes += progress.stream.size() + sizeof progress;
    stages_[stage].kept.push_back(std::move(progress));
}

void Output::text(std::size_t stage, std::string text) {
    image::Progress progress;
    progress.stream = std::move(text);
    write(stage, std::move(progress));
}

void Output::finish(std::size_t stage) {
    Lock lock(mutex_);
    stages_[stage].finished = true;
    while (!over_ && speaking_ < stages_.size() && stages_[speaking_].finished) {
        flush(stages_[speaking_]);
        ++speaking_;
    }
    if (!over_ && speaking_ < stages_.size()) flush(stages_[speaking_]);
    changed_.notify_all();
}

void Output::give_up(std::size_t stage) {
    Lock lock(mutex_);
    if (!over_ && stage < stages_.size()) flush(stages_[stage]);
    over_ = true;
    changed_.notify_all();
}

}  // namespace pila::build

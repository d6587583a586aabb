// SPDX-License-Identifier: Apache-2.0
#include "image/chunk.h"

#include "os/file.h"

namespace pila::image {

namespace {

struct Buffer {
    std::shared_ptr<char[]> bytes{new char[chunk_bytes]};  // not zeroed
    Chunk filled(std::size_t count) { return {{bytes.get(), count}, bytes}; }
};

}  // namespace

Chunk Chunk::owned() const {
    if (owner || bytes.empty()) return *this;
    auto copy = std::make_shared<const std::string>(bytes);
    return {*copy, copy};
}

Result<Chunk> BodyChunks::next() {
    Buffer buffer;
    std::size_t filled = 0;
    while (filled < chunk_bytes) {
        auto got = TRY(body_.read(buffer.bytes.get() + filled, chunk_bytes - filled));
        if (got == 0) break;
        filled += got;
    }
    return buffer.filled(filled);
}

Result<Chunk> FileChunks::next() {
    Buffer buffer;
    auto got = TRY(os::read_some(file_, buffer.bytes.get(), chunk_bytes));
    return buffer.filled(got);
}

Result<Chunk> HashingChunks::next() {
    auto chunk = TRY(from_.next());
    hasher_.update(chunk.bytes);
    count_ += chunk.bytes.size();
    return chunk;
}

Result<void> ChunkQueue::push(Chunk chunk) {
    chunk = chunk.owned();
    Lock lock(mutex_);
    while (!reader_error_ && waiting_.size() >= max_waiting) changed_.wait(lock);
    if (reader_error_) return *reader_error_;
    waiting_.push_back(std::move(chunk));
    changed_.notify_all();
    return {};
}

void ChunkQueue::finish(std::optional<Error> why) {
    Lock lock(mutex_);
    finished_ = true;
    if (!writer_error_) writer_error_ = std::move(why);
    changed_.notify_all();
}

void ChunkQueue::abandon(Error why) {
    Lock lock(mutex_);
    if (!reader_error_) reader_error_ = std::move(why);
    waiting_.clear();
    changed_.notify_all();
}

Result<Chunk> ChunkQueue::next() {
    Lock lock(mutex_);
    while (waiting_.empty() && !finished_) changed_.wait(lock);
    if (waiting_.empty()) {
        if (writer_error_) return *writer_error_;
        return Chunk{};
    }
    Chunk chunk = std::move(waiting_.front());
    waiting_.pop_front();
    changed_.notify_all();
    return chunk;
}

}  // namespace pila::image

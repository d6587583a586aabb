// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bytes that came from a connection and were not used yet. Holds no memory while empty and released.

#include <cstring>
#include <memory>
#include <string_view>

namespace pila::http {

class ByteBuffer {
public:
    std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
    std::size_t size() const { return end_ - begin_; }
    bool empty() const { return begin_ == end_; }

    // Room for at least `least` more bytes; commit() says how many were put there.
    char* prepare(std::size_t least) {
        if (capacity_ - end_ < least) make_room(least);
        return data_.get() + end_;
    }
    std::size_t room() const { return capacity_ - end_; }
    void commit(std::size_t count) { end_ += count; }

    void consume(std::size_t count) {
        begin_ += count;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    void append(std::string_view bytes) {
        std::memcpy(prepare(bytes.size()), bytes.data(), bytes.size());
        commit(bytes.size());
    }
    void release_if_empty() {
        if (!empty()) return;
        data_.reset();
        begin_ = end_ = capacity_ = 0;
    }

private:
    void make_room(std::size_t least) {
        auto used = size();
        if (capacity_ - used >= least) {
            std::memmove(data_.get(), data_.get() + begin_, used);
        } else {
            auto capacity = capacity_ < 2048 ? std::size_t{4096} : capacity_ * 2;
            while (capacity - used < least) capacity *= 2;
            auto bigger = std::make_unique_for_overwrite<char[]>(capacity);
            if (used > 0) std::memcpy(bigger.get(), data_.get() + begin_, used);
            data_ = std::move(bigger);
            capacity_ = capacity;
        }
        begin_ = 0;
        end_ = used;
    }

    std::unique_ptr<char[]> data_;
    std::size_t begin_ = 0, end_ = 0, capacity_ = 0;
};

}  // namespace pila::http

// SPDX-License-Identifier: Apache-2.0
#include "http/parked_stream.h"

#include <charconv>

namespace pila::http {

// Lock order: a stream's mutex before the pump's. The pump never calls a stream with its own mutex held.

ParkedStream::ParkedStream(std::shared_ptr<Pump> pump, ConnectionPointer connection, bool chunked, bool keep_alive,
                           std::chrono::milliseconds stall)
    : pump_(std::move(pump)),
      chunked_(chunked),
      keep_alive_(keep_alive),
      stall_(stall),
      connection_(std::move(connection)) {}

// Dropped without finish(): the client sees a body without an end, so it knows that something is missing.
ParkedStream::~ParkedStream() {
    Lock lock(mutex_);
    if (connection_) pump_->close(connection_);
}

bool ParkedStream::write(std::string_view bytes) {
    Lock lock(mutex_);
    if (state_ != State::Open) return false;
    if (bytes.empty()) return true;
    auto waiting = queue_.size() - queue_start_;
    if (waiting > 0 && waiting + bytes.size() > max_queued) {
        break_off();
        return false;
    }
    char size_line[24];
    auto end = std::to_chars(size_line, size_line + 20, bytes.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    iovec parts[3] = {{size_line, chunked_ ? static_cast<std::size_t>(end - size_line) : 0},
                      {const_cast<char*>(bytes.data()), bytes.size()},
                      {const_cast<char*>("\r\n"), chunked_ ? 2U : 0U}};
    if (send(parts, 3)) return true;
    break_off();
    return false;
}

void ParkedStream::finish() {
    Lock lock(mutex_);
    if (state_ != State::Open) return;
    state_ = State::Finished;
    callback_ = nullptr;
    drained_ = nullptr;
    if (chunked_) {
        iovec last{const_cast<char*>("0\r\n\r\n"), 5};
        if (!send(&last, 1)) return break_off();
    }
    if (queue_.empty()) return complete();
    pump_->keep_until_flushed(*connection_, shared_from_this());
}

void ParkedStream::on_closed(std::function<void()> callback) {
    {
        Lock lock(mutex_);
        if (!lost_) {
            if (state_ == State::Open) callback_ = std::move(callback);
            return;
        }
    }
    pump_->post(std::move(callback));
}

std::size_t ParkedStream::queued_bytes() const {
    Lock lock(mutex_);
    return queue_.size() - queue_start_;
}

void ParkedStream::on_drained(std::function<void()> callback) {
    Lock lock(mutex_);
    drained_ = std::move(callback);
}

// Sends what the socket takes now and queues the rest; in order, so nothing overtakes the queue.
bool ParkedStream::send(iovec* parts, int count) {
    bool was_empty = queue_.empty();
    while (was_empty && count > 0) {
        auto step = connection_->channel.try_write(parts, count);
        if (!step) return false;
        int used = advance(parts, count, step->bytes);
        parts += used;
        count -= used;
        if (step->wait) break;
    }
    for (int i = 0; i < count; ++i) queue_.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    if (was_empty && !queue_.empty()) pump_->want_write(*connection_, true, stall_);
    return true;
}

bool ParkedStream::flush() {
    while (queue_start_ < queue_.size()) {
        iovec part{queue_.data() + queue_start_, queue_.size() - queue_start_};
        auto step = connection_->channel.try_write(&part, 1);
        if (!step) return false;
        queue_start_ += step->bytes;
        if (step->wait) {
            if (queue_start_ > max_queued / 2) {
                queue_.erase(0, queue_start_);
                queue_start_ = 0;
            }
            pump_->want_write(*connection_, true, stall_);
            return true;
        }
    }
    queue_ = std::string();
    queue_start_ = 0;
    pump_->want_write(*connection_, false, stall_);
    return true;
}

void ParkedStream::writable() {
    std::function<void()> drained;
    {
        Lock lock(mutex_);
        if (!connection_) return;
        if (!flush()) return break_off();
        if (state_ == State::Finished && queue_.empty()) return complete();
        if (state_ == State::Open && queue_.empty()) drained = drained_;
    }
    if (drained) drained();
}

void ParkedStream::complete() {
    auto connection = std::move(connection_);
    state_ = State::Closed;
    pump_->keep_until_flushed(*connection, nullptr);
    if (keep_alive_)
        pump_->give_back(connection);
    else
        pump_->close(connection);
}

void ParkedStream::break_off() {
    auto connection = std::move(connection_);
    if (!connection) return;
    lost_ = state_ == State::Open;
    state_ = State::Closed;
    queue_ = std::string();
    queue_start_ = 0;
    drained_ = nullptr;
    // The callback may take locks that a caller of write() holds: never here, always on the pump's own stack.
    if (callback_) pump_->post(std::exchange(callback_, nullptr));
    pump_->close(connection);
}

void ParkedStream::lost() {
    Lock lock(mutex_);
    break_off();
}

}  // namespace pila::http

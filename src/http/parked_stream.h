// SPDX-License-Identifier: Apache-2.0
#pragma once
// A response body that holds no thread. Whoever writes sends at once if the socket takes it; the rest waits in a queue
// that the pump empties.

#include "base/mutex.h"
#include "http/pump.h"

namespace pila::http {

class ParkedStream : public Stream, public std::enable_shared_from_this<ParkedStream> {
public:
    ParkedStream(std::shared_ptr<Pump> pump, ConnectionPointer connection, bool chunked, bool keep_alive,
                 std::chrono::milliseconds stall);
    ~ParkedStream() override;

    bool write(std::string_view bytes) override;
    void finish() override;
    void on_closed(std::function<void()> callback) override;
    std::size_t queued_bytes() const override;
    void on_drained(std::function<void()> callback) override;

    // Pump's thread:
    void writable();
    void lost();  // peer gone, stalled, or the server stops

private:
    enum class State : std::uint8_t { Open, Finished, Closed };  // Finished: the queue may still hold bytes

    bool send(iovec* parts, int count) REQUIRES(mutex_);  // false: the connection is broken
    bool flush() REQUIRES(mutex_);
    void complete() REQUIRES(mutex_);
    void break_off() REQUIRES(mutex_);

    const std::shared_ptr<Pump> pump_;
    const bool chunked_, keep_alive_;
    const std::chrono::milliseconds stall_;

    mutable Mutex mutex_;
    ConnectionPointer connection_ GUARDED_BY(mutex_);
    State state_ GUARDED_BY(mutex_) = State::Open;
    std::string queue_ GUARDED_BY(mutex_);
    std::size_t queue_start_ GUARDED_BY(mutex_) = 0;
    bool lost_ GUARDED_BY(mutex_) = false;
    std::function<void()> callback_ GUARDED_BY(mutex_);
    std::function<void()> drained_ GUARDED_BY(mutex_);
};

}  // namespace pila::http

// SPDX-License-Identifier: Apache-2.0
#pragma once
// A client's connection inside the server. Exactly one party owns it at any time: the pump (Idle, Draining), a worker
// (Busy) or its parked stream (Parked). What several threads touch is atomic or guarded by the pump's mutex.

#include <atomic>
#include <list>
#include <set>

#include "http/buffer.h"
#include "http/channel.h"
#include "http/message.h"

namespace pila::http {

enum class Owner : std::uint8_t { Pump, Worker, Stream, Drain };

class ParkedStream;
using ConnectionId = std::uint64_t;

struct Connection {
    ConnectionId id = 0;
    Channel channel;
    ByteBuffer input;  // owner only
    std::string peer;
    bool is_unix = false;
    int refusal = 0;           // the pump's verdict on what it read, for the worker: 400, 408, 431; 0: a whole head
    std::size_t searched = 0;  // bytes of `input` that hold no end of a head
    std::size_t head = 0;      // size of the head at the start of `input`
    std::size_t drained = 0;   // pump only
    bool wants_write = false;  // pump only: TLS can go on only after that
    bool served = false;       // had a request; owner only

    // Disconnection while a worker has it: noticed by the pump, which then fires `stop`. A TCP peer that only finished
    // sending looks the same as one that is gone, so this counts once the body was read to its end.
    std::stop_source stop{std::nostopstate};
    std::atomic<bool> body_pending{false};
    std::atomic<bool> peer_gone{false};

    // Guarded by the pump's mutex:
    Owner owner = Owner::Pump;
    std::optional<MonotonicTime> deadline;
    std::list<ConnectionId>::iterator idle_place;
    bool in_idle_list = false;
    std::weak_ptr<ParkedStream> stream;
    std::shared_ptr<ParkedStream> finishing;  // nobody else holds a finished stream whose queue is not empty yet
};
using ConnectionPointer = std::shared_ptr<Connection>;

// True once `input` holds a whole head or what can never become one; then `refusal` says which.
bool head_is_decided(Connection& connection, std::size_t max_header_bytes);
std::string_view refusal_message(int status);

}  // namespace pila::http

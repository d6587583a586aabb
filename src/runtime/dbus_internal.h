// SPDX-License-Identifier: Apache-2.0
#pragma once
// The few forms of D-Bus that systemd is asked in: method calls, their answers, signals (D-Bus specification, "Message
// Protocol"), little-endian, over a private socket without a bus in between.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace pila::runtime::dbus {

class Writer {
public:
    Writer& align(std::size_t to);
    Writer& byte(std::uint8_t value);
    Writer& number(std::uint32_t value);
    Writer& long_number(std::uint64_t value);
    Writer& text(std::string_view value);       // s, o
    Writer& signature(std::string_view value);  // g
    // An array of elements with this alignment: `fill` writes them.
    template <typename Fill>
    Writer& array(std::size_t alignment, Fill fill) {
        number(0);
        auto length_at = bytes_.size() - 4;
        align(alignment);
        auto begin = bytes_.size();
        fill(*this);
        patch(length_at, static_cast<std::uint32_t>(bytes_.size() - begin));
        return *this;
    }
    const std::string& bytes() const { return bytes_; }

private:
    void patch(std::size_t at, std::uint32_t value);
    std::string bytes_;
};

struct Message {
    enum class Type : std::uint8_t { Call = 1, Return = 2, Error = 3, Signal = 4 };
    Type type = Type::Call;
    std::uint32_t serial = 0, reply_to = 0;
    std::string path, interface, member, error_name, signature, body;
};

std::string encode(const Message& message);
// How long the message is whose first 16 bytes these are; Invalid: no message of ours.
Result<std::size_t> message_size(std::string_view head);
Result<Message> decode(std::string_view bytes);
// The texts (s, o) among the first values of a body; other values than numbers of 32 bits end it.
std::vector<std::string> texts_of(const Message& message);

// To a socket of systemd's. No answer is waited for longer than `patience_ms`.
class Connection {
public:
    static Result<Connection> open(const std::string& socket, int patience_ms);
    // The answer; messages that come in between are kept for wait_for_signal().
    Result<Message> call(Message message);
    Result<Message> wait_for_signal(std::string_view member, const std::string& first_object);

private:
    Connection(Fd socket, int patience_ms) : socket_(std::move(socket)), patience_ms_(patience_ms) {}
    Result<std::string> receive(std::size_t size);
    Result<Message> next();

    Fd socket_;
    int patience_ms_;
    std::uint32_t serial_ = 0;
    std::vector<Message> kept_;
};

}  // namespace pila::runtime::dbus

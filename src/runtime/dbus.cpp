// SPDX-License-Identifier: Apache-2.0
#include "runtime/dbus_internal.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"
#include "os/socket.h"

namespace pila::runtime::dbus {

static constexpr std::size_t largest_message = 1U << 20;

Writer& Writer::align(std::size_t to) {
    while (bytes_.size() % to != 0) bytes_ += '\0';
    return *this;
}

Writer& Writer::byte(std::uint8_t value) {
    bytes_ += static_cast<char>(value);
    return *this;
}

Writer& Writer::number(std::uint32_t value) {
    align(4);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
}

Writer& Writer::long_number(std::uint64_t value) {
    align(8);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
}

Writer& Writer::text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    bytes_.append(value);
    bytes_ += '\0';
    return *this;
}

Writer& Writer::signature(std::string_view value) {
    byte(static_cast<std::uint8_t>(value.size()));
    bytes_.append(value);
    bytes_ += '\0';
    return *this;
}

void Writer::patch(std::size_t at, std::uint32_t value) { std::memcpy(bytes_.data() + at, &value, sizeof value); }

namespace {

enum class Field : std::uint8_t { Path = 1, Interface, Member, ErrorName, ReplySerial, Destination, Sender, Signature };
constexpr std::size_t head_size = 16;

// Never reads past its input; after the first mistake nothing but zeros and failed().
class Reader {
public:
    explicit Reader(std::string_view bytes, std::size_t at = 0) : bytes_(bytes), at_(at) {}
    void align(std::size_t to) { at_ = (at_ + to - 1) / to * to; }
    std::uint8_t byte() {
        if (!has(1)) return 0;
        return static_cast<std::uint8_t>(bytes_[at_++]);
    }
    std::uint32_t number() {
        align(4);
        std::uint32_t value = 0;
        if (!has(sizeof value)) return 0;
        std::memcpy(&value, bytes_.data() + at_, sizeof value);
        at_ += sizeof value;
        return value;
    }
    std::string text(std::size_t size) {
        if (size > largest_message || !has(size + 1)) return {};
        std::string value(bytes_.substr(at_, size));
        at_ += size + 1;
        return value;
    }
    bool failed() const { return failed_; }
    std::size_t at() const { return at_; }

private:
    bool has(std::size_t size) {
        failed_ = failed_ || at_ > bytes_.size() || bytes_.size() - at_ < size;
        return !failed_;
    }
    std::string_view bytes_;
    std::size_t at_;
    bool failed_ = false;
};

void put_field(Writer& writer, Field field, const char* type, std::string_view value) {
    if (value.empty()) return;
    writer.align(8).byte(static_cast<std::uint8_t>(field)).signature(type);
    if (*type == 'g')
        writer.signature(value);
    else
        writer.text(value);
}

void take_field(Reader& reader, Message& message) {
    reader.align(8);
    auto field = static_cast<Field>(reader.byte());
    auto type = reader.text(reader.byte());
    if (type == "u") {
        auto value = reader.number();
        if (field == Field::ReplySerial) message.reply_to = value;
        return;
    }
    auto value = type == "g" ? reader.text(reader.byte()) : reader.text(reader.number());
    switch (field) {
        case Field::Path: message.path = value; break;
        case Field::Interface: message.interface = value; break;
        case Field::Member: message.member = value; break;
        case Field::ErrorName: message.error_name = value; break;
        case Field::Signature: message.signature = value; break;
        default: break;
    }
}

}  // namespace

std::string encode(const Message& message) {
    Writer writer;
    writer.byte('l').byte(static_cast<std::uint8_t>(message.type)).byte(0).byte(1);
    writer.number(static_cast<std::uint32_t>(message.body.size())).number(message.serial);
    writer.array(8, [&](Writer& fields) {
        put_field(fields, Field::Path, "o", message.path);
        put_field(fields, Field::Destination, "s", "org.freedesktop.systemd1");
        put_field(fields, Field::Interface, "s", message.interface);
        put_field(fields, Field::Member, "s", message.member);
        put_field(fields, Field::Signature, "g", message.signature);
    });
    writer.align(8);
    return writer.bytes() + message.body;
}

Result<std::size_t> message_size(std::string_view head) {
    Error wrong(Errc::Invalid, "a message of D-Bus: not of the form that was expected");
    if (head.size() < head_size || head[0] != 'l' || head[3] != 1) return wrong;
    Reader reader(head, 4);
    std::size_t body = reader.number();
    reader.number();
    std::size_t fields = reader.number();
    if (body > largest_message || fields > largest_message) return wrong;
    return head_size + (fields + 7) / 8 * 8 + body;
}

Result<Message> decode(std::string_view bytes) {
    auto size = TRY(message_size(bytes));
    Error wrong(Errc::Invalid, "a message of D-Bus: cut short or malformed");
    if (size != bytes.size()) return wrong;
    Message message;
    message.type = static_cast<Message::Type>(bytes[1]);
    Reader reader(bytes, 4);
    auto body = reader.number();
    message.serial = reader.number();
    auto end = reader.number() + head_size;
    while (reader.at() < end && !reader.failed()) take_field(reader, message);
    if (reader.failed() || reader.at() != end) return wrong;
    message.body = bytes.substr(bytes.size() - body);
    return message;
}

std::vector<std::string> texts_of(const Message& message) {
    std::vector<std::string> texts;
    Reader reader(message.body);
    for (char type : message.signature) {
        if (type == 'v') {
            // Of a variant that is a text, as Properties.Get answers.
            if (reader.text(reader.byte()) != "s") break;
            type = 's';
        }
        if (type != 's' && type != 'o' && type != 'u') break;
        auto number = reader.number();
        auto text = type == 'u' ? std::string() : reader.text(number);
        if (reader.failed()) break;
        if (type != 'u') texts.push_back(std::move(text));
    }
    return texts;
}

Result<Connection> Connection::open(const std::string& path, int patience_ms) {
    Connection connection(TRY(os::connect_unix(path, SOCK_STREAM)), patience_ms);
    std::string uid = std::to_string(::geteuid());
    // SASL, "EXTERNAL": the kernel tells who we are.
    TRY(os::write_all(connection.socket_, fmt::format("{}AUTH EXTERNAL {}\r\n", '\0', hex(uid))));
    std::string answer;
    while (!answer.ends_with("\r\n") && answer.size() < 4096) answer += TRY(connection.receive(1));
    if (!answer.starts_with("OK ")) return Error(Errc::Denied, "log in at " + path + ": " + printable(trim(answer)));
    TRY(os::write_all(connection.socket_, "BEGIN\r\n"));
    return connection;
}

Result<std::string> Connection::receive(std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t got = 0;
    while (got < size) {
        pollfd waiting{socket_.get(), POLLIN, 0};
        int ready = ::poll(&waiting, 1, patience_ms_);
        if (ready == 0) return Error(Errc::Timeout, fmt::format("systemd did not answer within {} ms", patience_ms_));
        if (ready < 0 && errno != EINTR) return Error::from_errno(errno, "wait for systemd");
        if (ready < 0) continue;
        auto part = TRY(os::read_some(socket_, bytes.data() + got, size - got));
        if (part == 0) return Error(Errc::Unavailable, "systemd closed the connection");
        got += part;
    }
    return bytes;
}

Result<Message> Connection::next() {
    auto bytes = TRY(receive(head_size));
    auto size = TRY(message_size(bytes));
    bytes += TRY(receive(size - head_size));
    return decode(bytes);
}

Result<Message> Connection::call(Message message) {
    message.serial = ++serial_;
    TRY(os::write_all(socket_, encode(message)));
    for (;;) {
        auto answer = TRY(next());
        if (answer.reply_to != message.serial) {
            kept_.push_back(std::move(answer));
            continue;
        }
        if (answer.type == Message::Type::Return) return answer;
        auto texts = texts_of(answer);
        return Error(Errc::Internal, fmt::format("systemd: {}: {}", message.member,
                                                 printable(texts.empty() ? answer.error_name : texts[0])));
    }
}

Result<Message> Connection::wait_for_signal(std::string_view member, const std::string& first_object) {
    auto fits = [&](const Message& message) {
        auto texts = message.member == member ? texts_of(message) : std::vector<std::string>{};
        return !texts.empty() && texts[0] == first_object;
    };
    for (const auto& message : kept_)
        if (fits(message)) return message;
    for (;;) {
        auto message = TRY(next());
        if (fits(message)) return message;
    }
}

}  // namespace pila::runtime::dbus

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Protobuf's bytes: tags, varints, lengths.

#include <cstdint>
#include <string>
#include <string_view>

namespace pila::cluster::codec {

enum Wire : std::uint32_t { Varint = 0, Fixed64 = 1, Length = 2, GroupStart = 3, GroupEnd = 4, Fixed32 = 5 };

// What is left of a message. Every taking says whether there was enough.
class Cursor {
public:
    explicit Cursor(std::string_view bytes) : left_(bytes) {}
    bool is_done() const { return left_.empty(); }

    bool varint(std::uint64_t& value) {
        value = 0;
        for (unsigned shift = 0; shift < 64 && !left_.empty(); shift += 7) {
            auto byte = static_cast<unsigned char>(left_.front());
            left_.remove_prefix(1);
            if (shift == 63 && byte > 1) return false;
            value |= std::uint64_t{byte & 0x7fU} << shift;
            if (byte < 0x80) return true;
        }
        return false;
    }

    bool bytes(std::string_view& value) {
        std::uint64_t length = 0;
        if (!varint(length) || length > left_.size()) return false;
        value = left_.substr(0, length);
        left_.remove_prefix(length);
        return true;
    }

    bool fixed64(std::uint64_t& value) {
        if (left_.size() < 8) return false;
        value = 0;
        for (unsigned index = 8; index-- > 0;) value = value << 8 | static_cast<unsigned char>(left_[index]);
        left_.remove_prefix(8);
        return true;
    }

    bool tag(std::uint32_t& number, std::uint32_t& wire) {
        std::uint64_t both = 0;
        if (!varint(both) || both >> 3 == 0 || both >> 3 > 0x1fffffff) return false;
        number = static_cast<std::uint32_t>(both >> 3);
        wire = static_cast<std::uint32_t>(both & 7);
        return true;
    }

    // A field that nobody here knows. Groups are counted, not entered.
    bool skip(std::uint32_t wire) {
        for (std::uint64_t groups = 0;;) {
            std::uint64_t number = 0;
            std::string_view text;
            switch (wire) {
                case Varint:
                    if (!varint(number)) return false;
                    break;
                case Fixed64:
                    if (!fixed64(number)) return false;
                    break;
                case Length:
                    if (!bytes(text)) return false;
                    break;
                case GroupStart: ++groups; break;
                case GroupEnd:
                    if (groups-- == 0) return false;
                    break;
                case Fixed32:
                    if (left_.size() < 4) return false;
                    left_.remove_prefix(4);
                    break;
                default: return false;
            }
            if (groups == 0) return true;
            std::uint32_t field = 0;
            if (!tag(field, wire)) return false;
        }
    }

private:
    std::string_view left_;
};

inline void append_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
}

inline void append_tag(std::string& out, std::uint32_t number, Wire wire) {
    append_varint(out, std::uint64_t{number} << 3 | wire);
}

inline void append_bytes(std::string& out, std::uint32_t number, std::string_view bytes) {
    append_tag(out, number, Length);
    append_varint(out, bytes.size());
    out += bytes;
}

inline void append_number(std::string& out, std::uint32_t number, std::uint64_t value) {
    append_tag(out, number, Varint);
    append_varint(out, value);
}

}  // namespace pila::cluster::codec

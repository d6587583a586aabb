// SPDX-License-Identifier: Apache-2.0
#pragma once
// Flat binary form of plain structs: little-endian integers, counted strings and vectors. A struct says its fields
// once, `template <typename A> void describe(A& archive, X& x) { archive(x.a, x.b); }`, for both directions.

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace pila::runtime::codec {

class Encoder {
public:
    template <typename... Fields>
    void operator()(Fields&... fields) {
        (put(fields), ...);
    }
    void require(bool) {}
    std::string take() { return std::move(bytes_); }

private:
    template <typename T>
    void put(T& value) {
        if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
            bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
        } else {
            describe(*this, value);
        }
    }
    void put(std::string& text) {
        put_count(text.size());
        bytes_ += text;
    }
    template <typename T>
    void put(std::vector<T>& items) {
        put_count(items.size());
        for (auto& item : items) put(item);
    }
    template <typename T>
    void put(std::optional<T>& value) {
        bool present = value.has_value();
        put(present);
        if (present) put(*value);
    }
    template <typename A, typename B>
    void put(std::pair<A, B>& value) {
        put(value.first);
        put(value.second);
    }
    void put_count(std::size_t count) {
        auto small = static_cast<std::uint32_t>(count);
        put(small);
    }

    std::string bytes_;
};

// Never reads past its input; after the first mistake every field keeps its default and finished() is false.
class Decoder {
public:
    explicit Decoder(std::string_view bytes) : rest_(bytes) {}

    template <typename... Fields>
    void operator()(Fields&... fields) {
        (get(fields), ...);
    }
    void require(bool holds) {
        if (!holds) fail();
    }
    bool finished() const { return !failed_ && rest_.empty(); }

private:
    void fail() {
        failed_ = true;
        rest_ = {};
    }
    template <typename T>
    void get(T& value) {
        if constexpr (std::is_same_v<T, bool>) {
            std::uint8_t byte = 0;
            get(byte);
            require(byte <= 1);
            value = byte == 1;
        } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
            if (rest_.size() < sizeof value) return fail();
            std::memcpy(&value, rest_.data(), sizeof value);
            rest_.remove_prefix(sizeof value);
        } else {
            describe(*this, value);
        }
    }
    std::size_t get_count() {
        std::uint32_t count = 0;
        get(count);
        // Every element takes at least one byte: a forged count cannot make us allocate more than was sent.
        if (count > rest_.size()) fail();
        return failed_ ? 0 : count;
    }
    void get(std::string& text) {
        auto size = get_count();
        text.assign(rest_.substr(0, size));
        rest_.remove_prefix(size);
    }
    template <typename T>
    void get(std::vector<T>& items) {
        auto count = get_count();
        items.clear();
        for (std::size_t i = 0; i < count && !failed_; ++i) get(items.emplace_back());
    }
    template <typename T>
    void get(std::optional<T>& value) {
        bool present = false;
        get(present);
        if (present) get(value.emplace());
    }
    template <typename A, typename B>
    void get(std::pair<A, B>& value) {
        get(value.first);
        get(value.second);
    }

    std::string_view rest_;
    bool failed_ = false;
};

template <typename T>
std::string encode(const T& value) {
    Encoder encoder;
    encoder(const_cast<T&>(value));  // describe() serves both directions; the encoder only reads
    return encoder.take();
}

template <typename T>
bool decode(std::string_view bytes, T& value) {
    Decoder decoder(bytes);
    decoder(value);
    return decoder.finished();
}

}  // namespace pila::runtime::codec

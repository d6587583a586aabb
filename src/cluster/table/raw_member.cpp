// SPDX-License-Identifier: Apache-2.0
#include "cluster/table/raw_member.h"

#include <array>
#include <cstring>

namespace pila::cluster::table {

namespace {

// Brackets and quotes: all that matters for where a value ends.
constexpr auto make_stops() {
    std::array<bool, 256> stops{};
    for (unsigned char c : {'"', '{', '}', '[', ']'}) stops[c] = true;
    return stops;
}
constexpr auto stops = make_stops();

class Scanner {
public:
    explicit Scanner(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

    std::optional<std::string_view> find(std::string_view name) {
        if (!take('{')) return std::nullopt;
        for (;;) {
            skip_spaces();
            auto key = string();
            if (key.empty() || !take(':')) return std::nullopt;
            skip_spaces();
            auto text = value();
            if (text.empty()) return std::nullopt;
            if (key.substr(1, key.size() - 2) == name) return text;
            if (!take(',')) return std::nullopt;
        }
    }

private:
    void skip_spaces() {
        while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    }
    bool take(char expected) {
        skip_spaces();
        if (at_ == end_ || *at_ != expected) return false;
        ++at_;
        return true;
    }

    // With its quotes; "": none.
    std::string_view string() {
        const char* begin = at_;
        if (at_ == end_ || *at_ != '"') return {};
        for (++at_; at_ < end_; ++at_) {
            const auto* quote = static_cast<const char*>(std::memchr(at_, '"', static_cast<std::size_t>(end_ - at_)));
            if (!quote) break;
            std::size_t escapes = 0;
            for (const char* before = quote; before > begin + 1 && before[-1] == '\\'; --before) ++escapes;
            at_ = quote;
            if (escapes % 2 == 0) {
                ++at_;
                return {begin, static_cast<std::size_t>(at_ - begin)};
            }
        }
        at_ = end_;
        return {};
    }

    std::string_view value() {
        const char* begin = at_;
        if (at_ == end_) return {};
        if (*at_ == '"') return string();
        if (*at_ == '{' || *at_ == '[') return nested();
        while (at_ < end_ && std::strchr(",}] \n\r\t", *at_) == nullptr) ++at_;
        return {begin, static_cast<std::size_t>(at_ - begin)};
    }

    std::string_view nested() {
        const char* begin = at_;
        std::size_t depth = 0;
        while (at_ < end_) {
            char c = *at_;
            if (!stops[static_cast<unsigned char>(c)]) {
                ++at_;
            } else if (c == '"') {
                if (string().empty()) return {};
            } else {
                ++at_;
                if (c == '{' || c == '[')
                    ++depth;
                else if (--depth == 0)
                    return {begin, static_cast<std::size_t>(at_ - begin)};
            }
        }
        return {};
    }

    const char* at_;
    const char* end_;
};

}  // namespace

std::optional<std::string_view> raw_member(std::string_view object, std::string_view name) {
    return Scanner(object).find(name);
}

}  // namespace pila::cluster::table

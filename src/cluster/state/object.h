// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the files of this room know about objects and their keys.

#include <array>
#include <charconv>
#include <cstddef>
#include <string_view>

#include "cluster/state/state.h"

namespace pila::cluster::state {

// A revision as it stands in the bytes.
class Digits {
public:
    explicit Digits(Revision revision)
        : size_(static_cast<std::size_t>(std::to_chars(text_.begin(), text_.end(), revision).ptr - text_.begin())) {}
    std::string_view text() const { return {text_.data(), size_}; }

private:
    std::array<char, 20> text_;
    std::size_t size_;
};

// "GROUP/RESOURCE/" of a key or a prefix; "": it is not that long.
inline std::string_view collection_of(std::string_view key) {
    auto first = key.find('/');
    auto second = first == std::string_view::npos ? first : key.find('/', first + 1);
    return second == std::string_view::npos ? std::string_view() : key.substr(0, second + 1);
}

inline std::size_t bytes_of(const Object& object) {
    return object.key.size() + object.bytes.size() + object.attributes.size();
}

}  // namespace pila::cluster::state

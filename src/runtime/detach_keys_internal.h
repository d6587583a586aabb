// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds the key sequence with which a user leaves an attached terminal. Its beginning is held back until it is clear
// that it is not one; the sequence itself never reaches the process.

#include <string>
#include <string_view>

namespace pila::runtime {

class DetachKeys {
public:
    explicit DetachKeys(std::string sequence) : sequence_(std::move(sequence)) {}

    // Appends to `out` what is for the process. true: the sequence is complete; what was typed behind it is dropped.
    bool filter(std::string_view typed, std::string& out);
    // What was held back when the input ended.
    std::string_view held() const { return std::string_view(sequence_).substr(0, matched_); }

private:
    std::string sequence_;
    std::size_t matched_ = 0;
};

}  // namespace pila::runtime

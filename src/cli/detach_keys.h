// SPDX-License-Identifier: Apache-2.0
#pragma once
// The key sequence that leaves a container's terminal: "ctrl-p,ctrl-q" by default.

#include <string>
#include <string_view>

#include "base/result.h"

namespace pila::cli {

Result<std::string> parse_detach_keys(std::string_view text);  // "" when text is ""

// Watches typed bytes for the sequence. What belongs to a started sequence is held back until it is clear that it does
// not.
class DetachWatch {
public:
    explicit DetachWatch(std::string keys) : keys_(std::move(keys)) {}
    // Appends to `pass` what is to be sent on; true: the sequence is complete (the rest of `typed` is dropped).
    bool feed(std::string_view typed, std::string& pass);

private:
    std::string keys_;
    std::size_t matched_ = 0;
};

}  // namespace pila::cli

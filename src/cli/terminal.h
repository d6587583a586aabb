// SPDX-License-Identifier: Apache-2.0
#pragma once
// The caller's terminal: its size, raw mode that undoes itself.

#include <memory>
#include <optional>

#include "base/result.h"

namespace pila::cli {

struct TerminalSize {
    unsigned rows = 0, columns = 0;
};

bool is_terminal(int descriptor);
std::optional<TerminalSize> terminal_size(int descriptor);

// Keys go through unchanged and unechoed until this is destroyed.
class RawMode {
public:
    static Result<RawMode> enter(int descriptor);
    RawMode(RawMode&&) noexcept;
    RawMode& operator=(RawMode&&) = delete;
    ~RawMode();

private:
    struct Saved;
    explicit RawMode(std::unique_ptr<Saved> saved);
    std::unique_ptr<Saved> saved_;
};

}  // namespace pila::cli

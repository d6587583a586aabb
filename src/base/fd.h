// SPDX-License-Identifier: Apache-2.0
#pragma once
// A descriptor that owns itself. Everything under src/ passes descriptors as Fd (owned) or FdView (borrowed), never
// int.

#include <utility>

#include "base/result.h"

namespace pila {

class Fd {
public:
    Fd() = default;
    explicit Fd(int owned) : fd_(owned) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~Fd() { reset(); }

    int get() const { return fd_; }
    bool valid() const { return fd_ >= 0; }
    explicit operator bool() const { return valid(); }
    int release() { return std::exchange(fd_, -1); }
    void reset() noexcept;
    // close(2) with its error: matters only for files that were written.
    Result<void> close() &&;
    // A second descriptor of the same open file, close-on-exec.
    Result<Fd> duplicate() const;

private:
    int fd_ = -1;
};

// Borrowed: valid as long as its owner is. Never closes.
class FdView {
public:
    FdView(const Fd& owner) : fd_(owner.get()) {}
    explicit constexpr FdView(int fd) : fd_(fd) {}
    int get() const { return fd_; }

private:
    int fd_;
};

}  // namespace pila

// SPDX-License-Identifier: Apache-2.0
#pragma once
// How pila reports failure: every fallible function returns Result<T>. The code is what a caller may branch on, the
// text is for people: what was attempted, on which object, then the operating system's reason; lower case, no full
// stop. See docs/decisions/001-errors.md.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace pila {

enum class Errc : std::uint8_t {
    NotFound,
    AlreadyExists,
    Conflict,
    Invalid,
    Unauthenticated,
    Denied,
    Unsupported,
    Exhausted,
    Unavailable,
    Timeout,
    Gone,
    Internal,
};

class [[nodiscard]] Error {
public:
    Error(Errc code, std::string message, int os_errno = 0)
        : message_(std::move(message)), os_errno_(os_errno), code_(code) {}

    // "<doing>: <strerror(os_errno)>", with the code that fits the errno (ENOENT: NotFound, EPERM: Denied, ...).
    static Error from_errno(int os_errno, std::string_view doing);

    Errc code() const { return code_; }
    int os_errno() const { return os_errno_; }
    const std::string& message() const { return message_; }

    // Prepends context, once per room boundary: "pulling nginx:1.27: connect 10.0.0.2:443: Connection refused".
    Error in(std::string_view doing) && {
        message_.insert(0, std::string(doing) + ": ");
        return std::move(*this);
    }
    Error with_code(Errc code) && {
        code_ = code;
        return std::move(*this);
    }

private:
    std::string message_;
    int os_errno_;
    Errc code_;
};

template <typename T>
class [[nodiscard]] Result {
public:
    using Value = T;
    Result(T value) : state_(std::in_place_index<1>, std::move(value)) {}
    template <typename U>
    requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error> && !std::is_same_v<std::remove_cvref_t<U>, Result>)
        Result(U&& value)
        : state_(std::in_place_index<1>, std::forward<U>(value)) {}
    Result(Error error) : state_(std::in_place_index<0>, std::move(error)) {}

    explicit operator bool() const { return state_.index() == 1; }
    bool ok() const { return state_.index() == 1; }
    T& value() { return std::get<1>(state_); }
    const T& value() const { return std::get<1>(state_); }
    T& operator*() { return value(); }
    const T& operator*() const { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    T take() { return std::move(std::get<1>(state_)); }
    T value_or(T fallback) && { return ok() ? take() : std::move(fallback); }
    const Error& error() const { return std::get<0>(state_); }
    Error take_error() { return std::move(std::get<0>(state_)); }

    Result in(std::string_view doing) && {
        if (!ok()) return std::move(std::get<0>(state_)).in(doing);
        return std::move(*this);
    }

private:
    std::variant<Error, T> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    using Value = void;
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    explicit operator bool() const { return !error_; }
    bool ok() const { return !error_; }
    void take() {}
    const Error& error() const { return *error_; }
    Error take_error() { return std::move(*error_); }
    Result in(std::string_view doing) && {
        if (error_) return std::move(*error_).in(doing);
        return {};
    }

private:
    std::optional<Error> error_;
};

// Says in code that a failure here is expected or harmless, and why.
template <typename T>
void ignore(Result<T>&&, std::string_view /*why it may fail*/) {}

}  // namespace pila

// TRY(f()): the value of f(), or return its error to our caller. One per expression.
#define TRY(...)                             \
    __extension__({                          \
        auto&& try_result_ = (__VA_ARGS__);  \
        if (!try_result_) [[unlikely]]       \
            return try_result_.take_error(); \
        try_result_.take();                  \
    })

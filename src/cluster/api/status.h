// SPDX-License-Identifier: Apache-2.0
#pragma once
// How the cluster's API says that something went wrong: metav1.Status (codes, reasons and texts as clients compare
// them: k8s.io/apimachinery/pkg/api/errors). Outcome<T> is Result<T> with such a status, for everything between a
// request and its answer; TRY works with both, and an Error becomes the status that fits its code.

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "cluster/kinds/cause.h"

namespace pila::cluster::schema {
struct Kind;
}

namespace pila::cluster::api {

using kinds::Cause;

struct Status {
    int code = 500;
    std::string reason = "InternalError";
    std::string message;
    // details; written only if one of them says something
    std::string name, group, kind, uid;
    std::vector<Cause> causes;
    int retry_after_seconds = 0;
    std::string continue_token;  // of an expired list

    Status(int code_, std::string reason_, std::string message_)
        : code(code_), reason(std::move(reason_)), message(std::move(message_)) {}
    Status(const Error& error);  // the code's status, the error's text

    std::string json() const;
};

// A deletion that left nothing to show.
std::string success_json(const schema::Kind& kind, std::string_view name, std::string_view uid);

template <typename T>
class [[nodiscard]] Outcome {
public:
    using Value = T;
    Outcome(T value) : state_(std::in_place_index<1>, std::move(value)) {}
    template <typename U>
    requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Status> && !std::is_same_v<std::remove_cvref_t<U>, Error> &&
             !std::is_same_v<std::remove_cvref_t<U>, Outcome>) Outcome(U&& value)
        : state_(std::in_place_index<1>, std::forward<U>(value)) {}
    Outcome(Status status) : state_(std::in_place_index<0>, std::move(status)) {}
    Outcome(const Error& error) : state_(std::in_place_index<0>, Status(error)) {}

    explicit operator bool() const { return state_.index() == 1; }
    T& operator*() { return std::get<1>(state_); }
    const T& operator*() const { return std::get<1>(state_); }
    T* operator->() { return &std::get<1>(state_); }
    T take() { return std::move(std::get<1>(state_)); }
    const Status& error() const { return std::get<0>(state_); }
    Status take_error() { return std::move(std::get<0>(state_)); }

private:
    std::variant<Status, T> state_;
};

template <>
class [[nodiscard]] Outcome<void> {
public:
    using Value = void;
    Outcome() = default;
    Outcome(Status status) : status_(std::move(status)) {}
    Outcome(const Error& error) : status_(Status(error)) {}

    explicit operator bool() const { return !status_; }
    void take() {}
    const Status& error() const { return *status_; }
    Status take_error() { return std::move(*status_); }

private:
    std::optional<Status> status_;
};

// The usual ones. `kind` names the resource: `deployments.apps "web" not found`.
Status not_found(const schema::Kind& kind, std::string_view name);
Status path_not_found();
Status already_exists(const schema::Kind& kind, std::string_view name);
Status modified_meanwhile(const schema::Kind& kind, std::string_view name);
Status conflict(const schema::Kind& kind, std::string_view name, std::string_view why);
Status invalid(const schema::Kind& kind, std::string_view name, std::vector<Cause> causes);
Status bad_request(std::string message);
Status forbidden(const schema::Kind& kind, std::string_view name, std::string_view why);
Status unauthorized();
Status method_not_allowed(const schema::Kind& kind, std::string_view verb);
Status not_acceptable(std::string_view accepted);
Status unsupported_media_type(std::string_view given, std::string_view supported);
Status too_large(std::string message);
Status expired(std::string message);
Status from_the_future(std::string_view asked, std::string_view newest);

}  // namespace pila::cluster::api

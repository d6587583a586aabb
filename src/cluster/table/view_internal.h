// SPDX-License-Identifier: Apache-2.0
#pragma once
// Walking trees from outside: a value of an unexpected type counts as not there, so that no object, however odd, needs
// a check of its own.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json.hpp>

namespace pila::cluster::table {

namespace json = boost::json;

class View {
public:
    View() = default;
    View(const json::value* value) : value_(value && !value->is_null() ? value : nullptr) {}
    View(const json::value& value) : View(&value) {}

    explicit operator bool() const { return value_ != nullptr; }
    const json::value* value() const { return value_; }

    View operator[](std::string_view name) const {
        const auto* object = value_ ? value_->if_object() : nullptr;
        return object ? View(object->if_contains(name)) : View();
    }
    std::string_view text() const {  // "": not there
        const auto* string = value_ ? value_->if_string() : nullptr;
        return string ? std::string_view(string->data(), string->size()) : std::string_view();
    }
    std::optional<std::int64_t> integer() const {
        if (!value_) return std::nullopt;
        if (const auto* number = value_->if_int64()) return *number;
        if (const auto* number = value_->if_uint64())  // beyond what int64 holds
            return static_cast<std::int64_t>(
                std::min<std::uint64_t>(*number, std::numeric_limits<std::int64_t>::max()));
        // JSON written elsewhere has whole numbers as 3.0, too.
        if (const auto* number = value_->if_double(); number && *number >= -9e15 && *number <= 9e15)
            return static_cast<std::int64_t>(*number);
        return std::nullopt;
    }
    // A field of 32 bits, 0 when it is not there: sums of them do not overflow.
    std::int64_t count() const {
        return std::clamp<std::int64_t>(integer().value_or(0), std::numeric_limits<std::int32_t>::min(),
                                        std::numeric_limits<std::int32_t>::max());
    }
    bool is_true() const { return value_ && value_->is_bool() && value_->get_bool(); }
    std::optional<bool> boolean() const {
        return value_ && value_->is_bool() ? std::optional(value_->get_bool()) : std::nullopt;
    }
    const json::array& list() const {
        static const json::array none;
        const auto* array = value_ ? value_->if_array() : nullptr;
        return array ? *array : none;
    }
    const json::object& map() const {
        static const json::object none;
        const auto* object = value_ ? value_->if_object() : nullptr;
        return object ? *object : none;
    }
    std::size_t size() const { return list().size() + map().size(); }  // one of them is empty

    // Text or a number, as text; `otherwise` when it is neither.
    std::string quantity(std::string_view otherwise) const;

private:
    const json::value* value_ = nullptr;
};

inline std::string_view key_of(const json::key_value_pair& member) {
    return {member.key().data(), member.key().size()};
}

// The condition of that type among {type, status, reason, ...}: the first one.
View find_condition(View conditions, std::string_view type);
bool has_true_condition(View conditions, std::string_view type);

}  // namespace pila::cluster::table

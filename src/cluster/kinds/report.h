// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a validation has found so far, and what it needs to know of the object as a whole.

#include <concepts>
#include <initializer_list>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "cluster/kinds/cause.h"
#include "cluster/kinds/path.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::kinds {

namespace json = boost::json;

class Report {
public:
    Report(const json::object& root, const schema::Kind& kind, bool is_update)
        : root_(root), kind_(kind), is_update_(is_update) {}

    const json::object& root() const { return root_; }
    const schema::Kind& kind() const { return kind_; }
    bool is_update() const { return is_update_; }
    bool is(std::string_view group, std::string_view kind) const {
        return kind_.group_version.group == group && kind_.name == kind;
    }
    bool is_full() const { return causes_.size() >= most; }
    std::vector<Cause> take() { return std::move(causes_); }

    void add(Cause cause);
    void required(const Path& path, std::string_view detail = "");
    void forbidden(const Path& path, std::string_view detail);
    void invalid(const Path& path, std::string_view value, std::string_view detail);
    // Only of trees: texts would become trees by themselves.
    template <std::same_as<json::value> Value>
    void invalid(const Path& path, const Value& value, std::string_view detail) {
        if (!is_full()) add(invalid_value(path.text(), value_text(value), detail));
    }
    void invalid_number(const Path& path, std::int64_t value, std::string_view detail);
    void each_invalid(const Path& path, std::string_view value, const std::vector<std::string>& details);
    void not_supported(const Path& path, std::string_view value, std::initializer_list<std::string_view> supported);
    void not_found(const Path& path, std::string_view value);
    void duplicate(const Path& path, std::string_view value);
    template <std::same_as<json::value> Value>
    void duplicate(const Path& path, const Value& value) {
        if (!is_full()) add(duplicate_value(path.text(), value_text(value)));
    }
    void too_long(const Path& path, std::size_t most_bytes);
    void too_many(const Path& path, std::size_t count, std::size_t most_items);

    // The number, if it is there, is not below zero; is within a range.
    void not_negative(const json::object& object, std::string_view name, const Path& path);
    void within(const json::object& object, std::string_view name, std::int64_t low, std::int64_t high,
                const Path& path);
    // On update: the two are alike ("field is immutable").
    void unchanged(const json::object& now, const json::object& old, std::string_view dotted,
                   std::string_view detail = "field is immutable");

private:
    static constexpr std::size_t most = 100;
    const json::object& root_;
    const schema::Kind& kind_;
    std::vector<Cause> causes_;
    bool is_update_;
};

}  // namespace pila::cluster::kinds

// SPDX-License-Identifier: Apache-2.0
#pragma once
// The part of JSONPath that columns of custom resources use: .spec.x, .metadata.annotations.example\.org/x, ['x'], [0],
// [-1], [*], .*, [?(@.type=="Ready")] with == != < <= > >= or just @.x. No slices, unions or "..". Threads: any.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/result.h"

namespace pila::cluster::table {

namespace json = boost::json;

class JsonPath {
public:
    // Begins with '.'; "." is the whole. Invalid says what at which byte.
    static Result<JsonPath> parse(std::string_view text);

    const json::value* first(const json::value& root) const;  // null: nothing there
    std::vector<std::string> names() const;                   // of its steps, if they are nothing but names; else none

private:
    friend class JsonPathReader;
    enum class Comparison : std::uint8_t { Exists, Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual };
    using Literal = std::variant<std::string, double, bool>;
    struct Step {
        enum class What : std::uint8_t { Name, Index, All, Filter } what = What::Name;
        std::string name;
        std::int64_t index = 0;
        std::vector<std::string> names;  // Filter: behind @
        Comparison comparison = Comparison::Exists;
        Literal literal;
    };
    const json::value* first(const json::value& value, std::size_t at) const;
    static bool passes(const Step& filter, const json::value& element);

    std::vector<Step> steps_;
};

}  // namespace pila::cluster::table

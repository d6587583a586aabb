// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the command lines of the processes that serve have in common: flags, one row of a table each.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::app {

Result<void> set_path(std::string& target, const std::string& value);      // absolute
Result<void> set_number(std::uint64_t& target, const std::string& value);  // up to a million
Result<void> set_switch(bool& target, const std::string& value);           // true, false

// "--name=value", or "--name" and then the value; "--name" alone is "true" where it is a switch.
class Flag {
public:
    static Result<Flag> read(std::string_view argument);
    std::string_view name() const { return name_; }
    // `at`: of the flag in `arguments`, moved on to its value if that stands by itself.
    Result<std::string> value(bool is_switch, const std::vector<std::string>& arguments, std::size_t& at) const;

private:
    Flag(std::string_view argument, std::size_t equals)
        : argument_(argument), name_(argument.substr(2, equals == argument.npos ? equals : equals - 2)) {}
    std::string_view argument_, name_;
};

}  // namespace pila::app

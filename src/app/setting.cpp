// SPDX-License-Identifier: Apache-2.0
#include "app/setting.h"

#include <fmt/core.h>

#include "base/text.h"

namespace pila::app {

Result<void> set_path(std::string& target, const std::string& value) {
    if (!value.starts_with("/")) return Error(Errc::Invalid, "must be an absolute path");
    target = value;
    return {};
}

Result<void> set_number(std::uint64_t& target, const std::string& value) {
    auto number = parse_uint(value);
    if (!number || *number > 1'000'000) return Error(Errc::Invalid, "must be a number from 0 to 1000000");
    target = *number;
    return {};
}

Result<void> set_switch(bool& target, const std::string& value) {
    if (value != "true" && value != "false") return Error(Errc::Invalid, "must be true or false");
    target = value == "true";
    return {};
}

Result<Flag> Flag::read(std::string_view argument) {
    if (!argument.starts_with("--")) return Error(Errc::Invalid, fmt::format("unexpected argument {}", argument));
    return Flag(argument, argument.find('='));
}

Result<std::string> Flag::value(bool is_switch, const std::vector<std::string>& arguments, std::size_t& at) const {
    auto equals = argument_.find('=');
    if (equals != std::string_view::npos) return std::string(argument_.substr(equals + 1));
    if (is_switch) return std::string("true");
    if (++at < arguments.size()) return arguments[at];
    return Error(Errc::Invalid, fmt::format("flag --{} needs a value", name_));
}

}  // namespace pila::app

// SPDX-License-Identifier: Apache-2.0
#include "cli/env_file.h"

#include <fmt/core.h>
#include <cerrno>
#include <cstdlib>

#include "base/text.h"
#include "cli/units.h"
#include "os/file.h"

namespace pila::cli {

Result<std::vector<std::string>> parse_env_text(std::string_view text, const std::string& file, BareNames bare) {
    std::vector<std::string> variables;
    auto invalid = [&](std::string message) {
        return Error(Errc::Invalid, fmt::format("invalid env file ({}): {}", file, message));
    };
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    std::size_t number = 0;
    for (auto line : split(text, '\n')) {
        ++number;
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        if (!is_utf8(line)) return invalid(fmt::format("invalid utf8 bytes at line {}: {}", number, go_quote(line)));
        line.remove_prefix(std::min(line.find_first_not_of(" \t\r\n\v\f"), line.size()));
        if (line.empty() || line[0] == '#') continue;
        auto equals = line.find('=');
        auto name = line.substr(0, equals);
        if (name.find_first_of(" \t\r\n\v\f") != std::string_view::npos)
            return invalid(fmt::format("variable '{}' contains whitespaces", name));
        if (name.empty()) return invalid(fmt::format("no variable name on line '{}'", line));
        if (equals != std::string_view::npos) {
            variables.emplace_back(line);
        } else if (bare == BareNames::FromEnvironment) {
            if (const char* value = std::getenv(std::string(name).c_str()))
                variables.push_back(fmt::format("{}={}", name, value));
        }
    }
    return variables;
}

Result<std::vector<std::string>> read_env_file(const std::string& path, BareNames bare) {
    auto text = os::read_file(path, 16U << 20);
    if (!text) {
        if (text.error().os_errno() == ENOENT)
            return Error(Errc::NotFound, fmt::format("open {}: no such file or directory", path));
        return text.take_error();
    }
    return parse_env_text(*text, path, bare);
}

}  // namespace pila::cli

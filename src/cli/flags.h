// SPDX-License-Identifier: Apache-2.0
#pragma once
// Command-line flags as data, with the syntax and the messages of docker's command line (docs/decisions/010-flags.md).

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "cli/cli.h"

namespace pila::cli {

using FlagSetter = std::function<Result<void>(std::string_view value)>;

struct Flag {
    // bool: may stand alone or as --flag=false. List: may be repeated. Setter: checks and stores by itself.
    using Target = std::variant<bool*, std::string*, std::vector<std::string>*, std::int64_t*, FlagSetter>;

    std::string_view name;
    char shorthand = 0;
    Target target;
    std::string_view help;
    std::string_view type = "";          // shown in the help; "": by the target's kind
    std::string_view default_text = "";  // shown in the help as (default ...)
    int minimum_api = 0;                 // 43 for API 1.43; windows_only
    bool hidden = false;
    bool changed = false;  // set by parse()
};
inline constexpr int windows_only = -1;

// How many positional arguments a verb takes.
struct Count {
    std::size_t least = 0;
    std::size_t most = std::numeric_limits<std::size_t>::max();
};

class Flags {
public:
    enum class Order : std::uint8_t { Anywhere, BeforeArguments };

    // `synopsis` is what follows the name in the usage line: "[OPTIONS] IMAGE [COMMAND] [ARG...]".
    Flags(const Invocation& invocation, std::string_view synopsis, std::string_view summary,
          Order order = Order::Anywhere)
        : invocation_(invocation), synopsis_(synopsis), summary_(summary), order_(order) {}

    void add(std::vector<Flag> flags);
    // A value: print nothing more, leave with this code (help was shown, or the error).
    std::optional<int> parse(Count count);

    bool changed(std::string_view name) const;
    const std::vector<std::string>& arguments() const { return arguments_; }
    const std::vector<Flag>& all() const { return flags_; }
    // The messages of flags in use that an API of version 1.`minor` cannot carry.
    Result<void> check_api(int minor) const;
    bool needs_api_check() const;
    std::string help() const;
    // For errors found after parsing: "pila: <message>\n\nRun 'pila run --help' for more information", returns 125.
    int refuse(std::string_view message) const;

private:
    Result<void> parse_arguments();
    Result<void> parse_long(std::string_view argument, std::size_t& next);
    Result<void> parse_short(std::string_view argument, std::size_t& next);
    Flag* find(std::string_view name);
    Flag* find(char shorthand);
    Result<void> assign(Flag& flag, std::string_view value);
    std::optional<int> check_count(Count count) const;

    const Invocation& invocation_;
    std::string_view synopsis_, summary_;
    Order order_;
    std::vector<Flag> flags_;
    std::vector<std::string> arguments_;
    bool help_ = false;
};

}  // namespace pila::cli

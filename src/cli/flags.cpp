// SPDX-License-Identifier: Apache-2.0
#include "cli/flags.h"

#include <fmt/core.h>
#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "cli/units.h"
#include "cli/wrap.h"

namespace pila::cli {

namespace {

Error refusal(std::string message) { return Error(Errc::Invalid, std::move(message)); }

bool takes_no_value(const Flag& flag) { return std::holds_alternative<bool*>(flag.target); }

std::string title(const Flag& flag) {
    return flag.shorthand ? fmt::format("-{}, --{}", flag.shorthand, flag.name) : fmt::format("--{}", flag.name);
}

std::string_view type_of(const Flag& flag) {
    if (!flag.type.empty() || takes_no_value(flag)) return flag.type;
    if (std::holds_alternative<std::vector<std::string>*>(flag.target)) return "list";
    return std::holds_alternative<std::int64_t*>(flag.target) ? "int" : "string";
}

}  // namespace

void Flags::add(std::vector<Flag> flags) {
    flags_.insert(flags_.end(), std::make_move_iterator(flags.begin()), std::make_move_iterator(flags.end()));
}

Flag* Flags::find(std::string_view name) {
    auto found = std::find_if(flags_.begin(), flags_.end(), [&](const Flag& flag) { return flag.name == name; });
    return found == flags_.end() ? nullptr : &*found;
}

Flag* Flags::find(char shorthand) {
    auto found =
        std::find_if(flags_.begin(), flags_.end(), [&](const Flag& flag) { return flag.shorthand == shorthand; });
    return found == flags_.end() ? nullptr : &*found;
}

bool Flags::changed(std::string_view name) const {
    return std::any_of(flags_.begin(), flags_.end(),
                       [&](const Flag& flag) { return flag.name == name && flag.changed; });
}

Result<void> Flags::assign(Flag& flag, std::string_view value) {
    auto store = [&]() -> Result<void> {
        if (auto* target = std::get_if<bool*>(&flag.target)) {
            **target = TRY(parse_go_bool(value));
        } else if (auto* text = std::get_if<std::string*>(&flag.target)) {
            **text = value;
        } else if (auto* list = std::get_if<std::vector<std::string>*>(&flag.target)) {
            (*list)->emplace_back(value);
        } else if (auto* number = std::get_if<std::int64_t*>(&flag.target)) {
            **number = TRY(parse_go_int(value));
        } else {
            TRY(std::get<FlagSetter>(flag.target)(value));
        }
        return {};
    };
    auto stored = store();
    if (!stored)
        return refusal(fmt::format("invalid argument {} for \"{}\" flag: {}", go_quote(value), title(flag),
                                   stored.error().message()));
    flag.changed = true;
    return {};
}

Result<void> Flags::parse_long(std::string_view argument, std::size_t& next) {
    auto body = argument.substr(2);
    auto equals = body.find('=');
    auto name = body.substr(0, equals);
    if (name.empty() || name[0] == '-') return refusal(fmt::format("bad flag syntax: {}", argument));
    Flag* flag = find(name);
    if (!flag) {
        if (name != "help") return refusal(fmt::format("unknown flag: --{}", name));
        help_ = equals == std::string_view::npos || parse_go_bool(body.substr(equals + 1)).value_or(true);
        return {};
    }
    if (equals != std::string_view::npos) return assign(*flag, body.substr(equals + 1));
    if (takes_no_value(*flag)) return assign(*flag, "true");
    if (next >= invocation_.arguments.size()) return refusal(fmt::format("flag needs an argument: --{}", name));
    return assign(*flag, invocation_.arguments[next++]);
}

Result<void> Flags::parse_short(std::string_view argument, std::size_t& next) {
    for (auto rest = argument.substr(1); !rest.empty();) {
        char letter = rest[0];
        Flag* flag = find(letter);
        if (!flag) {
            if (letter != 'h') return refusal(fmt::format("unknown shorthand flag: '{}' in -{}", letter, rest));
            help_ = true;
            return {};
        }
        if (rest.size() > 2 && rest[1] == '=') return assign(*flag, rest.substr(2));
        if (takes_no_value(*flag)) {
            TRY(assign(*flag, "true"));
            rest.remove_prefix(1);
            continue;
        }
        if (rest.size() > 1) return assign(*flag, rest.substr(1));
        if (next >= invocation_.arguments.size())
            return refusal(fmt::format("flag needs an argument: '{}' in -{}", letter, rest));
        return assign(*flag, invocation_.arguments[next++]);
    }
    return {};
}

Result<void> Flags::parse_arguments() {
    const auto& given = invocation_.arguments;
    for (std::size_t next = 0; next < given.size();) {
        std::string_view argument = given[next++];
        bool plain = argument.size() < 2 || argument[0] != '-';
        if (argument == "--" || (plain && order_ == Order::BeforeArguments)) {
            if (plain) --next;
            arguments_.insert(arguments_.end(), given.begin() + static_cast<std::ptrdiff_t>(next), given.end());
            return {};
        }
        if (plain)
            arguments_.emplace_back(argument);
        else if (argument[1] == '-')
            TRY(parse_long(argument, next));
        else
            TRY(parse_short(argument, next));
        if (help_) return {};
    }
    return {};
}

std::optional<int> Flags::check_count(Count count) const {
    auto given = arguments_.size();
    if (given >= count.least && given <= count.most) return std::nullopt;
    std::string wants;
    auto noun = [](std::size_t number) { return number == 1 ? "argument" : "arguments"; };
    if (count.most == 0)
        wants = "accepts no arguments";
    else if (count.least == count.most)
        wants = fmt::format("requires {} {}", count.least, noun(count.least));
    else if (given < count.least && count.most == Count{}.most)
        wants = fmt::format("requires at least {} {}", count.least, noun(count.least));
    else if (count.least > 0)
        wants = fmt::format("requires at least {} and at most {} arguments", count.least, count.most);
    else
        wants = fmt::format("requires at most {} {}", count.most, noun(count.most));
    fmt::print(stderr, "pila: 'pila {0}' {1}\n\nUsage:  pila {0} {2}\n\nSee 'pila {0} --help' for more information\n",
               invocation_.name, wants, synopsis_);
    return 1;
}

std::optional<int> Flags::parse(Count count) {
    auto parsed = parse_arguments();
    if (help_) {
        auto text = help();
        std::fwrite(text.data(), 1, text.size(), stdout);
        return 0;
    }
    if (!parsed) {
        fmt::print(stderr, "{0}\n\nUsage:  pila {1} {2}\n\nRun 'pila {1} --help' for more information\n",
                   parsed.error().message(), invocation_.name, synopsis_);
        return 125;
    }
    return check_count(count);
}

int Flags::refuse(std::string_view message) const {
    fmt::print(stderr, "pila: {}\n\nRun 'pila {} --help' for more information\n", message, invocation_.name);
    return 125;
}

bool Flags::needs_api_check() const {
    return std::any_of(flags_.begin(), flags_.end(), [](const Flag& flag) { return flag.changed && flag.minimum_api; });
}

Result<void> Flags::check_api(int minor) const {
    std::vector<std::string> problems;
    for (const auto& flag : flags_) {
        if (!flag.changed || flag.minimum_api == 0) continue;
        if (flag.minimum_api == windows_only)
            problems.push_back(
                fmt::format("\"--{}\" is only supported on a Docker daemon running on windows, but the "
                            "Docker daemon is running on linux",
                            flag.name));
        else if (flag.minimum_api > minor)
            problems.push_back(
                fmt::format("\"--{}\" requires API version 1.{}, but the Docker daemon API version is 1.{}", flag.name,
                            flag.minimum_api, minor));
    }
    if (!problems.empty()) return Error(Errc::Unsupported, join(problems, "\n"));
    return {};
}

std::string Flags::help() const {
    auto text = fmt::format("Usage:  pila {} {}\n\n{}\n", invocation_.name, synopsis_, summary_);
    std::vector<std::pair<std::string, std::string>> lines;
    bool any_shorthand = false;
    for (const auto& flag : flags_) any_shorthand |= flag.shorthand != 0 && !flag.hidden;
    for (const auto& flag : flags_) {
        if (flag.hidden) continue;
        std::string left = flag.shorthand  ? fmt::format("  -{}, --{}", flag.shorthand, flag.name)
                           : any_shorthand ? fmt::format("      --{}", flag.name)
                                           : fmt::format("      --{}", flag.name);
        if (auto type = type_of(flag); !type.empty()) left += fmt::format(" {}", type);
        std::string right(flag.help);
        if (!flag.default_text.empty()) right += fmt::format(" (default {})", flag.default_text);
        lines.emplace_back(std::move(left), std::move(right));
    }
    if (lines.empty()) return text;
    std::sort(lines.begin(), lines.end(), [](const auto& one, const auto& other) {
        return one.first.substr(one.first.find("--")) < other.first.substr(other.first.find("--"));
    });
    return text + "\nOptions:\n" + two_columns(lines);
}

}  // namespace pila::cli

// SPDX-License-Identifier: Apache-2.0
#include "runtime/options_internal.h"

#include <optional>

#include <fmt/core.h>

#include "base/text.h"

namespace pila::runtime {

Options& Options::add(Option option) {
    options_.push_back(std::move(option));
    return *this;
}

Options& Options::flag(std::string_view name, bool& into, char letter) {
    return add({name, letter, false, [&into, name](std::string_view value) -> Result<void> {
                    if (value != "" && value != "true" && value != "false")
                        return Error(Errc::Invalid, fmt::format("option --{}: must be true or false", name));
                    into = value != "false";
                    return {};
                }});
}

Options& Options::text(std::string_view name, std::string& into, char letter) {
    return add({name, letter, true, [&into](std::string_view value) -> Result<void> {
                    into = value;
                    return {};
                }});
}

Options& Options::texts(std::string_view name, std::vector<std::string>& into, char letter) {
    return add({name, letter, true, [&into](std::string_view value) -> Result<void> {
                    into.emplace_back(value);
                    return {};
                }});
}

Options& Options::number(std::string_view name, std::optional<std::int64_t>& into, char letter) {
    return add({name, letter, true, [&into, name](std::string_view value) -> Result<void> {
                    into = parse_int(value);
                    if (into) return {};
                    return Error(Errc::Invalid,
                                 fmt::format("option --{}: \"{}\" is no whole number", name, printable(value)));
                }});
}

Options& Options::ignored(std::string_view name, bool with_value) {
    return add({name, 0, with_value, [](std::string_view) { return Result<void>{}; }});
}

const Options::Option* Options::find(std::string_view word) const {
    for (const auto& option : options_)
        if (word == option.name || (word.size() == 1 && word[0] == option.letter)) return &option;
    return nullptr;
}

Result<void> Options::take(int argc, char** argv, int& at) const {
    std::string_view word = argv[at];
    auto body = word.substr(word.starts_with("--") ? 2 : 1);
    auto equals = body.find('=');
    const auto* option = find(body.substr(0, equals));
    if (!option) return Error(Errc::Invalid, fmt::format("unknown option {}", printable(word)));
    if (equals != std::string_view::npos) return option->set(body.substr(equals + 1));
    if (!option->takes_value) return option->set("");
    if (++at >= argc) return Error(Errc::Invalid, fmt::format("option {} needs a value", printable(word)));
    return option->set(argv[at]);
}

static bool is_option(std::string_view word) { return word.size() > 1 && word[0] == '-'; }

Result<void> Options::parse_front(int argc, char** argv, int& first) const {
    for (first = 0; first < argc && is_option(argv[first]); ++first) {
        if (std::string_view(argv[first]) == "--") {
            ++first;
            break;
        }
        TRY(take(argc, argv, first));
    }
    return {};
}

Result<std::vector<std::string>> Options::parse_all(int argc, char** argv) const {
    std::vector<std::string> others;
    bool options = true;
    for (int i = 0; i < argc; ++i) {
        if (options && std::string_view(argv[i]) == "--")
            options = false;
        else if (options && is_option(argv[i]))
            TRY(take(argc, argv, i));
        else
            others.emplace_back(argv[i]);
    }
    return others;
}

}  // namespace pila::runtime

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Options of the command line in the forms that callers of runc and crun write: --name VALUE, --name=VALUE, -n VALUE,
// -name; flags also as --name=false.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::runtime {

class Options {
public:
    Options& flag(std::string_view name, bool& into, char letter = 0);
    Options& text(std::string_view name, std::string& into, char letter = 0);
    Options& texts(std::string_view name, std::vector<std::string>& into, char letter = 0);  // may be repeated
    Options& number(std::string_view name, std::optional<std::int64_t>& into, char letter = 0);
    // Taken for the sake of callers that pass it; it changes nothing here.
    Options& ignored(std::string_view name, bool with_value);

    // Takes the options from the front, sets `first` to the first word that is none.
    Result<void> parse_front(int argc, char** argv, int& first) const;
    // Takes them wherever they are; the other words are returned.
    Result<std::vector<std::string>> parse_all(int argc, char** argv) const;

private:
    struct Option {
        std::string_view name;
        char letter;
        bool takes_value;
        std::function<Result<void>(std::string_view)> set;
    };
    Options& add(Option option);
    const Option* find(std::string_view word) const;
    Result<void> take(int argc, char** argv, int& at) const;

    std::vector<Option> options_;
};

}  // namespace pila::runtime

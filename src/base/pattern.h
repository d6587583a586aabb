// SPDX-License-Identifier: Apache-2.0
#pragma once
// Regular expressions that come from outside: POSIX extended ones, which is what people write in filters of Go's.

#include <memory>
#include <string>

#include "base/result.h"

namespace pila {

class Pattern {
public:
    static Result<Pattern> compile(const std::string& text);  // Invalid: "error parsing regexp: ..."
    bool matches(const std::string& text) const;              // anywhere in it

private:
    struct Compiled;
    explicit Pattern(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
    std::shared_ptr<const Compiled> compiled_;
};

}  // namespace pila

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Regular expressions in the syntax of Go's regexp (RE2), matched in time linear in the text: they come from schemas
// that anybody may write and meet texts that anybody may send. Without \p{...}. Threads: any.

#include <memory>
#include <string_view>

#include "base/result.h"

namespace pila {

class GoPattern {
public:
    static Result<GoPattern> compile(std::string_view text);  // Invalid: "error parsing regexp: ...", as Go words it
    bool matches(std::string_view text) const;                // anywhere in it; bytes that are not UTF-8 are U+FFFD

    struct Program;

private:
    explicit GoPattern(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
    std::shared_ptr<const Program> program_;
};

}  // namespace pila

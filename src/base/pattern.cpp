// SPDX-License-Identifier: Apache-2.0
#include "base/pattern.h"

#include <regex.h>

#include <fmt/core.h>

namespace pila {

static constexpr std::size_t longest_pattern = 1000;  // a person's; the matcher's time grows with it

struct Pattern::Compiled {
    regex_t regex{};
    bool good = false;
    ~Compiled() {
        if (good) ::regfree(&regex);
    }
};

Result<Pattern> Pattern::compile(const std::string& text) {
    if (text.size() > longest_pattern) return Error(Errc::Invalid, "error parsing regexp: expression is too long");
    auto compiled = std::make_shared<Compiled>();
    int failed = ::regcomp(&compiled->regex, text.c_str(), REG_EXTENDED | REG_NOSUB);
    if (failed != 0) {
        char why[256];
        ::regerror(failed, &compiled->regex, why, sizeof why);
        return Error(Errc::Invalid, fmt::format("error parsing regexp: {}: `{}`", why, text));
    }
    compiled->good = true;
    return Pattern(std::move(compiled));
}

bool Pattern::matches(const std::string& text) const {
    return ::regexec(&compiled_->regex, text.c_str(), 0, nullptr, 0) == 0;
}

}  // namespace pila

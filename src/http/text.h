// SPDX-License-Identifier: Apache-2.0
#pragma once
// The small grammar of HTTP (RFC 9110 section 5.6) that several files here need.

#include <string_view>

namespace pila::http {

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Header names and list members compare without case.
inline bool same_name(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}

bool is_token(std::string_view text);                           // 1*tchar
bool is_field_value(std::string_view text);                     // no CR, LF, NUL: cannot end its line
bool list_has(std::string_view list, std::string_view member);  // "keep-alive, Upgrade"

}  // namespace pila::http

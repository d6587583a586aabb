// SPDX-License-Identifier: Apache-2.0
#pragma once
// Values as programs written in Go read them, with their errors: users and clients know Docker's.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pila {

// "64m", "1.5gib", "1 gb" -> bytes, in units of 1024.
Result<std::int64_t> parse_ram_size(std::string_view text);
// "1h30m", "100ms", "-1.5h", to nanoseconds
Result<std::int64_t> parse_go_duration(std::string_view text);
Result<bool> parse_go_bool(std::string_view text);
Result<std::int64_t> parse_go_int(std::string_view text, std::string_view function = "ParseInt");
Result<std::uint64_t> parse_go_uint(std::string_view text, std::string_view function = "ParseUint");
std::string go_quote(std::string_view text);  // as %q: printable UTF-8 stays

}  // namespace pila

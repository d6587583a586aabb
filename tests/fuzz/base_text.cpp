// SPDX-License-Identifier: Apache-2.0
// Quoting must always give what the JSON reader takes back; times must survive being written and read.
#include <cstdlib>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "base/time.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto quoted = pila::parse_json(pila::json_quote(text));
    if (!quoted || !quoted.value().is_string()) std::abort();
    if (pila::is_utf8(text) && std::string_view(quoted.value().as_string()) != text) std::abort();
    if (const auto value = pila::parse_json(text)) {
        if (!pila::parse_json(pila::to_json(value.value()))) std::abort();
    }
    if (const auto time = pila::parse_rfc3339(text)) {
        const auto again = pila::parse_rfc3339(pila::rfc3339_nano(*time));
        if (!again || again->nanoseconds != time->nanoseconds) std::abort();
    }
    pila::parse_int(text);
    pila::parse_uint(text, 8);
    return 0;
}

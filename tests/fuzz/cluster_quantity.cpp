// SPDX-License-Identifier: Apache-2.0
// The canonical text of an amount is its own canonical text, and the same amount. Times likewise.
#include <cstdint>
#include <cstdlib>

#include "cluster/codec/codec.h"
#include "cluster/codec/quantity.h"

namespace codec = pila::cluster::codec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (auto amount = codec::Quantity::parse(text)) {
        auto again = codec::Quantity::parse(amount->text());
        if (!again || *again != *amount || again->text() != amount->text()) std::abort();
        auto none = *amount - *again;
        auto twice = *amount + *amount;  // capped
        if (!none.is_zero() || (amount->is_negative() ? twice > *amount : twice < *amount)) std::abort();
        if ((amount->milli() < 0) != amount->is_negative() || (amount->value() == 0) != amount->is_zero()) std::abort();
    }
    if (auto micro = codec::parse_time(text)) {
        auto again = codec::parse_time(codec::format_micro_time(*micro));
        constexpr std::int64_t day = 86'400'000'000, first = -62'135'596'800'000'000, last = 253'402'300'799'000'000;
        if (*micro > first + day && *micro < last - day && (!again || *again != *micro)) std::abort();
    }
    return 0;
}

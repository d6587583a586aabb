// SPDX-License-Identifier: Apache-2.0
#pragma once
// Amounts of resources: "100m", "1.5Gi", "2e3". Exact to billionths (what is finer is rounded up, away from zero) and
// to 10^28; beyond that, and binary ones beyond 63 bits, values are capped (as in
// k8s.io/apimachinery/pkg/api/resource).

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pila::cluster::codec {

class Quantity {
public:
    enum class Format : std::uint8_t { Decimal, Binary, Exponent };  // 1k, 1Ki, 1e3

    Quantity() = default;
    static Quantity of_milli(std::int64_t milli, Format format = Format::Decimal);
    static Result<Quantity> parse(std::string_view text);

    std::string text() const;    // canonical
    std::int64_t milli() const;  // thousandths, rounded up, saturated
    std::int64_t value() const;  // whole units, rounded up, saturated
    bool is_negative() const { return nano_ < 0; }
    bool is_zero() const { return nano_ == 0; }
    Quantity operator+(const Quantity& other) const;
    Quantity operator-(const Quantity& other) const;
    std::strong_ordering operator<=>(const Quantity& other) const { return nano_ <=> other.nano_; }
    bool operator==(const Quantity& other) const { return nano_ == other.nano_; }

private:
    __extension__ typedef __int128 Wide;
    Wide nano_ = 0;  // billionths
    Format format_ = Format::Decimal;
};

}  // namespace pila::cluster::codec

// SPDX-License-Identifier: Apache-2.0
#include "cluster/codec/quantity.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/text.h"

namespace pila::cluster::codec {

namespace {

__extension__ typedef __int128 Wide;

constexpr std::size_t max_text = 1024;
constexpr Wide nano_per_unit = 1'000'000'000;
constexpr Wide most_binary = Wide(std::numeric_limits<std::int64_t>::max()) * nano_per_unit;
constexpr Wide most = Wide(10'000'000'000'000'000'000U) * 1'000'000'000'000'000'000;  // 10^28 units; twice it fits

struct Suffix {
    Quantity::Format format = Quantity::Format::Decimal;
    int exponent = 0;  // of 10, or of 2
};

constexpr std::string_view decimal_suffixes[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
constexpr std::string_view binary_suffixes[] = {"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};

Error not_a_quantity() {
    return {Errc::Invalid,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"};
}

std::size_t end_of_digits(std::string_view text, std::size_t from) {
    while (from < text.size() && text[from] >= '0' && text[from] <= '9') ++from;
    return from;
}

Result<Suffix> parse_suffix(std::string_view text) {
    auto end = std::min(text.find_first_not_of("eEinumkKMGTP"), text.size());
    if (end < text.size() && (text[end] == '-' || text[end] == '+')) ++end;
    if (end_of_digits(text, end) != text.size()) return not_a_quantity();
    for (int index = 0; index < 10; ++index)
        if (text == decimal_suffixes[index]) return Suffix{Quantity::Format::Decimal, (index - 3) * 3};
    for (int index = 0; index < 6; ++index)
        if (text == binary_suffixes[index]) return Suffix{Quantity::Format::Binary, (index + 1) * 10};
    if (text.size() > 1 && (text[0] == 'e' || text[0] == 'E')) {
        if (auto exponent = parse_int(text.substr(text[1] == '+' ? 2 : 1))) {
            auto near = static_cast<int>(std::clamp<std::int64_t>(*exponent, -1000, 1000));
            return Suffix{Quantity::Format::Exponent, near};
        }
    }
    return Error(Errc::Invalid, "unable to parse quantity's suffix");
}

// What is beyond the largest amount becomes it: also the answer to every overflow on the way.
Wide times(Wide value, Wide factor) { return value > most / factor ? most : value * factor; }

// digits * 10^power, what is left of the decimal point of billionths rounded up
Wide scaled(std::string_view digits, int power) {
    Wide value = 0;
    bool inexact = false;
    for (auto left = static_cast<int>(digits.size()); char c : digits) {
        if (power + --left < 0)
            inexact |= c != '0';
        else
            value = value >= most / 10 ? most : value * 10 + (c - '0');
    }
    if (value != 0)
        for (int index = 0; index < power && value < most; ++index) value = times(value, 10);
    return inexact ? std::min(value + 1, most) : value;
}

// (whole + 0.fraction) * 2^exponent. Eighteen digits of the fraction times 2^60 are what 128 bits hold.
Wide of_binary(std::string_view whole, std::string_view fraction, int exponent) {
    constexpr std::size_t digits = 18;
    auto units = scaled(whole, 0);
    auto value = times(times(units, nano_per_unit), Wide(1) << exponent);
    auto kept = fraction.substr(0, digits);
    auto part = scaled(kept, static_cast<int>(digits - kept.size())) << exponent;
    bool inexact = part % nano_per_unit != 0 || fraction.find_first_not_of('0', kept.size()) != fraction.npos;
    return std::min(value + part / nano_per_unit + (inexact ? 1 : 0), most_binary);
}

std::int64_t rounded_up(Wide value, Wide unit) {
    Wide whole = value / unit;
    if (value > 0 && value % unit != 0) ++whole;
    if (value < 0 && value % unit != 0) --whole;  // away from zero, as Kubernetes rounds
    return static_cast<std::int64_t>(std::clamp(whole, Wide(std::numeric_limits<std::int64_t>::min()),
                                                Wide(std::numeric_limits<std::int64_t>::max())));
}

std::string number_text(Wide value) {
    std::string text;
    bool negative = value < 0;
    do {
        auto digit = static_cast<int>(value % 10);
        text += static_cast<char>('0' + (digit < 0 ? -digit : digit));
        value /= 10;
    } while (value != 0);
    if (negative) text += '-';
    return {text.rbegin(), text.rend()};
}

// How often `factor` goes into `value` without a rest, at most `most_times`; it is taken out.
int remove_factors(Wide& value, Wide factor, int most_times) {
    int count = 0;
    while (count < most_times && value % factor == 0) {
        value /= factor;
        ++count;
    }
    return count;
}

Wide saturated(Wide value) { return std::clamp(value, -most, most); }

}  // namespace

Quantity Quantity::of_milli(std::int64_t milli, Format format) {
    Quantity made;
    made.nano_ = Wide(milli) * 1'000'000;
    made.format_ = format;
    return made;
}

Result<Quantity> Quantity::parse(std::string_view text) {
    bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    auto end = end_of_digits(text, 0);
    auto whole = text.substr(0, end);
    std::string_view fraction;
    if (end < text.size() && text[end] == '.') {
        auto begin = end + 1;
        end = end_of_digits(text, begin);
        fraction = text.substr(begin, end - begin);
    }
    if (text.size() > max_text || (whole.empty() && fraction.empty())) return not_a_quantity();
    auto suffix = TRY(parse_suffix(text.substr(end)));
    Quantity made;
    made.format_ = suffix.format;
    if (suffix.format == Format::Binary)
        made.nano_ = of_binary(whole, fraction, suffix.exponent);
    else
        made.nano_ =
            scaled(std::string(whole).append(fraction), 9 + suffix.exponent - static_cast<int>(fraction.size()));
    if (negative) made.nano_ = -made.nano_;
    return made;
}

std::int64_t Quantity::milli() const { return rounded_up(nano_, 1'000'000); }
std::int64_t Quantity::value() const { return rounded_up(nano_, nano_per_unit); }

// As CanonicalizeBytes: amounts under 1Ki and those with a fraction are decimal, whatever they were written as.
std::string Quantity::text() const {
    if (nano_ == 0) return "0";
    Wide value = nano_;
    if (format_ == Format::Binary && nano_ % nano_per_unit == 0) {
        value /= nano_per_unit;
        if (value >= 1024 || value <= -1024) {
            int times_1024 = remove_factors(value, 1024, 6);
            return number_text(value).append(times_1024 == 0 ? "" : binary_suffixes[times_1024 - 1]);
        }
        value = nano_;
    }
    int thousands = remove_factors(value, 1000, format_ == Format::Exponent ? 100 : 9) - 3;
    auto text = number_text(value);
    if (format_ != Format::Exponent) return text.append(decimal_suffixes[thousands + 3]);
    return thousands == 0 ? text : fmt::format("{}e{}", text, thousands * 3);
}

Quantity Quantity::operator+(const Quantity& other) const {
    Quantity sum;
    sum.format_ = is_zero() ? other.format_ : format_;
    sum.nano_ = saturated(nano_ + other.nano_);
    return sum;
}

Quantity Quantity::operator-(const Quantity& other) const {
    Quantity difference;
    difference.format_ = is_zero() ? other.format_ : format_;
    difference.nano_ = saturated(nano_ - other.nano_);
    return difference;
}

}  // namespace pila::cluster::codec

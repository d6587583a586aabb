// SPDX-License-Identifier: Apache-2.0
#include "cluster/codec/quantity.h"

#include <map>

#include "cluster/codec/test_support_internal.h"

using namespace pila;
using namespace pila::cluster::codec;

namespace {

Quantity quantity(std::string_view text) {
    auto parsed = Quantity::parse(text);
    REQUIRE_MESSAGE(parsed.ok(), std::string(text));
    return *parsed;
}

}  // namespace

TEST_CASE("amounts are written as kubectl writes them") {
    // kubectl keeps the text where mantissa and exponent are canonical but their spelling is not; pila never does. Its
    // "1000E" ends as "1", and it keeps what is too large.
    const std::map<std::string, std::string> other = {
        {"1.", "1"},        {"+1", "1"},       {"000100", "100"}, {"1E3", "1e3"},
        {"1e0", "1"},       {"1e+3", "1e3"},   {"1e+03", "1e3"},  {"123456789.987654321", "123456789987654321n"},
        {"1000E", "1000E"}, {"1e30", "10e27"}, {"1.5", "1500m"}};
    auto rows = read_table(PILA_FIXTURES "/kubernetes/quantities.tsv");
    CHECK(rows.size() > 80);
    for (const auto& row : rows) {
        INFO(row[0]);
        auto known = other.find(row[0]);
        CHECK(quantity(row[0]).text() == (known == other.end() ? row[1] : known->second));
        auto text = quantity(row[0]).text();
        CHECK(quantity(text).text() == text);
        CHECK(quantity(text) == quantity(row[0]));
    }
}

TEST_CASE("what is no amount is refused as Kubernetes does") {
    auto refused = [](std::string_view text) {
        auto parsed = Quantity::parse(text);
        REQUIRE_MESSAGE(!parsed.ok(), std::string(text));
        return parsed.error().message();
    };
    for (std::string_view text :
         {"1x", "1.2.3", "a", "1e1.5", "1KI", "0x10", "1_000", "", ".", "+", "-", "Ki", " 1", "1 ", "1e+-3"})
        CHECK_MESSAGE(refused(text).starts_with("quantities must match the regular expression"), std::string(text));
    for (std::string_view text : {"1Mii", "1e", "1ee3", "1kk", "1m1", "1i", "1mi", "1e99999999999999999999"})
        CHECK_MESSAGE(refused(text) == "unable to parse quantity's suffix", std::string(text));
    CHECK_FALSE(Quantity::parse(std::string(5000, '1')).ok());
}

TEST_CASE("amounts are compared, added and rounded") {
    CHECK(quantity("1Gi") > quantity("1G"));
    CHECK(quantity("1000m") == quantity("1"));
    CHECK(quantity("-1") < quantity("0"));
    CHECK((quantity("1500m") + quantity("0.5")).text() == "2");
    CHECK((quantity("1Gi") - quantity("512Mi")).text() == "512Mi");
    CHECK((quantity("0") + quantity("1Gi")).text() == "1Gi");
    CHECK((quantity("1Gi") + quantity("1G")).text() == "2073741824");
    CHECK((quantity("1") - quantity("2")).text() == "-1");
    CHECK((quantity("1") - quantity("2")).is_negative());
    CHECK((quantity("1") - quantity("1")).is_zero());
    CHECK(quantity("1001u").milli() == 2);
    CHECK(quantity("-1001u").milli() == -2);
    CHECK(quantity("1.1").value() == 2);
    CHECK(quantity("100E").value() == INT64_MAX);
    CHECK(quantity("-100E").value() == INT64_MIN);
    CHECK(quantity("100E").milli() == INT64_MAX);
    CHECK(Quantity::of_milli(1500).text() == "1500m");
    CHECK(Quantity::of_milli(1024'000, Quantity::Format::Binary).text() == "1Ki");
    auto largest = quantity("1e999");
    CHECK((largest + largest) == largest);
    CHECK((quantity("-1e999") - largest).is_negative());
    CHECK(quantity("99999999999999999999Ei").value() == INT64_MAX);
    CHECK(quantity("1e-999").text() == "1e-9");
}

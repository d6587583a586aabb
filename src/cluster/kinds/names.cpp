// SPDX-License-Identifier: Apache-2.0
#include "cluster/kinds/names.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/core.h>

#include "base/text.h"

namespace pila::cluster::kinds {

namespace {

constexpr std::size_t longest_label = 63, longest_subdomain = 253;

// The pattern each message ends with: people paste it into their tools.
constexpr std::string_view label_pattern = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
constexpr std::string_view subdomain_pattern = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
constexpr std::string_view search_pattern = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";
constexpr std::string_view qualified_pattern = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

bool is_lower(char letter) { return letter >= 'a' && letter <= 'z'; }
bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }
bool is_lower_or_digit(char letter) { return is_lower(letter) || is_digit(letter); }
bool is_alphanumeric(char letter) { return is_lower_or_digit(letter) || (letter >= 'A' && letter <= 'Z'); }
bool is_name_letter(char letter) { return is_alphanumeric(letter) || letter == '-' || letter == '_' || letter == '.'; }

std::string pattern_fault(std::string_view message, std::string_view pattern,
                          std::initializer_list<std::string_view> examples) {
    std::string text(message);
    text += " (e.g. ";
    bool first = true;
    for (auto example : examples) {
        if (!first) text += " or ";
        first = false;
        text += fmt::format("'{}', ", example);
    }
    return text + fmt::format("regex used for validation is '{}')", pattern);
}

bool is_label_form(std::string_view text) {
    return !text.empty() && is_lower_or_digit(text.front()) && is_lower_or_digit(text.back()) &&
           std::all_of(text.begin(), text.end(),
                       [](char letter) { return is_lower_or_digit(letter) || letter == '-'; });
}

bool is_search_form(std::string_view text) {
    if (text.starts_with('_')) text.remove_prefix(1);
    return !text.empty() && is_lower_or_digit(text.front()) && is_lower_or_digit(text.back()) &&
           std::all_of(text.begin(), text.end(),
                       [](char letter) { return is_lower_or_digit(letter) || letter == '-' || letter == '_'; });
}

bool each_part(std::string_view text, bool (*fits)(std::string_view)) {
    for (;;) {
        const auto dot = text.find('.');
        if (!fits(text.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        text.remove_prefix(dot + 1);
    }
}

// [A-Za-z0-9] at both ends, those and -_. between.
bool is_qualified_form(std::string_view text) {
    return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
           std::all_of(text.begin(), text.end(), is_name_letter);
}

void limit(Faults& faults, std::string_view text, std::size_t most) {
    if (text.size() > most) faults.push_back(at_most_bytes(most));
}

}  // namespace

std::string at_most_bytes(std::size_t most) { return fmt::format("must be no more than {} bytes", most); }

std::string between(std::int64_t low, std::int64_t high) {
    return fmt::format("must be between {} and {}, inclusive", low, high);
}

Faults dns_label(std::string_view text) {
    Faults faults;
    limit(faults, text, longest_label);
    if (is_label_form(text)) return faults;
    if (each_part(text, is_label_form)) {
        faults.emplace_back("must not contain dots");
        return faults;
    }
    faults.push_back(
        pattern_fault("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
                      "'-', and must start and end with an alphanumeric character",
                      label_pattern, {"my-name", "123-abc"}));
    return faults;
}

// Parts between dots, each of a form of its own.
static Faults dotted(std::string_view text, bool (*is_part)(std::string_view), std::string_view rule,
                     std::string_view pattern) {
    Faults faults;
    limit(faults, text, longest_subdomain);
    if (!each_part(text, is_part)) faults.push_back(pattern_fault(rule, pattern, {"example.com"}));
    return faults;
}

Faults dns_subdomain(std::string_view text) {
    return dotted(text, is_label_form,
                  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
                  "must start and end with an alphanumeric character",
                  subdomain_pattern);
}

Faults dns_search(std::string_view text) {
    return dotted(text, is_search_form,
                  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
                  "and must start and end with an alphanumeric character",
                  search_pattern);
}

Faults dns_1035_label(std::string_view text) {
    Faults faults;
    limit(faults, text, longest_label);
    if (!is_label_form(text) || !is_lower(text.front()))
        faults.push_back(
            pattern_fault("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
                          "alphabetic character, and end with an alphanumeric character",
                          "[a-z]([-a-z0-9]*[a-z0-9])?", {"my-name", "abc-123"}));
    return faults;
}

Faults wildcard_subdomain(std::string_view text) {
    Faults faults;
    limit(faults, text, longest_subdomain);
    if (!text.starts_with("*.") || !each_part(text.substr(2), is_label_form))
        faults.push_back(pattern_fault(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist "
            "of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            "\\*\\." + std::string(subdomain_pattern), {"*.example.com"}));
    return faults;
}

Faults qualified_name(std::string_view text) {
    Faults faults;
    auto name = text;
    if (const auto slash = text.find('/'); slash != std::string_view::npos) {
        const auto prefix = text.substr(0, slash);
        name = text.substr(slash + 1);
        if (name.find('/') != std::string_view::npos) {
            faults.push_back(pattern_fault("a qualified name must consist of alphanumeric characters, '-', '_' or '.', "
                                           "and must start and end with an alphanumeric character",
                                           qualified_pattern, {"MyName", "my.name", "123-abc"}) +
                             " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')");
            return faults;
        }
        if (prefix.empty())
            faults.emplace_back("prefix part must be non-empty");
        else
            for (const auto& fault : dns_subdomain(prefix)) faults.push_back("prefix part " + fault);
    }
    if (name.empty()) faults.emplace_back("name part must be non-empty");
    if (name.size() > longest_label) faults.push_back("name part " + at_most_bytes(longest_label));
    if (!is_qualified_form(name))
        faults.push_back(
            pattern_fault("name part must consist of alphanumeric characters, '-', '_' or '.', and must "
                          "start and end with an alphanumeric character",
                          qualified_pattern, {"MyName", "my.name", "123-abc"}));
    return faults;
}

Faults label_value(std::string_view text) {
    Faults faults;
    limit(faults, text, longest_label);
    if (!text.empty() && !is_qualified_form(text))
        faults.push_back(
            pattern_fault("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
                          "'.', and must start and end with an alphanumeric character",
                          "(" + std::string(qualified_pattern) + ")?", {"MyValue", "my_value", "12345"}));
    return faults;
}

Faults path_segment(std::string_view text) {
    if (text == "." || text == "..") return {fmt::format("may not be '{}'", text)};
    Faults faults;
    for (auto letter : {'/', '%'})
        if (text.find(letter) != std::string_view::npos) faults.push_back(fmt::format("may not contain '{}'", letter));
    return faults;
}

Faults config_key(std::string_view text) {
    Faults faults;
    limit(faults, text, longest_subdomain);
    if (text.empty() || !std::all_of(text.begin(), text.end(), is_name_letter))
        faults.push_back(pattern_fault("a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                                       "[-._a-zA-Z0-9]+", {"key.name", "KEY_NAME", "key-name"}));
    if (text == ".")
        faults.emplace_back("must not be '.'");
    else if (text == "..")
        faults.emplace_back("must not be '..'");
    else if (text.starts_with(".."))
        faults.emplace_back("must not start with '..'");
    return faults;
}

Faults environment_name(std::string_view text) {
    if (text.empty()) return {"environment variable name must be non-empty"};
    if (std::any_of(text.begin(), text.end(),
                    [](char letter) { return letter < ' ' || letter > '~' || letter == '='; }))
        return {"a valid environment variable name must consist only of printable ASCII characters other than '='"};
    return {};
}

Faults header_name(std::string_view text) {
    if (!text.empty() &&
        std::all_of(text.begin(), text.end(), [](char letter) { return is_alphanumeric(letter) || letter == '-'; }))
        return {};
    return {pattern_fault("a valid HTTP header must consist of alphanumeric characters or '-'", "[-A-Za-z0-9]+",
                          {"X-Header-Name"})};
}

Faults port_name(std::string_view text) {
    Faults faults;
    limit(faults, text, 15);
    if (text.empty() ||
        !std::all_of(text.begin(), text.end(), [](char letter) { return is_lower_or_digit(letter) || letter == '-'; }))
        faults.emplace_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    if (std::none_of(text.begin(), text.end(), is_lower)) faults.emplace_back("must contain at least one letter (a-z)");
    if (text.find("--") != std::string_view::npos) faults.emplace_back("must not contain consecutive hyphens");
    if (text.starts_with('-') || text.ends_with('-')) faults.emplace_back("must not begin or end with a hyphen");
    return faults;
}

Faults port_number(std::int64_t number) {
    if (number >= 1 && number <= 65535) return {};
    return {between(1, 65535)};
}

Faults percentage(std::string_view text) {
    if (text.size() > 1 && text.back() == '%' && std::all_of(text.begin(), text.end() - 1, is_digit)) return {};
    return {pattern_fault("a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%",
                          {"1%", "93%"})};
}

namespace {

bool parses(int family, std::string_view text) {
    unsigned char address[16];
    return text.size() < INET6_ADDRSTRLEN && inet_pton(family, std::string(text).c_str(), address) == 1;
}

}  // namespace

bool is_ipv6_address(std::string_view text) {
    return text.find('\0') == std::string_view::npos && parses(AF_INET6, text);
}

bool is_ip_address(std::string_view text) {
    return text.find('\0') == std::string_view::npos && (parses(AF_INET, text) || parses(AF_INET6, text));
}

bool is_cidr(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos || !is_ip_address(text.substr(0, slash))) return false;
    const auto bits = text.substr(slash + 1);
    int number = 0;
    const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), number);
    return error == std::errc() && end == bits.data() + bits.size() && number >= 0 &&
           !(bits.size() > 1 && bits[0] == '0') && number <= (is_ipv6_address(text.substr(0, slash)) ? 128 : 32);
}

bool has_backsteps(std::string_view path) {
    const auto steps = split(path, '/');
    return std::any_of(steps.begin(), steps.end(), [](const auto& step) { return step == ".."; });
}

}  // namespace pila::cluster::kinds

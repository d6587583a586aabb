// SPDX-License-Identifier: Apache-2.0
// Endpoints and endpoint slices: where services lead.
#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "cluster/kinds/addresses.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

using Bytes = std::array<unsigned char, 16>;

// IPv4 as its mapped IPv6 form.
Bytes bytes_of(std::string_view address) {
    Bytes bytes{};
    const std::string text(address);
    if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
    bytes.fill(0);
    bytes[10] = bytes[11] = 0xFF;
    inet_pton(AF_INET, text.c_str(), bytes.data() + 12);
    return bytes;
}

bool is_v4(const Bytes& bytes) {
    for (std::size_t i = 0; i < 10; ++i)
        if (bytes[i] != 0) return false;
    return bytes[10] == 0xFF && bytes[11] == 0xFF;
}

bool is_zero(const Bytes& bytes, std::size_t from, std::size_t to) {
    for (auto i = from; i < to; ++i)
        if (bytes[i] != 0) return false;
    return true;
}

void port(const json::object& value, const Path& path, Report& report) {
    const auto name = text_at(value, "name"), application = text_at(value, "appProtocol");
    if (!name.empty()) report.each_invalid(path.field("name"), name, dns_label(name));
    const auto number = integer_at(value, "port");
    // A slice may leave it open ("all ports").
    if (number || !report.is("discovery.k8s.io", "EndpointSlice"))
        for (const auto& fault : port_number(number.value_or(0)))
            report.invalid_number(path.field("port"), number.value_or(0), fault);
    if (!application.empty()) report.each_invalid(path.field("appProtocol"), application, qualified_name(application));
}

void check_ports(const json::object& value, const Path& path, Report& report) {
    const auto* ports = list_at(value, "ports");
    std::set<std::string_view> names;
    each_object(ports, [&](const json::object& one, std::size_t i) {
        const Path at = path.item("ports", i);
        const auto name = text_at(one, "name");
        if (report.is("discovery.k8s.io", "EndpointSlice")) {
            if (!names.insert(name).second) report.duplicate(at.field("name"), name);
        } else if (name.empty() && ports->size() > 1) {
            report.required(at.field("name"));
        }
    });
    if (ports && ports->size() > 20000) report.too_many(path.field("ports"), ports->size(), 20000);
}

void subset(const json::object& value, const Path& path, Report& report) {
    if (!has_items(value, "addresses") && !has_items(value, "notReadyAddresses"))
        report.required(path, "must specify `addresses` or `notReadyAddresses`");
    check_ports(value, path, report);
}

void check_names(const json::object& value, const Path& path, Report& report) {
    const auto host = text_at(value, "hostname"), node = text_at(value, "nodeName");
    if (!host.empty()) report.each_invalid(path.field("hostname"), host, dns_label(host));
    if (!node.empty()) report.each_invalid(path.field("nodeName"), node, dns_subdomain(node));
}

void address(const json::object& value, const Path& path, Report& report) {
    check_ordinary_address(text_at(value, "ip"), path.field("ip"), report);
    check_names(value, path, report);
}

void check_endpoint(const json::object& value, std::string_view type, const Path& path, Report& report) {
    const auto* addresses = list_at(value, "addresses");
    if (!addresses || addresses->empty())
        report.required(path.field("addresses"), "must contain at least 1 address");
    else if (addresses->size() > 100)
        report.too_many(path.field("addresses"), addresses->size(), 100);
    for (std::size_t i = 0; addresses && i < addresses->size(); ++i) {
        const auto text = text_of((*addresses)[i]);
        const Path at = path.item("addresses", i);
        if (type == "FQDN")
            report.each_invalid(at, text, dns_subdomain(text));
        else if (type == "IPv4" && (!is_ip_address(text) || is_ipv6_address(text)))
            report.invalid(at, text, "must be a valid IPv4 address");
        else if (type == "IPv6" && !is_ipv6_address(text))
            report.invalid(at, text, "must be a valid IPv6 address");
        else
            check_ordinary_address(text, at, report);
    }
    check_names(value, path, report);
}

void slice(const json::object& value, const Path& path, Report& report) {
    const auto* endpoints = list_at(value, "endpoints");
    if (endpoints && endpoints->size() > 1000) report.too_many(path.field("endpoints"), endpoints->size(), 1000);
    each_object(endpoints, [&](const json::object& endpoint, std::size_t i) {
        check_endpoint(endpoint, text_at(value, "addressType"), path.item("endpoints", i), report);
    });
    check_ports(value, path, report);
}

constexpr CheckRow rows[] = {
    {"core.v1.EndpointAddress", address}, {"core.v1.EndpointPort", port},        {"core.v1.EndpointSubset", subset},
    {"discovery.v1.EndpointPort", port},  {"discovery.v1.EndpointSlice", slice},
};

}  // namespace

void check_ordinary_address(std::string_view text, const Path& path, Report& report) {
    if (!is_ip_address(text)) return report.invalid(path, text, not_an_ip);
    const auto bytes = bytes_of(text);
    const bool v4 = is_v4(bytes);
    if (v4 ? is_zero(bytes, 12, 16) : is_zero(bytes, 0, 16))
        report.invalid(path, text, fmt::format("may not be unspecified ({})", text));
    if (v4 ? bytes[12] == 127 : is_zero(bytes, 0, 15) && bytes[15] == 1)
        report.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    if (v4 ? bytes[12] == 169 && bytes[13] == 254 : bytes[0] == 0xFE && (bytes[1] & 0xC0) == 0x80)
        report.invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    if (v4 ? bytes[12] == 224 && bytes[13] == 0 && bytes[14] == 0 : bytes[0] == 0xFF && (bytes[1] & 0x0F) == 0x02)
        report.invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
}

bool is_within(std::string_view inner, std::string_view outer) {
    const auto first = inner.find('/'), second = outer.find('/');
    const auto small = bytes_of(inner.substr(0, first)), large = bytes_of(outer.substr(0, second));
    if (is_ipv6_address(inner.substr(0, first)) != is_ipv6_address(outer.substr(0, second))) return false;
    const std::size_t shift = is_ipv6_address(outer.substr(0, second)) ? 0 : 96;
    std::size_t small_bits = 0, large_bits = 0;
    std::from_chars(inner.data() + first + 1, inner.data() + inner.size(), small_bits);
    std::from_chars(outer.data() + second + 1, outer.data() + outer.size(), large_bits);
    if (small_bits <= large_bits) return false;
    for (std::size_t bit = shift; bit < shift + large_bits; ++bit) {
        const auto mask = static_cast<unsigned char>(0x80U >> (bit % 8));
        if ((small[bit / 8] & mask) != (large[bit / 8] & mask)) return false;
    }
    return true;
}

std::span<const CheckRow> endpoint_checks() { return rows; }

}  // namespace pila::cluster::kinds

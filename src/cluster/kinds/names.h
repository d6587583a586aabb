// SPDX-License-Identifier: Apache-2.0
#pragma once
// What texts may look like: names, labels, keys, ports, addresses, paths. Each answers with what is wrong, in the words
// that clients of Kubernetes know (k8s.io/apimachinery/pkg/util/validation); empty: nothing.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pila::cluster::kinds {

using Faults = std::vector<std::string>;

Faults dns_label(std::string_view text);           // RFC 1123: my-name
Faults dns_subdomain(std::string_view text);       // RFC 1123: example.com
Faults dns_search(std::string_view text);          // the same with underscores
Faults dns_1035_label(std::string_view text);      // begins with a letter
Faults wildcard_subdomain(std::string_view text);  // *.example.com
Faults qualified_name(std::string_view text);      // [example.com/]MyName
Faults label_value(std::string_view text);
Faults path_segment(std::string_view text);  // fit for one step of a URL
Faults config_key(std::string_view text);    // of ConfigMaps and Secrets
Faults environment_name(std::string_view text);
Faults header_name(std::string_view text);
Faults port_name(std::string_view text);
Faults port_number(std::int64_t number);
Faults percentage(std::string_view text);

std::string at_most_bytes(std::size_t most);
std::string between(std::int64_t low, std::int64_t high);

bool is_ip_address(std::string_view text);
bool is_ipv6_address(std::string_view text);
bool is_cidr(std::string_view text);
inline constexpr std::string_view not_an_ip = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
inline constexpr std::string_view not_a_cidr = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
// A step ".." somewhere.
bool has_backsteps(std::string_view path);

}  // namespace pila::cluster::kinds

// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <algorithm>

#include "base/text.h"
#include "cli/container_options.h"
#include "cli/container_values.h"
#include "cli/filter_flag.h"
#include "cli/listing.h"
#include "cli/template.h"
#include "cli/units.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

struct Prefix {
    int family = 0;
    unsigned length = 0;
    unsigned char address[16] = {};
};

std::optional<Prefix> parse_address(const std::string& text) {
    Prefix prefix;
    if (::inet_pton(AF_INET, text.c_str(), prefix.address) == 1)
        return Prefix{AF_INET, 32, {prefix.address[0], prefix.address[1], prefix.address[2], prefix.address[3]}};
    if (::inet_pton(AF_INET6, text.c_str(), prefix.address) != 1) return std::nullopt;
    prefix.family = AF_INET6;
    prefix.length = 128;
    return prefix;
}

std::optional<Prefix> parse_prefix(const std::string& text) {
    auto slash = text.find('/');
    if (slash == std::string::npos) return std::nullopt;
    auto prefix = parse_address(text.substr(0, slash));
    auto length = parse_uint(std::string_view(text).substr(slash + 1));
    if (!prefix || !length || *length > prefix->length) return std::nullopt;
    prefix->length = static_cast<unsigned>(*length);
    return prefix;
}

bool contains(const Prefix& outer, const Prefix& inner) {
    if (outer.family != inner.family || inner.length < outer.length) return false;
    for (unsigned bit = 0; bit < outer.length; ++bit)
        if ((outer.address[bit / 8] ^ inner.address[bit / 8]) & (0x80 >> bit % 8)) return false;
    return true;
}

struct Addressing {
    std::vector<std::string> subnets, ranges, gateways, auxiliary;
};

Error invalid(std::string message) { return Error(Errc::Invalid, std::move(message)); }

// Finds the subnet that an address or range belongs to; each subnet takes one gateway and one range.
Result<std::size_t> home_of(const Addressing& a, const std::string& text, std::string_view what) {
    auto inner = text.find('/') == std::string::npos ? parse_address(text) : parse_prefix(text);
    if (!inner) return invalid(fmt::format("invalid {} {}", what, text));
    for (std::size_t i = 0; i < a.subnets.size(); ++i)
        if (auto outer = parse_prefix(a.subnets[i]); outer && contains(*outer, *inner)) return i;
    return invalid(fmt::format("no matching subnet for {} {}", what, text));
}

Result<json::array> ipam_config(const Addressing& a) {
    if (a.subnets.size() < a.ranges.size() || a.subnets.size() < a.gateways.size())
        return invalid("every ip-range or gateway must have a corresponding subnet");
    for (std::size_t i = 0; i < a.subnets.size(); ++i) {
        for (std::size_t k = 0; k < i; ++k) {
            auto one = parse_prefix(a.subnets[i]), other = parse_prefix(a.subnets[k]);
            if (one && other && (contains(*one, *other) || contains(*other, *one)))
                return invalid("multiple overlapping subnet configuration is not supported");
        }
    }
    std::vector<json::object> configs(a.subnets.size());
    for (std::size_t i = 0; i < a.subnets.size(); ++i) configs[i]["Subnet"] = a.subnets[i];
    auto place = [&](const std::vector<std::string>& values, const char* key, std::string_view what) -> Result<void> {
        for (const auto& value : values) {
            auto home = TRY(home_of(a, value, what));
            if (configs[home].contains(key))
                return invalid(fmt::format("cannot configure multiple {}s ({}, {}) on the same subnet ({})", what,
                                           value, as_text(configs[home][key]), a.subnets[home]));
            configs[home][key] = value;
        }
        return {};
    };
    TRY(place(a.ranges, "IPRange", "ip-range"));
    TRY(place(a.gateways, "Gateway", "gateway"));
    for (const auto& item : a.auxiliary) {
        auto equals = item.find('=');
        if (equals == std::string::npos) return invalid(fmt::format("invalid aux-address {}", item));
        auto home = TRY(home_of(a, item.substr(equals + 1), "aux-address"));
        auto& addresses = configs[home]["AuxiliaryAddresses"];
        if (!addresses.is_object()) addresses = json::object();
        addresses.get_object()[item.substr(0, equals)] = item.substr(equals + 1);
    }
    json::array list;
    for (auto& config : configs) list.push_back(std::move(config));
    return list;
}

}  // namespace

int network_create_verb(Invocation& invocation) {
    bool attachable = false, ingress = false, internal = false, ipv4 = true, ipv6 = false, config_only = false;
    std::string driver = "bridge", ipam_driver = "default", scope, config_from;
    std::vector<std::string> labels, options, ipam_options;
    Addressing addressing;
    Flags flags(invocation, "[OPTIONS] NETWORK", "Create a network");
    flags.add({{"attachable", 0, &attachable, "Let containers be attached by hand"},
               {"aux-address", 0, &addressing.auxiliary, "Further addresses that the driver uses", "map", "map[]"},
               {"config-from", 0, &config_from, "Network to copy the configuration from"},
               {"config-only", 0, &config_only, "Create a network that is only a configuration"},
               {"driver", 'd', &driver, "Driver of the network", "", "\"bridge\""},
               {"gateway", 0, &addressing.gateways, "Gateway of a subnet", "strings"},
               {"ingress", 0, &ingress, "Create the routing mesh network of a swarm"},
               {"internal", 0, &internal, "Restrict access from and to outside"},
               {"ip-range", 0, &addressing.ranges, "Range of a subnet that addresses are taken from", "strings"},
               {"ipam-driver", 0, &ipam_driver, "Driver of address management", "", "\"default\""},
               {"ipam-opt", 0, &ipam_options, "Option of address management", "map", "map[]"},
               {"ipv4", 0, &ipv4, "Assign IPv4 addresses", "", "true"},
               {"ipv6", 0, &ipv6, "Assign IPv6 addresses"},
               {"label", 0, label(labels), "Set a label", "list"},
               {"opt", 'o', &options, "Option of the driver", "map", "map[]"},
               {"scope", 0, &scope, "Scope of the network"},
               {"subnet", 0, &addressing.subnets, "Subnet in CIDR form", "strings"}});
    if (auto code = flags.parse({1, 1})) return *code;
    auto config = ipam_config(addressing);
    if (!config) return fail(config.error());
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    json::object body;
    body["Name"] = flags.arguments()[0];
    if ((*api)->minor() < 44) body["CheckDuplicate"] = true;
    body["Driver"] = driver;
    body["Scope"] = scope;
    if (flags.changed("ipv4")) body["EnableIPv4"] = ipv4;
    if (flags.changed("ipv6")) body["EnableIPv6"] = ipv6;
    body["IPAM"] =
        json::object{{"Driver", ipam_driver}, {"Options", pairs_of(ipam_options)}, {"Config", std::move(*config)}};
    body["Internal"] = internal;
    body["Attachable"] = attachable;
    body["Ingress"] = ingress;
    body["ConfigOnly"] = config_only;
    body["ConfigFrom"] =
        config_from.empty() ? json::value(nullptr) : json::value(json::object{{"Network", config_from}});
    body["Options"] = pairs_of(options);
    body["Labels"] = pairs_of(labels);
    auto created = (*api)->json({.method = "POST", .path = "/networks/create", .body = compact_json(body)});
    if (!created) return fail(created.error());
    fmt::print("{}\n", text(*created, "Id"));
    return 0;
}

int network_connect_verb(Invocation& invocation) {
    NetworkAttachment settings;
    std::vector<std::string> driver_options;
    std::int64_t priority = 0;
    Flags flags(invocation, "[OPTIONS] NETWORK CONTAINER", "Connect a container to a network");
    flags.add({{"alias", 0, &settings.aliases, "Further name of the container on the network", "strings"},
               {"driver-opt", 0, &driver_options, "Option of the driver", "strings"},
               {"gw-priority", 0, &priority, "The network of highest priority gives the default gateway"},
               {"ip", 0, &settings.ip, "IPv4 address (e.g., \"172.30.100.104\")"},
               {"ip6", 0, &settings.ip6, "IPv6 address (e.g., \"2001:db8::33\")"},
               {"link", 0, link_name(settings.links), "Add a link to another container", "list"},
               {"link-local-ip", 0, &settings.link_local_ips, "Link-local address of the container", "strings"}});
    if (auto code = flags.parse({2, 2})) return *code;
    for (const auto& option : driver_options) {
        auto equals = option.find('=');
        if (equals == std::string::npos || equals == 0) return fail("invalid key/value pair format in driver options");
        settings.driver_options.emplace_back(option.substr(0, equals), option.substr(equals + 1));
    }
    settings.gateway_priority = priority;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto endpoint = endpoint_settings(settings);
    if (endpoint["IPAMConfig"].is_null()) endpoint["IPAMConfig"] = json::object();
    if (endpoint["Aliases"].is_null()) endpoint["Aliases"] = json::array();
    if (endpoint["DriverOpts"].is_null()) endpoint["DriverOpts"] = json::object();
    json::object body{{"Container", flags.arguments()[1]}, {"EndpointConfig", std::move(endpoint)}};
    auto connected = (*api)->done({.method = "POST",
                                   .path = fmt::format("/networks/{}/connect", path_part(flags.arguments()[0])),
                                   .body = compact_json(body)});
    return connected ? 0 : fail(connected.error());
}

int network_disconnect_verb(Invocation& invocation) {
    bool force = false;
    Flags flags(invocation, "[OPTIONS] NETWORK CONTAINER", "Disconnect a container from a network");
    flags.add({{"force", 'f', &force, "Force the container off the network"}});
    if (auto code = flags.parse({2, 2})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    json::object body{{"Container", flags.arguments()[1]}, {"Force", force}};
    auto done = (*api)->done({.method = "POST",
                              .path = fmt::format("/networks/{}/disconnect", path_part(flags.arguments()[0])),
                              .body = compact_json(body)});
    return done ? 0 : fail(done.error());
}

int network_ls_verb(Invocation& invocation) {
    bool full = false, quiet = false;
    std::string format;
    Filters filters;
    Flags flags(invocation, "[OPTIONS]", "List networks");
    flags.add({filter_flag(filters, 'f', "Only networks that fit the condition (e.g. \"driver=bridge\")"),
               {"format", 0, &format, "Format: 'table', 'table TEMPLATE', 'json' or a Go template"},
               {"no-trunc", 0, &full, "Do not cut the output"},
               {"quiet", 'q', &quiet, "Show ids only"}});
    if (auto code = flags.parse({0, 0})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    Call call{.path = "/networks"};
    call.query.add_if(!filters.empty(), "filters", filters.text());
    auto networks = (*api)->json(call);
    if (!networks) return fail(networks.error());
    std::vector<const json::value*> sorted;
    for (const auto& network : items(*networks)) sorted.push_back(&network);
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](auto* one, auto* other) { return natural_less(text(*one, "Name"), text(*other, "Name")); });
    Listing listing(quiet && format.empty() ? "{{.ID}}" : format, "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
                    {{"CreatedAt", "CREATED AT"},
                     {"Driver", "DRIVER"},
                     {"ID", "NETWORK ID"},
                     {"IPv4", "IPV4"},
                     {"IPv6", "IPV6"},
                     {"Internal", "INTERNAL"},
                     {"Labels", "LABELS"},
                     {"Name", "NAME"},
                     {"Scope", "SCOPE"}});
    for (const auto* network : sorted) {
        Row row;
        row.labels = members(*network, "Labels");
        auto flag = [&](std::string_view key) { return truthy(*network, key) ? "true" : "false"; };
        auto created = text(*network, "Created");
        auto time = parse_rfc3339(created);
        std::string at = created;
        if (time) {
            at = local_time(time->seconds());
            auto nano = rfc3339_nano(*time);
            if (auto dot = nano.find('.'); dot != std::string::npos)
                at.insert(19, nano.substr(dot, nano.size() - dot - 1));
        }
        row.columns["CreatedAt"] = at;
        row.columns["Driver"] = text(*network, "Driver");
        row.columns["ID"] = full ? text(*network, "Id") : short_id(text(*network, "Id"));
        row.columns["IPv4"] = flag("EnableIPv4");
        row.columns["IPv6"] = flag("EnableIPv6");
        row.columns["Internal"] = flag("Internal");
        row.columns["Labels"] = label_text(row.labels);
        row.columns["Name"] = text(*network, "Name");
        row.columns["Scope"] = text(*network, "Scope");
        listing.add(std::move(row));
    }
    return listing.print();
}

int network_rm_verb(Invocation& invocation) {
    bool force = false;
    Flags flags(invocation, "NETWORK [NETWORK...]", "Remove one or more networks");
    flags.add({{"force", 'f', &force, "No error when the network does not exist"}});
    if (auto code = flags.parse({.least = 1})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    int code = 0;
    for (const auto& name : flags.arguments()) {
        auto removed = (*api)->done({.method = "DELETE", .path = "/networks/" + path_part(name)});
        if (removed) {
            fmt::print("{}\n", name);
        } else if (!(force && removed.error().code() == Errc::NotFound)) {
            fail(removed.error());
            code = 1;
        }
    }
    if (code != 0) fmt::print(stderr, "exit status 1\n");
    return code;
}

}  // namespace pila::cli

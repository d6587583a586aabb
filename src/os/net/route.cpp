// SPDX-License-Identifier: Apache-2.0
#include "os/net/route.h"

#include <cerrno>
#include <cstring>

#include <fmt/core.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <unistd.h>

#include "os/net/attributes_internal.h"

namespace pila::os::net {

static constexpr std::uint8_t addr_gen_mode_none = 1;  // IN6_ADDR_GEN_MODE_NONE

bool have_ipv6() {
    static const bool present = ::access("/proc/sys/net/ipv6/conf/all", F_OK) == 0;
    return present;
}

static ifinfomsg* begin_link(Batch& batch, std::uint16_t type, std::uint16_t flags, std::string doing,
                             int tolerated = 0) {
    batch.begin(type, flags, std::move(doing), tolerated);
    return batch.header<ifinfomsg>();
}

void add_bridge(Batch& batch, const std::string& name, const Mac& mac, std::uint32_t mtu) {
    begin_link(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "create bridge " + name);
    auto* message = batch.current();
    mnl_attr_put_strz(message, IFLA_IFNAME, name.c_str());
    mnl_attr_put(message, IFLA_ADDRESS, mac.size(), mac.data());
    if (mtu) mnl_attr_put_u32(message, IFLA_MTU, mtu);
    auto* info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
    mnl_attr_nest_end(message, info);
}

static void create_veth(Batch& batch, const VethSpec& spec) {
    begin_link(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "create link pair " + spec.name);
    auto* message = batch.current();
    mnl_attr_put_strz(message, IFLA_IFNAME, spec.name.c_str());
    if (spec.mtu) mnl_attr_put_u32(message, IFLA_MTU, spec.mtu);
    if (spec.group) mnl_attr_put_u32(message, IFLA_GROUP, spec.group);
    auto* info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
    auto* data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    auto* peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
    auto* peer_header = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
    peer_header->ifi_index = spec.peer_index;
    mnl_attr_put_strz(message, IFLA_IFNAME, spec.peer_name.c_str());
    if (spec.mtu) mnl_attr_put_u32(message, IFLA_MTU, spec.mtu);
    if (spec.peer_mac) mnl_attr_put(message, IFLA_ADDRESS, spec.peer_mac->size(), spec.peer_mac->data());
    if (spec.peer_namespace >= 0)
        mnl_attr_put_u32(message, IFLA_NET_NS_FD, static_cast<std::uint32_t>(spec.peer_namespace));
    mnl_attr_nest_end(message, peer);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
}

// Of a bridge port; only once it is one, hence a message of its own.
static void set_port_flag(Batch& batch, const std::string& name, std::uint16_t flag) {
    begin_link(batch, RTM_NEWLINK, 0, "set bridge port flag of " + name);
    auto* message = batch.current();
    mnl_attr_put_strz(message, IFLA_IFNAME, name.c_str());
    auto* info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_SLAVE_KIND, "bridge");
    auto* data = mnl_attr_nest_start(message, IFLA_INFO_SLAVE_DATA);
    mnl_attr_put_u8(message, flag, 1);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
}

void add_veth(Batch& batch, const VethSpec& spec) {
    create_veth(batch, spec);
    auto* header = begin_link(batch, RTM_NEWLINK, 0, fmt::format("join link {} to bridge {}", spec.name, spec.master));
    auto* message = batch.current();
    header->ifi_flags = header->ifi_change = IFF_UP;
    mnl_attr_put_strz(message, IFLA_IFNAME, spec.name.c_str());
    if (spec.master_index) mnl_attr_put_u32(message, IFLA_MASTER, static_cast<std::uint32_t>(spec.master_index));
    if (have_ipv6()) {
        auto* families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
        auto* inet6 = mnl_attr_nest_start(message, AF_INET6);
        mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, addr_gen_mode_none);
        mnl_attr_nest_end(message, inet6);
        mnl_attr_nest_end(message, families);
    }
    if (spec.isolated) set_port_flag(batch, spec.name, IFLA_BRPORT_ISOLATED);
}

void set_hairpin(Batch& batch, const std::string& name) { set_port_flag(batch, name, IFLA_BRPORT_MODE); }

void set_link_up(Batch& batch, int index, const std::string& name) {
    auto* header = begin_link(batch, RTM_NEWLINK, 0, fmt::format("bring up {}", name));
    header->ifi_index = index;
    header->ifi_flags = header->ifi_change = IFF_UP;
}

void set_link_up(Batch& batch, const std::string& name) {
    set_link_up(batch, 0, name);
    mnl_attr_put_strz(batch.current(), IFLA_IFNAME, name.c_str());
}

void set_link_mac(Batch& batch, int index, const Mac& mac) {
    begin_link(batch, RTM_NEWLINK, 0, "set link address " + mac_text(mac))->ifi_index = index;
    mnl_attr_put(batch.current(), IFLA_ADDRESS, mac.size(), mac.data());
}

void set_link_group(Batch& batch, const std::string& name, std::uint32_t group) {
    begin_link(batch, RTM_NEWLINK, 0, "set group of " + name, ENODEV);
    mnl_attr_put_strz(batch.current(), IFLA_IFNAME, name.c_str());
    mnl_attr_put_u32(batch.current(), IFLA_GROUP, group);
}

void delete_link(Batch& batch, const std::string& name) {
    begin_link(batch, RTM_DELLINK, 0, "delete link " + name, ENODEV);
    mnl_attr_put_strz(batch.current(), IFLA_IFNAME, name.c_str());
}

void delete_links(Batch& batch, std::uint32_t group) {
    begin_link(batch, RTM_DELLINK, 0, fmt::format("delete links of group {}", group), ENODEV);
    mnl_attr_put_u32(batch.current(), IFLA_GROUP, group);
}

static void put_address(Batch& batch, int index, const Prefix& address) {
    auto* header = batch.header<ifaddrmsg>();
    header->ifa_family = static_cast<std::uint8_t>(address.family());
    header->ifa_prefixlen = address.length;
    header->ifa_index = static_cast<std::uint32_t>(index);
    auto* message = batch.current();
    const auto& ip = address.address;
    mnl_attr_put(message, IFA_LOCAL, ip.size(), ip.bytes());
    mnl_attr_put(message, IFA_ADDRESS, ip.size(), ip.bytes());
    if (ip.is_v4() && address.length < 31) mnl_attr_put(message, IFA_BROADCAST, 4, address.last().bytes());
    // The address was allocated by us: probing for another user would only delay the first packet by a second.
    if (!ip.is_v4()) header->ifa_flags = IFA_F_NODAD;
}

void add_address(Batch& batch, int index, const Prefix& address) {
    batch.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, "add address " + address.text());
    put_address(batch, index, address);
}

void delete_address(Batch& batch, int index, const Prefix& address) {
    batch.begin(RTM_DELADDR, 0, "delete address " + address.text(), EADDRNOTAVAIL);
    put_address(batch, index, address);
}

static void put_route(Batch& batch, const Prefix& destination, const std::optional<IpAddress>& gateway, int index) {
    auto* header = batch.header<rtmsg>();
    header->rtm_family = static_cast<std::uint8_t>(destination.family());
    header->rtm_dst_len = destination.length;
    header->rtm_table = RT_TABLE_MAIN;
    header->rtm_protocol = RTPROT_BOOT;
    header->rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    header->rtm_type = RTN_UNICAST;
    auto* message = batch.current();
    auto first = destination.first();
    if (destination.length) mnl_attr_put(message, RTA_DST, first.size(), first.bytes());
    if (gateway) mnl_attr_put(message, RTA_GATEWAY, gateway->size(), gateway->bytes());
    if (index) mnl_attr_put_u32(message, RTA_OIF, static_cast<std::uint32_t>(index));
}

void add_route(Batch& batch, const Prefix& destination, std::optional<IpAddress> gateway, int index) {
    batch.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, "add route to " + destination.text());
    put_route(batch, destination, gateway, index);
}

void delete_route(Batch& batch, const Prefix& destination, std::optional<IpAddress> gateway, int index) {
    batch.begin(RTM_DELROUTE, 0, "delete route to " + destination.text(), ESRCH);
    put_route(batch, destination, gateway, index);
}

static Link parse_link(const nlmsghdr* message) {
    const auto* header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    Link link;
    link.index = header->ifi_index;
    link.up = header->ifi_flags & IFF_UP;
    for (const nlattr* attribute : Attributes(message, sizeof *header)) {
        switch (mnl_attr_get_type(attribute)) {
            case IFLA_IFNAME: link.name = mnl_attr_get_str(attribute); break;
            case IFLA_MASTER: link.master = static_cast<int>(mnl_attr_get_u32(attribute)); break;
            case IFLA_MTU: link.mtu = mnl_attr_get_u32(attribute); break;
            case IFLA_GROUP: link.group = mnl_attr_get_u32(attribute); break;
            case IFLA_ADDRESS:
                if (mnl_attr_get_payload_len(attribute) == link.mac.size())
                    std::memcpy(link.mac.data(), mnl_attr_get_payload(attribute), link.mac.size());
                break;
            case IFLA_LINKINFO: {
                for (const nlattr* info : Attributes(attribute)) {
                    if (mnl_attr_get_type(info) == IFLA_INFO_KIND) link.kind = mnl_attr_get_str(info);
                }
                break;
            }
            default: break;
        }
    }
    return link;
}

Result<std::vector<Link>> list_links(NetlinkSocket& socket) {
    std::vector<Link> links;
    Batch batch;
    begin_link(batch, RTM_GETLINK, 0, "list links");
    TRY(socket.dump(batch, [&](const nlmsghdr* message) { links.push_back(parse_link(message)); }));
    return links;
}

Result<Link> find_link(NetlinkSocket& socket, const std::string& name) {
    for (auto& link : TRY(list_links(socket)))
        if (link.name == name) return link;
    return Error(Errc::NotFound, "no link " + name);
}

Result<std::vector<LinkAddress>> list_addresses(NetlinkSocket& socket) {
    std::vector<LinkAddress> addresses;
    Batch batch;
    batch.begin(RTM_GETADDR, 0, "list addresses");
    batch.header<ifaddrmsg>();
    TRY(socket.dump(batch, [&](const nlmsghdr* message) {
        const auto* header = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
        if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6) return;
        auto family = static_cast<Family>(header->ifa_family);
        const nlattr *local = nullptr, *other = nullptr;
        for (const nlattr* attribute : Attributes(message, sizeof *header)) {
            if (mnl_attr_get_type(attribute) == IFA_LOCAL) local = attribute;
            if (mnl_attr_get_type(attribute) == IFA_ADDRESS) other = attribute;
        }
        const nlattr* chosen = local ? local : other;
        if (!chosen || mnl_attr_get_payload_len(chosen) != bits_of(family) / 8) return;
        addresses.push_back({static_cast<int>(header->ifa_index),
                             {IpAddress::from_bytes(family, mnl_attr_get_payload(chosen)), header->ifa_prefixlen}});
    }));
    return addresses;
}

Result<std::vector<RouteEntry>> list_routes(NetlinkSocket& socket) {
    std::vector<RouteEntry> routes;
    Batch batch;
    batch.begin(RTM_GETROUTE, 0, "list routes");
    batch.header<rtmsg>();
    TRY(socket.dump(batch, [&](const nlmsghdr* message) {
        const auto* header = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
        if (header->rtm_family != AF_INET && header->rtm_family != AF_INET6) return;
        if (header->rtm_type != RTN_UNICAST) return;
        auto family = static_cast<Family>(header->rtm_family);
        RouteEntry route{{IpAddress::from_number(family, 0), header->rtm_dst_len}, 0, 0, header->rtm_table};
        for (const nlattr* attribute : Attributes(message, sizeof *header)) {
            auto size = mnl_attr_get_payload_len(attribute);
            switch (mnl_attr_get_type(attribute)) {
                case RTA_DST:
                    if (size == bits_of(family) / 8)
                        route.destination.address = IpAddress::from_bytes(family, mnl_attr_get_payload(attribute));
                    break;
                case RTA_OIF: route.link = static_cast<int>(mnl_attr_get_u32(attribute)); break;
                case RTA_PRIORITY: route.metric = mnl_attr_get_u32(attribute); break;
                case RTA_TABLE: route.table = mnl_attr_get_u32(attribute); break;
                default: break;
            }
        }
        if (route.table != RT_TABLE_LOCAL) routes.push_back(route);
    }));
    return routes;
}

}  // namespace pila::os::net

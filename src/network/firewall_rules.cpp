// SPDX-License-Identifier: Apache-2.0
#include "network/firewall_rules.h"

#include <initializer_list>

namespace pila::network::rules {

using os::net::Family;
using os::net::IpAddress;
using os::net::Prefix;
using os::net::nft::Bytes;
using os::net::nft::ChainSpec;
using os::net::nft::DataType;
using os::net::nft::Element;
using os::net::nft::Hook;
using os::net::nft::Rule;
using os::net::nft::Transaction;

// Priorities of the kernel's own steps (linux/netfilter_ipv4.h).
static constexpr std::int32_t raw_priority = -300, dnat_priority = -100, filter_priority = 0, snat_priority = 100;
static constexpr std::uint32_t established_or_related = 2 | 4;  // NF_CT_STATE_BIT

namespace {

class Builder {
public:
    Builder(Transaction& transaction, Family family, const std::string& table)
        : transaction_(transaction), family_(family), table_(table) {}

    void sets() {
        auto address = family_ == Family::V4 ? DataType::Ipv4 : DataType::Ipv6;
        transaction_.add_set(table_, {bridges, {DataType::InterfaceName}, {}});
        transaction_.add_set(table_, {internal, {DataType::InterfaceName}, {}});
        transaction_.add_set(table_, {same_bridge, {DataType::InterfaceName, DataType::InterfaceName}, {}});
        transaction_.add_set(table_, {subnets, {address}, {}, true});
        transaction_.add_set(table_, {masqueraded, {address}, {}, true});
        std::vector<DataType> target{address, DataType::Service};
        transaction_.add_set(table_, {ports, {DataType::Protocol, address, DataType::Service}, target});
        transaction_.add_set(table_, {ports_any, {DataType::Protocol, DataType::Service}, target});
    }

    // Behind route_localnet a container could reach what listens on the host's 127.0.0.1, or claim to be it. Answers
    // to our own translated connections carry the bridge's address here, before conntrack turns them back.
    void guard_loopback() {
        if (family_ != Family::V4) return;
        transaction_.add_chain(table_, {"guard", "filter", Hook::Prerouting, raw_priority});
        Prefix loopback = *Prefix::parse("127.0.0.0/8");
        // The comparison first: the look-up of an interface's name costs every packet ten times that.
        append("guard", Rule().address(Rule::Side::Destination, loopback).in_interface_in(bridges).drop());
        append("guard", Rule().address(Rule::Side::Source, loopback).in_interface_in(bridges).drop());
    }

    void publish() {
        transaction_.add_chain(table_, {"publish", "", {}, 0});
        transaction_.add_chain(table_, {"prerouting", "nat", Hook::Prerouting, dnat_priority});
        transaction_.add_chain(table_, {"output", "nat", Hook::Output, dnat_priority});
        // Neighbours that route 127.0.0.0/8 to us must not get at what is published on it. IPv6 cannot translate ::1
        // at all: such connections reach the relay.
        if (family_ == Family::V4)
            append("prerouting", Rule()
                                     .in_interface("lo", false)
                                     .address(Rule::Side::Destination, *Prefix::parse("127.0.0.0/8"))
                                     .leave());
        else
            append("publish", Rule().address(Rule::Side::Destination, *Prefix::parse("::1/128")).leave());
        append("prerouting", Rule().local_destination().jump("publish"));
        append("output", Rule().local_destination().jump("publish"));
        append("publish", Rule().translate_destination_by(family_, ports, true));
        append("publish", Rule().translate_destination_by(family_, ports_any, false));
    }

    void leave() {
        transaction_.add_chain(table_, {"postrouting", "nat", Hook::Postrouting, snat_priority});
        // From the host's 127.0.0.1, and from containers through a published port: the answer has to come back here.
        if (family_ == Family::V4)
            append("postrouting", Rule()
                                      .out_interface_in(bridges)
                                      .address(Rule::Side::Source, *Prefix::parse("127.0.0.0/8"))
                                      .masquerade());
        append("postrouting", Rule()
                                  .out_interface_in(bridges)
                                  .connection_was_destination_translated()
                                  .address_in(family_, Rule::Side::Source, subnets)
                                  .masquerade());
        append(
            "postrouting",
            Rule().out_interface_in(bridges, false).address_in(family_, Rule::Side::Source, masqueraded).masquerade());
    }

    void forward() {
        transaction_.add_chain(table_, {"to_container", "", {}, 0});
        transaction_.add_chain(table_, {"from_container", "", {}, 0});
        transaction_.add_chain(table_, {"forward", "filter", Hook::Forward, filter_priority});
        // What the rules below let begin goes on; all but a connection's first packet ends here.
        append("forward", Rule().connection_state(established_or_related).accept());
        append("forward", Rule().out_interface_in(bridges).go("to_container"));
        append("forward", Rule().in_interface_in(bridges).go("from_container"));

        // Within one bridge (with br_netfilter, or through a published port and back).
        append("to_container", Rule().interfaces_in(same_bridge).accept());
        append("to_container", Rule().in_interface_in(internal).drop());
        append("to_container", Rule().out_interface_in(internal).drop());
        append("to_container", Rule().connection_was_destination_translated().accept());
        // Other networks, and hosts that route to container addresses directly, see published ports only.
        append("to_container", Rule().drop());

        append("from_container", Rule().in_interface_in(internal).drop());
        append("from_container", Rule().accept());
    }

private:
    void append(const std::string& chain, Rule& rule) { transaction_.add_rule(table_, chain, rule); }

    Transaction& transaction_;
    Family family_;
    const std::string& table_;
};

}  // namespace

void add_table(Transaction& transaction, Family family, const std::string& table) {
    transaction.add_table(table);
    Builder builder(transaction, family, table);
    builder.sets();
    builder.guard_loopback();
    builder.publish();
    builder.leave();
    builder.forward();
}

static void append_range(std::vector<Element>& elements, const Prefix& subnet) {
    elements.push_back({Bytes().address(subnet.first()).get(), "", false});
    auto end = IpAddress::from_number(subnet.family(), subnet.last().number() + 1);
    if (!end.is_unspecified()) elements.push_back({Bytes().address(end).get(), "", true});
}

std::vector<SetElements> elements_of(Family family, const BridgeRules& bridge) {
    auto name = Bytes().interface(bridge.interface).get();
    std::vector<SetElements> result{{bridges, {{name, ""}}}, {same_bridge, {{name + name, ""}}}};
    if (bridge.internal) result.push_back({internal, {{name, ""}}});
    std::vector<Element> ranges;
    for (const auto& subnet : bridge.subnets)
        if (subnet.family() == family) append_range(ranges, subnet);
    if (ranges.empty()) return result;
    if (bridge.masquerade && !bridge.internal) result.push_back({masqueraded, ranges});
    result.push_back({subnets, std::move(ranges)});
    return result;
}

const std::string& map_of(const IpAddress& host_address) { return host_address.is_unspecified() ? ports_any : ports; }

Element element_of(const PortRule& port) {
    Bytes key;
    key.protocol(port.protocol);
    if (!port.host_address.is_unspecified()) key.address(port.host_address);
    key.port(port.host_port);
    return {key.get(), Bytes().address(port.target).port(port.target_port).get()};
}

}  // namespace pila::network::rules

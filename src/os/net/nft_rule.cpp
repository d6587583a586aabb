// SPDX-License-Identifier: Apache-2.0
#include "os/net/nft.h"

#include <cstring>

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>

namespace pila::os::net::nft {

// The registers of 4 bytes behind the first, where nft(8) puts the parts of a concatenation.
static constexpr std::uint32_t second_word = NFT_REG32_01;

static constexpr std::uint32_t address_offset(Family family, Rule::Side side) {
    if (family == Family::V4) return side == Rule::Side::Source ? 12 : 16;
    return side == Rule::Side::Source ? 8 : 24;
}

Rule::Rule() : rule_(nftnl_rule_alloc()) {}
Rule::~Rule() {
    if (rule_) nftnl_rule_free(rule_);
}
Rule::Rule(Rule&& other) noexcept : rule_(std::exchange(other.rule_, nullptr)) {}

Rule& Rule::load_meta(std::uint32_t key, std::uint32_t reg) {
    auto* expression = nftnl_expr_alloc("meta");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_META_DREG, reg);
    nftnl_rule_add_expr(rule_, expression);
    return *this;
}

Rule& Rule::load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t size, std::uint32_t reg) {
    auto* expression = nftnl_expr_alloc("payload");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_LEN, size);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_DREG, reg);
    nftnl_rule_add_expr(rule_, expression);
    return *this;
}

Rule& Rule::compare(bool equal, const void* data, std::uint32_t size) {
    auto* expression = nftnl_expr_alloc("cmp");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
    nftnl_expr_set(expression, NFTNL_EXPR_CMP_DATA, data, size);
    nftnl_rule_add_expr(rule_, expression);
    return *this;
}

Rule& Rule::lookup(const std::string& set, bool inside, bool into_register) {
    auto* expression = nftnl_expr_alloc("lookup");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
    nftnl_expr_set_str(expression, NFTNL_EXPR_LOOKUP_SET, set.c_str());
    if (into_register) nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_1);
    if (!inside) nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
    nftnl_rule_add_expr(rule_, expression);
    return *this;
}

Rule& Rule::interface_name(std::uint32_t key, std::string_view name, bool equal) {
    char padded[IFNAMSIZ] = {};
    std::memcpy(padded, name.data(), std::min(name.size(), sizeof padded - 1));
    return load_meta(key, NFT_REG_1).compare(equal, padded, sizeof padded);
}

Rule& Rule::in_interface(std::string_view name, bool equal) { return interface_name(NFT_META_IIFNAME, name, equal); }
Rule& Rule::out_interface(std::string_view name, bool equal) { return interface_name(NFT_META_OIFNAME, name, equal); }

Rule& Rule::in_interface_in(const std::string& set, bool inside) {
    return load_meta(NFT_META_IIFNAME, NFT_REG_1).lookup(set, inside);
}

Rule& Rule::out_interface_in(const std::string& set, bool inside) {
    return load_meta(NFT_META_OIFNAME, NFT_REG_1).lookup(set, inside);
}

Rule& Rule::interfaces_in(const std::string& set) {
    return load_meta(NFT_META_IIFNAME, NFT_REG_1).load_meta(NFT_META_OIFNAME, NFT_REG_2).lookup(set, true);
}

Rule& Rule::address(Side side, const Prefix& prefix) {
    auto family = prefix.family();
    std::uint32_t size = bits_of(family) / 8;
    load_payload(NFT_PAYLOAD_NETWORK_HEADER, address_offset(family, side), size, NFT_REG_1);
    if (prefix.length < bits_of(family)) {
        auto mask = Prefix{IpAddress::from_number(family, ~Number128{0}), prefix.length}.first();
        auto zero = IpAddress::from_number(family, 0);
        auto* expression = nftnl_expr_alloc("bitwise");
        nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_LEN, size);
        nftnl_expr_set(expression, NFTNL_EXPR_BITWISE_MASK, mask.bytes(), size);
        nftnl_expr_set(expression, NFTNL_EXPR_BITWISE_XOR, zero.bytes(), size);
        nftnl_rule_add_expr(rule_, expression);
    }
    return compare(true, prefix.first().bytes(), size);
}

Rule& Rule::address_in(Family family, Side side, const std::string& set) {
    load_payload(NFT_PAYLOAD_NETWORK_HEADER, address_offset(family, side), bits_of(family) / 8, NFT_REG_1);
    return lookup(set, true);
}

Rule& Rule::protocol(std::uint8_t protocol) {
    return load_meta(NFT_META_L4PROTO, NFT_REG_1).compare(true, &protocol, sizeof protocol);
}

Rule& Rule::destination_port(std::uint16_t port) {
    std::uint16_t wire = htons(port);
    return load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, NFT_REG_1).compare(true, &wire, sizeof wire);
}

Rule& Rule::source_port(std::uint16_t port) {
    std::uint16_t wire = htons(port);
    return load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, NFT_REG_1).compare(true, &wire, sizeof wire);
}

Rule& Rule::local_destination() {
    auto* expression = nftnl_expr_alloc("fib");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
    nftnl_rule_add_expr(rule_, expression);
    std::uint32_t local = RTN_LOCAL;
    return compare(true, &local, sizeof local);
}

// Loads a conntrack word and requires one of the bits.
static void ct_any_of(nftnl_rule* rule, std::uint32_t key, std::uint32_t bits) {
    auto* load = nftnl_expr_alloc("ct");
    nftnl_expr_set_u32(load, NFTNL_EXPR_CT_DREG, NFT_REG_1);
    nftnl_expr_set_u32(load, NFTNL_EXPR_CT_KEY, key);
    nftnl_rule_add_expr(rule, load);
    std::uint32_t zero = 0;
    auto* mask = nftnl_expr_alloc("bitwise");
    nftnl_expr_set_u32(mask, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
    nftnl_expr_set_u32(mask, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
    nftnl_expr_set_u32(mask, NFTNL_EXPR_BITWISE_LEN, sizeof bits);
    nftnl_expr_set(mask, NFTNL_EXPR_BITWISE_MASK, &bits, sizeof bits);
    nftnl_expr_set(mask, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof zero);
    nftnl_rule_add_expr(rule, mask);
}

Rule& Rule::connection_state(std::uint32_t any) {
    ct_any_of(rule_, NFT_CT_STATE, any);
    std::uint32_t zero = 0;
    return compare(false, &zero, sizeof zero);
}

Rule& Rule::connection_was_destination_translated() {
    ct_any_of(rule_, NFT_CT_STATUS, IPS_DST_NAT);
    std::uint32_t zero = 0;
    return compare(false, &zero, sizeof zero);
}

Rule& Rule::counter() {
    nftnl_rule_add_expr(rule_, nftnl_expr_alloc("counter"));
    return *this;
}

Rule& Rule::comment(std::string_view text) {
    auto* data = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
    nftnl_udata_put_strz(data, NFTNL_UDATA_RULE_COMMENT, std::string(text.substr(0, 120)).c_str());
    nftnl_rule_set_data(rule_, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(data), nftnl_udata_buf_len(data));
    nftnl_udata_buf_free(data);
    return *this;
}

Rule& Rule::verdict(int code, const char* chain) {
    auto* expression = nftnl_expr_alloc("immediate");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_VERDICT, static_cast<std::uint32_t>(code));
    if (chain) nftnl_expr_set_str(expression, NFTNL_EXPR_IMM_CHAIN, chain);
    nftnl_rule_add_expr(rule_, expression);
    return *this;
}

Rule& Rule::accept() { return verdict(NF_ACCEPT); }
Rule& Rule::drop() { return verdict(NF_DROP); }
Rule& Rule::leave() { return verdict(NFT_RETURN); }
Rule& Rule::jump(const std::string& chain) { return verdict(NFT_JUMP, chain.c_str()); }
Rule& Rule::go(const std::string& chain) { return verdict(NFT_GOTO, chain.c_str()); }

Rule& Rule::masquerade() {
    nftnl_rule_add_expr(rule_, nftnl_expr_alloc("masq"));
    return *this;
}

Rule& Rule::translate_destination_by(Family family, const std::string& map, bool key_has_address) {
    std::uint32_t address_words = bits_of(family) / 32, reg = second_word;
    load_meta(NFT_META_L4PROTO, NFT_REG_1);
    if (key_has_address) {
        load_payload(NFT_PAYLOAD_NETWORK_HEADER, address_offset(family, Side::Destination), address_words * 4, reg);
        reg += address_words;
    }
    load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, reg);
    lookup(map, true, true);
    auto* expression = nftnl_expr_alloc("nat");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_FAMILY, static_cast<std::uint32_t>(family));
    nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG32_00 + address_words);
    nftnl_rule_add_expr(rule_, expression);
    return *this;
}

Rule& Rule::set_port(Side side, std::uint8_t protocol, std::uint16_t port) {
    std::uint16_t wire = htons(port);
    auto* value = nftnl_expr_alloc("immediate");
    nftnl_expr_set_u32(value, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
    nftnl_expr_set(value, NFTNL_EXPR_IMM_DATA, &wire, sizeof wire);
    nftnl_rule_add_expr(rule_, value);
    auto* expression = nftnl_expr_alloc("payload");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_SREG, NFT_REG_1);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_OFFSET, side == Side::Source ? 0 : 2);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_LEN, sizeof wire);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, protocol == IPPROTO_UDP ? 6 : 16);
    nftnl_rule_add_expr(rule_, expression);
    return *this;
}

}  // namespace pila::os::net::nft

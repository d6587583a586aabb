// SPDX-License-Identifier: Apache-2.0
#include "os/net/nft.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>

namespace pila::os::net::nft {

// An element with a concatenated IPv6 key and value is below 150 bytes; a message may hold 16 KiB.
static constexpr std::size_t elements_per_message = 64;

static std::uint16_t nft_type(std::uint16_t type) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

static std::uint32_t size_of(DataType type) {
    switch (type) {
        case DataType::Ipv4: return 4;
        case DataType::Ipv6: return 16;
        case DataType::Protocol: return 1;
        case DataType::Service: return 2;
        case DataType::InterfaceName: return IFNAMSIZ;
    }
    return 0;
}

static std::uint32_t padded(std::uint32_t size) { return (size + 3) & ~3U; }

Bytes& Bytes::address(const IpAddress& address) {
    bytes_.append(reinterpret_cast<const char*>(address.bytes()), address.size());
    return *this;
}

Bytes& Bytes::port(std::uint16_t port) {
    bytes_.push_back(static_cast<char>(port >> 8));
    bytes_.push_back(static_cast<char>(port & 0xff));
    bytes_.append(2, '\0');
    return *this;
}

Bytes& Bytes::protocol(std::uint8_t protocol) {
    bytes_.push_back(static_cast<char>(protocol));
    bytes_.append(3, '\0');
    return *this;
}

Bytes& Bytes::interface(std::string_view name) {
    auto kept = name.substr(0, IFNAMSIZ - 1);
    bytes_.append(kept).append(IFNAMSIZ - kept.size(), '\0');
    return *this;
}

nlmsghdr* Transaction::message(std::uint16_t type, std::uint16_t flags, std::string doing) {
    batch_.begin(nft_type(type), flags, std::move(doing));
    auto* header = batch_.header<nfgenmsg>();
    header->nfgen_family = static_cast<std::uint8_t>(family_);
    header->version = NFNETLINK_V0;
    return batch_.current();
}

void Transaction::begin() {
    batch_.begin(NFNL_MSG_BATCH_BEGIN, 0, "begin nftables transaction");
    batch_.header<nfgenmsg>()->res_id = htons(NFNL_SUBSYS_NFTABLES);
}

Result<void> Transaction::commit(NetlinkSocket& socket) {
    if (empty()) return {};
    batch_.begin(NFNL_MSG_BATCH_END, 0, "end nftables transaction");
    batch_.header<nfgenmsg>()->res_id = htons(NFNL_SUBSYS_NFTABLES);
    return socket.run(batch_);
}

void Transaction::add_table(const std::string& table) {
    auto* header = message(NFT_MSG_NEWTABLE, NLM_F_CREATE, "add table " + table);
    mnl_attr_put_strz(header, NFTA_TABLE_NAME, table.c_str());
    mnl_attr_put_u32(header, NFTA_TABLE_FLAGS, 0);
}

void Transaction::delete_table(const std::string& table) {
    auto* header = message(NFT_MSG_DELTABLE, 0, "delete table " + table);
    mnl_attr_put_strz(header, NFTA_TABLE_NAME, table.c_str());
}

void Transaction::add_chain(const std::string& table, const ChainSpec& spec) {
    auto* chain = nftnl_chain_alloc();
    nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, table.c_str());
    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, spec.name.c_str());
    if (!spec.type.empty()) {
        nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, spec.type.c_str());
        nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, static_cast<std::uint32_t>(spec.hook));
        nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, spec.priority);
        nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, spec.drop_by_default ? NF_DROP : NF_ACCEPT);
    }
    nftnl_chain_nlmsg_build_payload(message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, "add chain " + spec.name), chain);
    nftnl_chain_free(chain);
}

static std::uint32_t concatenated_type(const std::vector<DataType>& fields) {
    std::uint32_t type = 0;
    for (auto field : fields) type = type << 6 | static_cast<std::uint32_t>(field);
    return type;
}

static std::uint32_t concatenated_size(const std::vector<DataType>& fields) {
    if (fields.size() == 1) return size_of(fields.front());
    std::uint32_t size = 0;
    for (auto field : fields) size += padded(size_of(field));
    return size;
}

// nft(8) keeps the byte order of keys beside the set; without it, it misprints interface names and intervals.
static std::uint32_t byte_order(const std::vector<DataType>& fields) {
    if (fields.size() != 1) return 0;
    return fields.front() == DataType::InterfaceName ? 1 : 2;
}

void Transaction::add_set(const std::string& table, const SetSpec& spec) {
    auto* set = nftnl_set_alloc();
    nftnl_set_set_str(set, NFTNL_SET_TABLE, table.c_str());
    nftnl_set_set_str(set, NFTNL_SET_NAME, spec.name.c_str());
    nftnl_set_set_u32(set, NFTNL_SET_ID, next_set_id_++);
    nftnl_set_set_u32(set, NFTNL_SET_FAMILY, static_cast<std::uint32_t>(family_));
    nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, concatenated_type(spec.key));
    nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, concatenated_size(spec.key));
    std::uint32_t flags = spec.intervals ? NFT_SET_INTERVAL : 0;
    if (!spec.value.empty()) {
        flags |= NFT_SET_MAP;
        nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, concatenated_type(spec.value));
        nftnl_set_set_u32(set, NFTNL_SET_DATA_LEN, concatenated_size(spec.value));
    }
    nftnl_set_set_u32(set, NFTNL_SET_FLAGS, flags);
    auto* data = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
    nftnl_udata_put_u32(data, NFTNL_UDATA_SET_KEYBYTEORDER, byte_order(spec.key));
    if (!spec.value.empty()) nftnl_udata_put_u32(data, NFTNL_UDATA_SET_DATABYTEORDER, byte_order(spec.value));
    nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(data), nftnl_udata_buf_len(data));
    nftnl_udata_buf_free(data);
    nftnl_set_nlmsg_build_payload(message(NFT_MSG_NEWSET, NLM_F_CREATE, "add set " + spec.name), set);
    nftnl_set_free(set);
}

void Transaction::put_elements(std::uint16_t type, std::uint16_t flags, const std::string& table,
                               const std::string& name, const std::vector<Element>& elements) {
    for (std::size_t first = 0; first < elements.size(); first += elements_per_message) {
        auto* set = nftnl_set_alloc();
        nftnl_set_set_str(set, NFTNL_SET_TABLE, table.c_str());
        nftnl_set_set_str(set, NFTNL_SET_NAME, name.c_str());
        auto part = std::span(elements).subspan(first, std::min(elements_per_message, elements.size() - first));
        for (const auto& entry : part) {
            auto* element = nftnl_set_elem_alloc();
            nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, entry.key.data(),
                               static_cast<std::uint32_t>(entry.key.size()));
            if (!entry.value.empty() && type == NFT_MSG_NEWSETELEM)
                nftnl_set_elem_set(element, NFTNL_SET_ELEM_DATA, entry.value.data(),
                                   static_cast<std::uint32_t>(entry.value.size()));
            if (entry.interval_end) nftnl_set_elem_set_u32(element, NFTNL_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
            nftnl_set_elem_add(set, element);
        }
        auto doing = fmt::format("{} elements of {}", type == NFT_MSG_NEWSETELEM ? "add" : "delete", name);
        nftnl_set_elems_nlmsg_build_payload(message(type, flags, std::move(doing)), set);
        nftnl_set_free(set);
    }
}

void Transaction::add_elements(const std::string& table, const std::string& set, const std::vector<Element>& elements) {
    put_elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, set, elements);
}

void Transaction::delete_elements(const std::string& table, const std::string& set,
                                  const std::vector<Element>& elements) {
    put_elements(NFT_MSG_DELSETELEM, 0, table, set, elements);
}

void Transaction::put_rule(std::uint16_t flags, const std::string& table, const std::string& chain, Rule& rule) {
    nftnl_rule_set_str(rule.get(), NFTNL_RULE_TABLE, table.c_str());
    nftnl_rule_set_str(rule.get(), NFTNL_RULE_CHAIN, chain.c_str());
    nftnl_rule_nlmsg_build_payload(message(NFT_MSG_NEWRULE, flags, "add rule to chain " + chain), rule.get());
}

void Transaction::add_rule(const std::string& table, const std::string& chain, Rule& rule) {
    put_rule(NLM_F_CREATE | NLM_F_APPEND, table, chain, rule);
}

void Transaction::insert_rule(const std::string& table, const std::string& chain, Rule& rule) {
    put_rule(NLM_F_CREATE, table, chain, rule);
}

void Transaction::insert_rule_before(const std::string& table, const std::string& chain, std::uint64_t handle,
                                     Rule& rule) {
    nftnl_rule_set_u64(rule.get(), NFTNL_RULE_POSITION, handle);
    put_rule(NLM_F_CREATE, table, chain, rule);
}

void Transaction::delete_rule(const std::string& table, const std::string& chain, std::uint64_t handle) {
    auto* header = message(NFT_MSG_DELRULE, 0, "delete rule of chain " + chain);
    mnl_attr_put_strz(header, NFTA_RULE_TABLE, table.c_str());
    mnl_attr_put_strz(header, NFTA_RULE_CHAIN, chain.c_str());
    mnl_attr_put_u64(header, NFTA_RULE_HANDLE, htobe64(handle));
}

static nlmsghdr* begin_listing(Batch& batch, std::uint16_t type, Family family, std::string doing) {
    batch.begin(nft_type(type), 0, std::move(doing));
    auto* header = batch.header<nfgenmsg>();
    header->nfgen_family = static_cast<std::uint8_t>(family);
    header->version = NFNETLINK_V0;
    return batch.current();
}

Result<std::vector<ChainInfo>> list_chains(NetlinkSocket& socket, Family family) {
    std::vector<ChainInfo> chains;
    Batch batch;
    begin_listing(batch, NFT_MSG_GETCHAIN, family, "list nftables chains");
    TRY(socket.dump(batch, [&](const nlmsghdr* message) {
        auto* chain = nftnl_chain_alloc();
        if (nftnl_chain_nlmsg_parse(message, chain) == 0) {
            ChainInfo info;
            info.table = nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE);
            info.name = nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME);
            if (nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM)) {
                info.hook = static_cast<Hook>(nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM));
                info.drops = nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY) == NF_DROP;
                if (const char* type = nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE)) info.type = type;
            }
            chains.push_back(std::move(info));
        }
        nftnl_chain_free(chain);
    }));
    return chains;
}

static std::string comment_of(const nftnl_rule* rule) {
    std::uint32_t size = 0;
    const auto* data = static_cast<const std::uint8_t*>(nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &size));
    // Type, length, value; other programs write here too, so every step is checked.
    for (std::uint32_t at = 0; data && at + 2 <= size && at + 2 + data[at + 1] <= size; at += 2U + data[at + 1]) {
        if (data[at] != NFTNL_UDATA_RULE_COMMENT) continue;
        const auto* text = reinterpret_cast<const char*>(data + at + 2);
        return {text, strnlen(text, data[at + 1])};
    }
    return {};
}

static bool is_bare_return(nftnl_rule* rule) {
    bool returns = false, bare = true;
    auto* expressions = nftnl_expr_iter_create(rule);
    while (auto* expression = nftnl_expr_iter_next(expressions)) {
        std::string_view name = nftnl_expr_get_str(expression, NFTNL_EXPR_NAME);
        if (name == "counter") continue;
        if (name == "immediate" && nftnl_expr_is_set(expression, NFTNL_EXPR_IMM_VERDICT) &&
            static_cast<int>(nftnl_expr_get_u32(expression, NFTNL_EXPR_IMM_VERDICT)) == NFT_RETURN)
            returns = true;
        else
            bare = false;
    }
    nftnl_expr_iter_destroy(expressions);
    return returns && bare;
}

Result<std::vector<RuleInfo>> list_rules(NetlinkSocket& socket, Family family, const std::string& table,
                                         const std::string& chain) {
    std::vector<RuleInfo> rules;
    Batch batch;
    auto* header = begin_listing(batch, NFT_MSG_GETRULE, family, fmt::format("list rules of {} {}", table, chain));
    mnl_attr_put_strz(header, NFTA_RULE_TABLE, table.c_str());
    mnl_attr_put_strz(header, NFTA_RULE_CHAIN, chain.c_str());
    TRY(socket.dump(batch, [&](const nlmsghdr* message) {
        auto* rule = nftnl_rule_alloc();
        if (nftnl_rule_nlmsg_parse(message, rule) == 0 && table == nftnl_rule_get_str(rule, NFTNL_RULE_TABLE) &&
            chain == nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN))
            rules.push_back({nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE), comment_of(rule), is_bare_return(rule)});
        nftnl_rule_free(rule);
    }));
    return rules;
}

Result<Fd> watch_ruleset() {
    Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
    if (!socket) return Error::from_errno(errno, "open netlink socket");
    // Published ports come and go as set elements; nobody shall wake up for them. A notification starts with the type
    // of its first change.
    std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type))};
    const std::uint16_t interesting[] = {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_DELCHAIN,
                                         NFT_MSG_NEWRULE,  NFT_MSG_DELRULE,  NFT_MSG_DELSET};
    constexpr std::size_t count = std::size(interesting);
    for (std::size_t i = 0; i < count; ++i)
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(nft_type(interesting[i])),
                                   static_cast<std::uint8_t>(count - i), 0));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, ~0U));
    sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
    sockaddr_nl local{};
    local.nl_family = AF_NETLINK;
    local.nl_groups = 1U << (NFNLGRP_NFTABLES - 1);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) < 0)
        return Error::from_errno(errno, "listen for changes of nftables");
    return socket;
}

Result<std::vector<std::string>> list_tables(NetlinkSocket& socket, Family family) {
    std::vector<std::string> tables;
    Batch batch;
    begin_listing(batch, NFT_MSG_GETTABLE, family, "list nftables tables");
    TRY(socket.dump(batch, [&](const nlmsghdr* message) {
        auto* table = nftnl_table_alloc();
        if (nftnl_table_nlmsg_parse(message, table) == 0)
            tables.emplace_back(nftnl_table_get_str(table, NFTNL_TABLE_NAME));
        nftnl_table_free(table);
    }));
    return tables;
}

}  // namespace pila::os::net::nft

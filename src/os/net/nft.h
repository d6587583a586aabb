// SPDX-License-Identifier: Apache-2.0
#pragma once
// nftables as typed transactions: everything appended to one Transaction is applied by the kernel at once or not at
// all. Rules are built from the few expressions pila uses; registers are assigned as `nft` itself assigns them, so that
// `nft list ruleset` shows readable rules.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/net/ip.h"
#include "os/net/netlink.h"

struct nftnl_rule;

namespace pila::os::net::nft {

enum class Hook : std::uint8_t { Prerouting = 0, Input = 1, Forward = 2, Output = 3, Postrouting = 4 };

struct ChainSpec {
    std::string name;
    std::string type;  // "filter", "nat"; "": a chain that is only jumped to
    Hook hook = Hook::Prerouting;
    std::int32_t priority = 0;
    bool drop_by_default = false;
};

// Types as nft(8) numbers them, so that it can print elements.
enum class DataType : std::uint8_t { Ipv4 = 7, Ipv6 = 8, Protocol = 12, Service = 13, InterfaceName = 41 };

struct SetSpec {
    std::string name;
    std::vector<DataType> key;
    std::vector<DataType> value;  // empty: a set, otherwise a map
    bool intervals = false;
};

// Concatenated fields, each padded to 4 bytes.
class Bytes {
public:
    Bytes& address(const IpAddress& address);
    Bytes& port(std::uint16_t port);
    Bytes& protocol(std::uint8_t protocol);
    Bytes& interface(std::string_view name);
    const std::string& get() const { return bytes_; }

private:
    std::string bytes_;
};

struct Element {
    std::string key, value;
    bool interval_end = false;
};

// One rule: matches in order, then what to do.
class Rule {
public:
    Rule();
    ~Rule();
    Rule(Rule&& other) noexcept;
    Rule& operator=(Rule&&) = delete;

    enum class Side : std::uint8_t { Source, Destination };
    Rule& in_interface(std::string_view name, bool equal = true);
    Rule& out_interface(std::string_view name, bool equal = true);
    Rule& in_interface_in(const std::string& set, bool inside = true);
    Rule& out_interface_in(const std::string& set, bool inside = true);
    Rule& interfaces_in(const std::string& set);  // in . out
    Rule& address(Side side, const Prefix& prefix);
    Rule& address_in(Family family, Side side, const std::string& set);
    Rule& protocol(std::uint8_t protocol);
    Rule& destination_port(std::uint16_t port);
    Rule& source_port(std::uint16_t port);
    Rule& local_destination();                  // fib daddr type local
    Rule& connection_state(std::uint32_t any);  // NF_CT_STATE_BIT of the kernel
    Rule& connection_was_destination_translated();
    Rule& counter();
    Rule& comment(std::string_view text);

    Rule& accept();
    Rule& drop();
    Rule& leave();  // return
    Rule& jump(const std::string& chain);
    Rule& go(const std::string& chain);  // goto
    Rule& masquerade();
    // Destination from a map with key (protocol [. daddr] . port) and value (address . port).
    Rule& translate_destination_by(Family family, const std::string& map, bool key_has_address);
    // Overwrites a port of the packet without connection tracking; the checksum is kept right.
    Rule& set_port(Side side, std::uint8_t protocol, std::uint16_t port);

    nftnl_rule* get() const { return rule_; }

private:
    Rule& verdict(int code, const char* chain = nullptr);
    Rule& load_meta(std::uint32_t key, std::uint32_t reg);
    Rule& load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t size, std::uint32_t reg);
    Rule& compare(bool equal, const void* data, std::uint32_t size);
    Rule& lookup(const std::string& set, bool inside, bool into_register = false);
    Rule& interface_name(std::uint32_t key, std::string_view name, bool equal);

    nftnl_rule* rule_;
};

class Transaction {
public:
    explicit Transaction(Family family) : family_(family), batch_(true) { begin(); }
    void add_table(const std::string& table);
    void delete_table(const std::string& table);  // must exist
    void add_chain(const std::string& table, const ChainSpec& chain);
    void add_set(const std::string& table, const SetSpec& set);
    void add_elements(const std::string& table, const std::string& set, const std::vector<Element>& elements);
    void delete_elements(const std::string& table, const std::string& set, const std::vector<Element>& elements);
    void add_rule(const std::string& table, const std::string& chain, Rule& rule);     // at the end
    void insert_rule(const std::string& table, const std::string& chain, Rule& rule);  // at the beginning
    void insert_rule_before(const std::string& table, const std::string& chain, std::uint64_t handle, Rule& rule);
    void delete_rule(const std::string& table, const std::string& chain, std::uint64_t handle);
    bool empty() const { return batch_.size() == 1; }
    Result<void> commit(NetlinkSocket& socket);

private:
    void begin();
    void put_elements(std::uint16_t type, std::uint16_t flags, const std::string& table, const std::string& set,
                      const std::vector<Element>& elements);
    void put_rule(std::uint16_t flags, const std::string& table, const std::string& chain, Rule& rule);
    nlmsghdr* message(std::uint16_t type, std::uint16_t flags, std::string doing);

    Family family_;
    Batch batch_;
    std::uint32_t next_set_id_ = 1;
};

struct ChainInfo {
    std::string table, name, type;
    std::optional<Hook> hook;  // base chains
    bool drops = false;        // policy
};
struct RuleInfo {
    std::uint64_t handle = 0;
    std::string comment;
    bool returns_always = false;  // a bare "return"
};
Result<std::vector<ChainInfo>> list_chains(NetlinkSocket& socket, Family family);
Result<std::vector<RuleInfo>> list_rules(NetlinkSocket& socket, Family family, const std::string& table,
                                         const std::string& chain);
// A socket that becomes readable when somebody changes tables, chains or rules (not set elements). Drained by the
// reader.
Result<Fd> watch_ruleset();
Result<std::vector<std::string>> list_tables(NetlinkSocket& socket, Family family);

}  // namespace pila::os::net::nft

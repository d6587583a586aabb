// SPDX-License-Identifier: Apache-2.0
// Networks: finding, listing, creating, removing them.
#include "network/manager.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "network/bridge.h"
#include "network/record.h"
#include "network/spec.h"
#include "os/net/route.h"

namespace pila::network {

using os::net::Family;
using os::net::IpAddress;
using os::net::Prefix;

static constexpr std::size_t interface_name_limit = 15;
static constexpr std::string_view everything = "*";

std::string Manager::bridge_name(const std::string& network_id) const {
    std::string prefix = options_.instance + "-";
    // At least 8 digits of the id, as many as fit otherwise.
    if (prefix.size() > interface_name_limit - 8) prefix.resize(interface_name_limit - 8);
    return prefix + network_id.substr(0, interface_name_limit - prefix.size());
}

static std::string default_bridge_name(const std::string& instance) {
    return instance.substr(0, interface_name_limit - 1) + "0";
}

std::vector<Prefix> Manager::own_subnets() const {
    std::vector<Prefix> subnets;
    for (const auto& [id, network] : networks_)
        for (const auto& subnet : subnets_of(network->info.spec)) subnets.push_back(subnet);
    return subnets;
}

static Network builtin(std::string name, std::string driver) {
    Network network;
    network.id = random_hex(64);
    network.created = now_wall();
    network.builtin = true;
    network.spec.name = std::move(name);
    network.spec.driver = std::move(driver);
    return network;
}

Result<void> Manager::load_networks() {
    std::map<std::string, NetworkPtr> loaded;
    for (const auto& entry : TRY(store_.range(network_prefix))) {
        auto network = network_of_record(entry.value);
        if (!network) {
            log::error("network: {}: {}", entry.key, network.error().message());
            continue;
        }
        auto id = (*network)->info.id;
        loaded[id] = network.take();
    }
    for (const auto* name : {"host", "none"}) {
        auto same = [&](const auto& entry) { return entry.second->info.spec.name == name; };
        if (std::any_of(loaded.begin(), loaded.end(), same)) continue;
        auto state = std::make_shared<NetworkState>();
        state->info = builtin(name, std::string_view(name) == "none" ? "null" : "host");
        TRY(store_.put(std::string(network_prefix) + state->info.id, to_record(*state)));
        loaded[state->info.id] = std::move(state);
    }
    for (auto& [id, state] : loaded) {
        if (state->info.spec.driver != "bridge") continue;
        state->bridge = state->info.builtin ? default_bridge_name(options_.instance) : bridge_name(id);
        state->pools = TRY(make_pools(state->info.spec));
        TRY(apply_options(*state));
        if (state->info.builtin) default_network_ = state;
    }
    Lock lock(mutex_);
    networks_ = std::move(loaded);
    return {};
}

// The subnet it has: while containers use it, or while it is the one asked for and nobody else on the host took it.
bool Manager::keeps_default_network(const std::vector<SandboxState>& living, const std::vector<Prefix>& host) const {
    const auto& info = default_network_->info;
    auto subnets = subnets_of(info.spec);
    bool clashes = std::any_of(host.begin(), host.end(), [&](const Prefix& other) {
        return std::any_of(subnets.begin(), subnets.end(), [&](const Prefix& ours) { return ours.overlaps(other); });
    });
    for (const auto& sandbox : living) {
        for (const auto& endpoint : sandbox.endpoints) {
            if (endpoint.info.network_id != info.id) continue;
            if (clashes)
                log::warning(
                    "network: the subnet of the default network, {}, is also used by something else on this host",
                    info.spec.subnets.front().subnet);
            return true;
        }
    }
    const auto& wanted = options_.default_subnet;
    if (!wanted.empty()) return !subnets.empty() && subnets.front().text() == wanted;
    if (clashes) log::info("network: the default network gets another subnet, {} is in use", subnets.front().text());
    return !clashes;
}

Result<void> Manager::ensure_default_network(const std::vector<SandboxState>& living) {
    auto bridge = default_bridge_name(options_.instance);
    auto host = TRY(prefixes_in_use(route_, bridge));
    if (default_network_ && keeps_default_network(living, host)) return {};
    std::vector<Prefix> own;
    {
        Lock lock(mutex_);
        own = own_subnets();
    }
    const std::string& wanted = options_.default_subnet;
    if (default_network_)
        for (const auto& subnet : subnets_of(default_network_->info.spec)) std::erase(own, subnet);
    auto state = std::make_shared<NetworkState>();
    state->info = builtin("bridge", "bridge");
    if (default_network_) state->info.id = default_network_->info.id;
    auto& spec = state->info.spec;
    spec.options = {{"com.docker.network.bridge.default_bridge", "true"},
                    {"com.docker.network.bridge.enable_icc", "true"},
                    {"com.docker.network.bridge.enable_ip_masquerade", "true"},
                    {"com.docker.network.bridge.host_binding_ipv4", "0.0.0.0"},
                    {"com.docker.network.bridge.name", bridge}};
    if (!wanted.empty()) spec.subnets.push_back({wanted, "", "", {}});
    TRY(complete_subnets(spec, own, host).in("default network"));
    state->pools = TRY(make_pools(spec));
    state->bridge = bridge;
    TRY(store_.put(std::string(network_prefix) + state->info.id, to_record(*state)));
    Lock lock(mutex_);
    networks_[state->info.id] = state;
    default_network_ = state;
    return {};
}

Result<void> Manager::bring_up(NetworkState& network) {
    BridgeSpec spec;
    spec.name = network.bridge;
    spec.network_id = network.info.id;
    if (network.mtu == 0) network.mtu = outside_mtu(route_);
    spec.mtu = network.mtu;
    spec.adopted = network.adopted;
    for (const auto& entry : network.info.spec.subnets) {
        auto gateway = IpAddress::parse(entry.gateway);
        auto subnet = Prefix::parse(entry.subnet);
        if (!gateway || !subnet) continue;
        spec.addresses.push_back({*gateway, subnet->length});
        spec.ipv6 = spec.ipv6 || subnet->family() == Family::V6;
    }
    network.bridge_index = TRY(ensure_bridge(route_, spec));
    if (enable_forwarding(Family::V4)) ignore(store_.put("network/host/ip_forward", "1"), "a note for uninstalling");
    if (spec.ipv6 && enable_forwarding(Family::V6))
        ignore(store_.put("network/host/ipv6_forwarding", "1"), "a note for uninstalling");
    return firewall_.add_bridge(network.rules());
}

Result<Manager::NetworkPtr> Manager::find_network(std::string_view name_or_id) {
    auto missing = [&] { return Error(Errc::NotFound, fmt::format("network {} not found", printable(name_or_id))); };
    if (name_or_id.empty()) return missing();
    auto exact = networks_.find(std::string(name_or_id));
    if (exact != networks_.end() && !exact->second->removing) return exact->second;
    NetworkPtr by_prefix;
    unsigned prefixes = 0;
    for (const auto& [id, network] : networks_) {
        if (network->removing) continue;
        if (network->info.spec.name == name_or_id) return network;
        if (id.starts_with(name_or_id)) {
            by_prefix = network;
            ++prefixes;
        }
    }
    if (prefixes > 1)
        return Error(Errc::Invalid, fmt::format("network {} is ambiguous ({} matches found based on ID prefix)",
                                                printable(name_or_id), prefixes));
    if (!by_prefix) return missing();
    return by_prefix;
}

Network Manager::describe(const NetworkState& network) const {
    Network result = network.info;
    for (const auto& [id, sandbox] : sandboxes_) {
        for (const auto& endpoint : sandbox.endpoints) {
            const auto& info = endpoint.info;
            if (info.network_id != network.info.id) continue;
            auto with_prefix = [](const std::string& address, unsigned length) {
                return address.empty() ? std::string() : fmt::format("{}/{}", address, length);
            };
            result.attached.push_back({id, sandbox.container_name, info.endpoint_id, info.mac_address,
                                       with_prefix(info.ipv4, info.prefix_length),
                                       with_prefix(info.ipv6, info.ipv6_prefix_length)});
        }
    }
    return result;
}

Result<Network> Manager::find(std::string_view name_or_id) {
    Lock lock(mutex_);
    auto network = TRY(find_network(name_or_id));
    return describe(*network);
}

std::vector<Network> Manager::list() {
    std::vector<Network> result;
    Lock lock(mutex_);
    for (const auto& [id, network] : networks_)
        if (!network->removing) result.push_back(describe(*network));
    return result;
}

Result<Network> Manager::create_network(const Context& context, NetworkSpec spec) {
    TRY(context.check());
    TRY(check_network_name(spec.name));
    if (spec.driver.empty()) spec.driver = "bridge";
    if (spec.driver == "host" || spec.driver == "null" || spec.driver == "none")
        return Error(Errc::Denied, fmt::format("only one instance of \"{}\" network is allowed",
                                               spec.driver == "none" ? "null" : spec.driver));
    if (spec.driver != "bridge")
        return Error(Errc::NotFound, fmt::format("plugin \"{}\" not found", printable(spec.driver)));
    if (!options_.enabled)
        return Error(Errc::Unsupported, "networks need root (CAP_NET_ADMIN) and nftables; only none and host exist");

    auto one_at_a_time = changes_.lock(everything);
    reaper_.flush();  // the bridge and the routes of a network that was just removed
    auto state = std::make_shared<NetworkState>();
    state->info.id = random_hex(64);
    state->info.created = now_wall();
    state->subnet_configured = std::any_of(spec.subnets.begin(), spec.subnets.end(),
                                           [](const Subnet& entry) { return !entry.subnet.empty(); });
    std::vector<Prefix> own;
    {
        Lock lock(mutex_);
        for (const auto& [id, network] : networks_) {
            if (network->info.spec.name != spec.name) continue;
            return Error(network->info.builtin ? Errc::Denied : Errc::Conflict,
                         network->info.builtin
                             ? fmt::format("operation is not permitted on predefined {} network", spec.name)
                             : fmt::format("network with name {} already exists", spec.name));
        }
        own = own_subnets();
    }
    auto host = TRY(prefixes_in_use(route_));
    TRY(complete_subnets(spec, own, host));
    state->info.spec = std::move(spec);
    state->pools = TRY(make_pools(state->info.spec));
    state->bridge = bridge_name(state->info.id);
    TRY(apply_options(*state));
    state->adopted = os::net::find_link(route_, state->bridge).ok();

    // In the store first: a bridge that only the kernel knows could never be removed again.
    auto key = std::string(network_prefix) + state->info.id;
    TRY(store_.put(key, to_record(*state)));
    auto up = bring_up(*state);
    if (!up) {
        ignore(firewall_.remove_bridge(state->bridge), "the network is given up already");
        ignore(forget_network(*state), "recover() would make the network again");
        return up.take_error();
    }
    PILA_FAILPOINT("network.create.after-bridge");
    neighbours_.check();
    Lock lock(mutex_);
    networks_[state->info.id] = state;
    return describe(*state);
}

bool Manager::has_endpoints(const NetworkState& network) const {
    for (const auto& [id, sandbox] : sandboxes_)
        for (const auto& endpoint : sandbox.endpoints)
            if (endpoint.info.network_id == network.info.id) return true;
    return false;
}

Result<Manager::NetworkPtr> Manager::begin_removal(std::string_view name_or_id) {
    for (bool flushed = false;; flushed = true) {
        {
            Lock lock(mutex_);
            auto network = TRY(find_network(name_or_id));
            const auto& info = network->info;
            if (info.builtin)
                return Error(Errc::Denied,
                             fmt::format("{} is a pre-defined network and cannot be removed", info.spec.name));
            if (network->users && (flushed || has_endpoints(*network)))
                return Error(Errc::Conflict,
                             fmt::format("error while removing network: network {} id {} has active endpoints",
                                         info.spec.name, info.id));
            if (!network->users) {
                network->removing = true;
                return network;
            }
        }
        reaper_.flush();  // containers that have just ended
    }
}

// Its record goes at once; that its bridge has to go is noted until it has: the daemon may die before.
Result<void> Manager::forget_network(const NetworkState& network) {
    std::vector<store::Change> changes{{std::string(network_prefix) + network.info.id, {}, {}}};
    auto doomed = std::string(doomed_prefix) + network.bridge;
    if (!network.adopted) changes.push_back({doomed, network.info.id, {}});
    TRY(store_.transact(changes));
    PILA_FAILPOINT("network.remove.after-store");
    if (!network.adopted) reaper_.add({{network.bridge}, {doomed}, {}, {}, {}});
    return {};
}

Result<void> Manager::remove_doomed() {
    os::net::Batch batch;
    std::vector<store::Change> changes;
    for (const auto& entry : TRY(store_.range(doomed_prefix))) {
        os::net::delete_link(batch, entry.key.substr(doomed_prefix.size()));
        changes.push_back({entry.key, {}, {}});
    }
    if (changes.empty()) return {};
    TRY(route_.run(batch).in("deleting bridges of removed networks"));
    TRY(store_.transact(changes));
    return {};
}

Result<void> Manager::remove_network(const Context& context, std::string_view name_or_id) {
    TRY(context.check());
    auto one_at_a_time = changes_.lock(everything);
    auto network = TRY(begin_removal(name_or_id));
    auto removed = forget_network(*network);
    if (removed) {
        auto rules = firewall_.remove_bridge(network->bridge);
        if (!rules) log::error("network {}: {}", network->info.spec.name, rules.error().message());
        neighbours_.check();
    }
    Lock lock(mutex_);
    if (!removed) {
        network->removing = false;
        return removed.take_error();
    }
    networks_.erase(network->info.id);
    return {};
}

}  // namespace pila::network

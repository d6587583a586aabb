// SPDX-License-Identifier: Apache-2.0
#include "network/manager.h"

#include <algorithm>
#include <functional>
#include <set>

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/netlink.h>

#include "base/log.h"
#include "base/text.h"
#include "network/bridge.h"
#include "network/record.h"
#include "os/file.h"
#include "os/net/route.h"

namespace pila::network {

using os::net::Family;
using os::net::IpAddress;

// Link groups are a 32-bit space without a registry; the upper half is ours, one number per instance.
static std::uint32_t doomed_group(const std::string& instance) {
    std::uint32_t hash = 2166136261U;
    for (unsigned char c : instance) hash = (hash ^ c) * 16777619U;
    return hash | 0x80000000U;
}

Result<std::unique_ptr<NetworkManager>> NetworkManager::create(Options options, store::Store& store) {
    return Manager::create(std::move(options), store);
}

// CAP_NET_ADMIN for links and rules, CAP_SYS_ADMIN for namespaces.
static bool has_capabilities() {
    constexpr std::uint64_t needed = 1ULL << 12 | 1ULL << 21;
    auto status = os::read_file("/proc/self/status", 64U << 10).value_or("");
    auto at = status.find("CapEff:");
    if (at == std::string::npos) return true;
    auto line = std::string_view(status).substr(at + 7);
    auto effective = parse_uint(trim(line.substr(0, line.find('\n'))), 16);
    return !effective || (*effective & needed) == needed;
}

Result<std::unique_ptr<NetworkManager>> Manager::create(Options options, store::Store& store) {
    if (options.enabled && !has_capabilities()) {
        log::warning("network: CAP_NET_ADMIN or CAP_SYS_ADMIN is missing: only the networks none and host exist");
        options.enabled = false;
    }
    auto route = TRY(os::net::NetlinkSocket::open(NETLINK_ROUTE));
    return std::unique_ptr<NetworkManager>(std::make_unique<Manager>(std::move(options), store, std::move(route)));
}

Manager::Manager(Options options, store::Store& store, os::net::NetlinkSocket route)
    : options_(std::move(options)),
      store_(store),
      helper_(options_.runtime_exe),
      route_(std::move(route)),
      firewall_(options_.instance),
      neighbours_(firewall_, options_.instance),
      dns_(DnsServer::create(helper_, names_)),
      reaper_(firewall_, store, doomed_group(options_.instance),
              [this](const std::vector<EndpointState>& endpoints) { give_back(endpoints); }),
      pool_(options_.pool_size, (options_.pool_size + 1) / 2,
            [this](PreparedPool::Kind kind) { return prepare(kind); }) {}

Manager::~Manager() {
    // What nobody uses goes with us; running containers keep theirs.
    Remains remains;
    for (auto& prepared : pool_.stop_and_drain())
        if (!prepared.host_link.empty()) remains.links.push_back(std::move(prepared.host_link));
    if (!remains.links.empty()) reaper_.add(std::move(remains));
}

void Manager::remove_everything() {
    neighbours_.stop();
    neighbours_.withdraw();
    Remains remains;
    for (auto& prepared : pool_.stop_and_drain())
        if (!prepared.host_link.empty()) remains.links.push_back(std::move(prepared.host_link));
    {
        Lock lock(mutex_);
        for (const auto& [id, network] : networks_)
            if (!network->bridge.empty() && !network->adopted) remains.links.push_back(network->bridge);
    }
    reaper_.add(std::move(remains));
    reaper_.flush();
    auto removed = firewall_.remove_tables();
    if (!removed) log::error("network: {}", removed.error().message());
}

void Manager::wait_until_idle() {
    reaper_.flush();
    if (options_.enabled) pool_.wait_until_full();
}

// Links on our bridges that no living container has: of an earlier daemon's pool, or of containers that ended
// meanwhile.
static Result<void> remove_orphans(os::net::NetlinkSocket& route, const std::string& instance,
                                   const std::vector<int>& bridges, const std::vector<std::string>& kept) {
    os::net::Batch batch;
    for (const auto& link : TRY(os::net::list_links(route))) {
        bool ours = link.kind == "veth" && is_host_link(instance, link.name) &&
                    std::find(bridges.begin(), bridges.end(), link.master) != bridges.end();
        if (ours && std::find(kept.begin(), kept.end(), link.name) == kept.end())
            os::net::delete_link(batch, link.name);
    }
    return route.run(batch);
}

static Fd namespace_of(const LiveContainer& container) {
    if (container.pid <= 0) return {};
    auto space = os::open(fmt::format("/proc/{}/ns/net", container.pid), O_RDONLY);
    if (space) return space.take();
    log::warning("network: container {}: {}", container.id.substr(0, 12), space.error().message());
    return {};
}

// A container that lived on: its addresses, ports and names are taken again.
void Manager::adopt(SandboxState sandbox) {
    add_names(sandbox);
    auto served = serve_names(sandbox);
    if (!served) log::error("network: names for {}: {}", sandbox.container_name, served.error().message());
    Lock lock(mutex_);
    for (const auto& endpoint : sandbox.endpoints) {
        auto network = networks_.find(endpoint.info.network_id);
        if (network == networks_.end()) continue;
        ++network->second->users;
        for (const auto& text : {endpoint.info.ipv4, endpoint.info.ipv6}) {
            auto address = IpAddress::parse(text);
            auto* pool = address ? network->second->pool_with(*address) : nullptr;
            if (pool) ignore(pool->take(*address), "a subnet that was changed under it");
        }
    }
    index_ports(sandbox.rules, true);
    auto id = sandbox.container_id;
    sandboxes_.emplace(std::move(id), std::move(sandbox));
}

Result<std::vector<SandboxState>> Manager::read_sandboxes(const std::vector<LiveContainer>& live) {
    std::vector<SandboxState> alive;
    std::vector<store::Change> dead;
    auto entries = TRY(store_.range(sandbox_prefix));
    // A container that was just being restarted has two: that of its former run, which nobody came to remove, goes.
    std::sort(entries.begin(), entries.end(),
              [](const auto& one, const auto& other) { return one.create_revision > other.create_revision; });
    std::set<std::string> seen;
    for (const auto& entry : entries) {
        auto sandbox = sandbox_of_record(entry.value);
        auto found = std::find_if(live.begin(), live.end(), [&](const LiveContainer& container) {
            return sandbox && container.id == sandbox->container_id;
        });
        if (!sandbox || found == live.end() || !seen.insert(sandbox->container_id).second) {
            dead.push_back({entry.key, std::nullopt, std::nullopt});
            continue;
        }
        sandbox->key = entry.key;
        sandbox->space = namespace_of(*found);
        alive.push_back(sandbox.take());
    }
    if (!dead.empty()) TRY(store_.transact(dead));
    return alive;
}

Result<void> Manager::bring_up_all(const std::vector<std::string>& kept_links) {
    std::vector<NetworkPtr> networks;
    {
        Lock lock(mutex_);
        for (const auto& [id, network] : networks_)
            if (!network->bridge.empty()) networks.push_back(network);
    }
    std::vector<int> bridges;
    for (auto& network : networks) {
        auto up = bring_up(*network);
        if (!up) log::error("network {}: {}", network->info.spec.name, up.error().message());
        bridges.push_back(network->bridge_index);
    }
    return remove_orphans(route_, options_.instance, bridges, kept_links);
}

Result<void> Manager::recover(const std::vector<LiveContainer>& live) {
    TRY(load_networks());
    if (!options_.enabled) return {};
    auto usable = firewall_.probe();
    if (!usable)
        log::error("network: {}: no way outside for containers, published TCP ports are relayed instead of translated",
                   usable.error().message());
    if (auto removed = remove_doomed(); !removed) log::error("network: {}", removed.error().message());
    auto sandboxes = TRY(read_sandboxes(live));
    TRY(ensure_default_network(sandboxes));
    std::vector<std::string> kept_links;
    for (auto& sandbox : sandboxes) {
        firewall_.adopt_ports(sandbox.rules);
        for (const auto& endpoint : sandbox.endpoints) kept_links.push_back(endpoint.host_link);
        adopt(std::move(sandbox));
    }
    TRY(bring_up_all(kept_links));
    TRY(firewall_.rebuild());
    neighbours_.check();
    auto watching = neighbours_.start();
    if (!watching) log::warning("network: {}", watching.error().message());
    reaper_.start();
    pool_.start();
    return {};
}

void Manager::index_ports(const std::vector<PortRule>& rules, bool add) {
    for (const auto& rule : rules) {
        std::uint32_t key = static_cast<std::uint32_t>(rule.protocol) << 16 | rule.host_port;
        if (add) {
            used_ports_.emplace(key, rule.host_address);
            continue;
        }
        auto [first, last] = used_ports_.equal_range(key);
        for (auto entry = first; entry != last; ++entry) {
            if (entry->second != rule.host_address) continue;
            used_ports_.erase(entry);
            break;
        }
    }
}

bool Manager::port_in_use(std::uint8_t protocol, const IpAddress& host, std::uint16_t port) {
    Lock lock(mutex_);
    auto [first, last] = used_ports_.equal_range(static_cast<std::uint32_t>(protocol) << 16 | port);
    return std::any_of(first, last, [&](const auto& entry) {
        const IpAddress& other = entry.second;
        return other.family() == host.family() && (other == host || other.is_unspecified() || host.is_unspecified());
    });
}

}  // namespace pila::network

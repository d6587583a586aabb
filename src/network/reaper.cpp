// SPDX-License-Identifier: Apache-2.0
#include "network/reaper.h"

#include <algorithm>

#include <linux/netlink.h>
#include <pthread.h>

#include "base/log.h"
#include "os/net/conntrack.h"
#include "os/net/route.h"

namespace pila::network {

Reaper::Reaper(Firewall& firewall, store::Store& store, std::uint32_t group, GiveBack give_back)
    : firewall_(firewall), store_(store), group_(group), give_back_(std::move(give_back)) {}

Reaper::~Reaper() {
    {
        Lock lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void Reaper::start() {
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "net-reaper");
        run();
    });
}

template <typename T>
static void move_behind(std::vector<T>& to, std::vector<T>& from) {
    for (auto& entry : from) to.push_back(std::move(entry));
    from.clear();
}

void Reaper::add(Remains remains) {
    Lock lock(mutex_);
    move_behind(waiting_.links, remains.links);
    move_behind(waiting_.store_keys, remains.store_keys);
    move_behind(waiting_.endpoints, remains.endpoints);
    move_behind(waiting_.changed_ports, remains.changed_ports);
    move_behind(waiting_.spaces, remains.spaces);
    dirty_ = true;
    ++added_;
    changed_.notify_all();
}

void Reaper::flush() {
    Lock lock(mutex_);
    auto until = added_;
    while (done_ < until && thread_.joinable()) changed_.wait(lock);
}

void Reaper::run() {
    for (;;) {
        Remains now;
        std::uint64_t covered;
        {
            Lock lock(mutex_);
            while (!dirty_ && !stopping_) changed_.wait(lock);
            if (!dirty_) return;
            now = std::exchange(waiting_, {});
            dirty_ = false;
            covered = added_;
        }
        take_down(now);
        Lock lock(mutex_);
        done_ = covered;
        changed_.notify_all();
    }
}

void Reaper::delete_links(const std::vector<std::string>& links) {
    if (links.empty()) return;
    auto socket = os::net::NetlinkSocket::open(NETLINK_ROUTE);
    if (!socket) return log::error("network: {}", socket.error().message());
    os::net::Batch batch;
    if (links.size() == 1) {
        os::net::delete_link(batch, links.front());
    } else {
        for (const auto& link : links) os::net::set_link_group(batch, link, group_);
        os::net::delete_links(batch, group_);
    }
    auto deleted = socket->run(batch);
    if (!deleted) log::error("network: {}", deleted.error().message());
}

void Reaper::forget_connections(const std::vector<PortRule>& ports) {
    if (ports.empty()) return;
    auto route = os::net::NetlinkSocket::open(NETLINK_ROUTE);
    auto netfilter = os::net::NetlinkSocket::open(NETLINK_NETFILTER);
    if (!route || !netfilter) return;
    auto local = os::net::list_addresses(*route);
    if (!local) return;
    for (const auto& port : ports) {
        // Only what was meant for this host: others' packets to the same port pass through, too.
        auto ours = [&](const os::net::IpAddress& address) {
            if (!port.host_address.is_unspecified()) return address == port.host_address;
            return address.is_loopback() || std::any_of(local->begin(), local->end(), [&](const auto& entry) {
                       return entry.prefix.address == address;
                   });
        };
        auto done = os::net::forget_connections(*netfilter, port.target.family(), port.protocol, port.host_port, ours);
        if (!done) log::debug("network: port {}: {}", port.host_port, done.error().message());
    }
}

void Reaper::take_down(Remains& remains) {
    auto flushed = firewall_.flush_removals();
    if (!flushed) log::error("network: removing published ports: {}", flushed.error().message());
    forget_connections(remains.changed_ports);
    delete_links(remains.links);
    std::vector<store::Change> changes;
    for (auto& key : remains.store_keys) changes.push_back({std::move(key), std::nullopt, std::nullopt});
    if (!changes.empty()) {
        auto removed = store_.transact(changes);
        if (!removed) log::error("network: forgetting attachments: {}", removed.error().message());
    }
    give_back_(remains.endpoints);
    remains.spaces.clear();
}

}  // namespace pila::network

// SPDX-License-Identifier: Apache-2.0
#include "network/neighbours.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/core.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "os/net/legacy_iptables.h"
#include "os/net/route.h"

namespace pila::network {

using os::net::Family;
using os::net::NetlinkSocket;
using os::net::nft::Hook;
using os::net::nft::Rule;
using os::net::nft::Transaction;

static const std::string filter_table = "filter", docker_user = "DOCKER-USER";
// Firewalls change many rules in a row: look once they are done.
static constexpr int settle_ms = 100;

Result<void> Neighbours::start() {
    changes_ = TRY(os::net::nft::watch_ruleset());
    wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) return Error::from_errno(errno, "create event descriptor");
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "net-neighbours");
        run();
    });
    return {};
}

void Neighbours::stop() {
    if (!thread_.joinable()) return;
    std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
    thread_.join();
}

void Neighbours::run() {
    bool changed = false;
    for (;;) {
        pollfd waiting[] = {{wake_.get(), POLLIN, 0}, {changes_.get(), POLLIN, 0}};
        int ready = ::poll(waiting, 2, changed ? settle_ms : -1);
        if (ready < 0 && errno != EINTR) return;
        if (waiting[0].revents) return;
        if (ready > 0) {
            // What was changed does not matter; neither does a full buffer (ENOBUFS).
            char buffer[16384];
            while (::recv(changes_.get(), buffer, sizeof buffer, 0) > 0 || errno == ENOBUFS) errno = 0;
            changed = true;
        } else if (ready == 0) {
            changed = false;
            auto restored = firewall_.restore_if_gone();
            if (!restored) log::error("network: {}", restored.error().message());
            check();
        }
    }
}

void Neighbours::warn(const std::string& text) {
    if (warned_.insert(text).second) log::warning("network: {}", text);
}

void Neighbours::check() {
    std::vector<std::string> v4, v6;
    for (const auto& bridge : firewall_.bridges()) {
        bool has_v6 = std::any_of(bridge.subnets.begin(), bridge.subnets.end(),
                                  [](const auto& subnet) { return subnet.family() == Family::V6; });
        v4.push_back(bridge.interface);
        if (has_v6) v6.push_back(bridge.interface);
    }
    Lock lock(mutex_);
    auto done = check_family(Family::V4, v4);
    if (done && os::net::have_ipv6()) done = check_family(Family::V6, v6);
    if (!done) log::warning("network: looking at other firewalls: {}", done.error().message());
    check_legacy(v4);
}

void Neighbours::withdraw() {
    Lock lock(mutex_);
    for (auto family : {Family::V4, Family::V6}) {
        if (family == Family::V6 && !os::net::have_ipv6()) continue;
        ignore(sync_docker_user(family, {}), "there may be no such chain");
    }
}

static std::string commands(std::string_view program, std::string_view chain, const std::vector<std::string>& bridges) {
    std::string text;
    for (const auto& bridge : bridges)
        text += fmt::format("{}{} -I {} -i {} -j ACCEPT; {} -I {} -o {} -j ACCEPT", text.empty() ? "" : "; ", program,
                            chain, bridge, program, chain, bridge);
    return text;
}

Result<void> Neighbours::check_family(Family family, const std::vector<std::string>& bridges) {
    if (!socket_) socket_ = std::make_unique<NetlinkSocket>(TRY(NetlinkSocket::open(NETLINK_NETFILTER)));
    const char* iptables = family == Family::V4 ? "iptables" : "ip6tables";
    bool forward_drops = false, have_docker_user = false;
    for (const auto& chain : TRY(os::net::nft::list_chains(*socket_, family))) {
        if (chain.table == filter_table && chain.name == docker_user) have_docker_user = true;
        if (chain.hook != Hook::Forward || !chain.drops || chain.table == firewall_.table()) continue;
        if (chain.table == filter_table && chain.name == "FORWARD")
            forward_drops = true;
        else if (!bridges.empty())
            warn(fmt::format(
                "the nftables chain {} {} drops forwarded packets: containers reach other machines only if it "
                "accepts them, for instance with: nft insert rule {} {} {} iifname {} accept; nft insert rule "
                "{} {} {} oifname {} accept",
                chain.table, chain.name, family == Family::V4 ? "ip" : "ip6", chain.table, chain.name, bridges.front(),
                family == Family::V4 ? "ip" : "ip6", chain.table, chain.name, bridges.front()));
    }
    if (have_docker_user) return sync_docker_user(family, forward_drops ? bridges : std::vector<std::string>());
    if (!forward_drops || bridges.empty()) return {};
    warn(
        fmt::format("the policy of {}' chain FORWARD is to drop: containers reach other machines, and are reached at "
                    "published ports, only after: {}",
                    iptables, commands(iptables, "FORWARD", bridges)));
    return {};
}

Result<void> Neighbours::sync_docker_user(Family family, const std::vector<std::string>& bridges) {
    if (!socket_) return {};
    auto rules = TRY(os::net::nft::list_rules(*socket_, family, filter_table, docker_user));
    std::vector<std::string> wanted, present;
    for (const auto& bridge : bridges)
        for (const auto* direction : {" in ", " out "}) wanted.push_back(comment_ + direction + bridge);
    Transaction transaction(family);
    for (const auto& rule : rules) {
        if (!rule.comment.starts_with(comment_ + " ")) continue;
        bool keep = std::find(wanted.begin(), wanted.end(), rule.comment) != wanted.end();
        if (keep)
            present.push_back(rule.comment);
        else
            transaction.delete_rule(filter_table, docker_user, rule.handle);
    }
    // Behind the user's own rules, before the "return" at the end that Docker puts there.
    bool before_last = !rules.empty() && rules.back().returns_always;
    for (const auto& bridge : bridges) {
        for (bool in : {true, false}) {
            auto comment = comment_ + (in ? " in " : " out ") + bridge;
            if (std::find(present.begin(), present.end(), comment) != present.end()) continue;
            Rule rule;
            (in ? rule.in_interface(bridge) : rule.out_interface(bridge)).counter().accept().comment(comment);
            if (before_last)
                transaction.insert_rule_before(filter_table, docker_user, rules.back().handle, rule);
            else
                transaction.add_rule(filter_table, docker_user, rule);
        }
    }
    return transaction.commit(*socket_);
}

void Neighbours::check_legacy(const std::vector<std::string>& bridges) {
    if (bridges.empty() || !os::net::legacy_forward_drops()) return;
    warn(fmt::format(
        "the policy of iptables-legacy's chain FORWARD is to drop (Docker sets it), and only iptables-legacy can "
        "change that; containers reach other machines, and are reached at published ports, only after: {}",
        commands("iptables-legacy", "FORWARD", bridges)));
}

}  // namespace pila::network

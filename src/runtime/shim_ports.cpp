// SPDX-License-Identifier: Apache-2.0
// Ports of the host that come and go while the container runs.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <algorithm>

#include "runtime/shim_internal.h"

namespace pila::runtime {

static HeldPort port_of(FdView socket) {
    HeldPort port;
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    int protocol = 0;
    socklen_t protocol_size = sizeof protocol;
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) < 0 ||
        ::getsockopt(socket.get(), SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_size) < 0)
        return port;
    char text[INET6_ADDRSTRLEN] = "";
    if (address.ss_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
        ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
        port.port = ntohs(v4->sin_port);
    } else if (address.ss_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
        ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        port.port = ntohs(v6->sin6_port);
    }
    port.protocol = static_cast<std::uint8_t>(protocol);
    port.address = text;
    return port;
}

static bool same_port(const HeldPort& one, const HeldPort& other) {
    return one.protocol == other.protocol && one.port == other.port && one.address == other.address;
}

Result<void> Shim::change_ports(const std::string& wanted, std::vector<Fd>& fds) {
    auto request = TRY(decode_ports(wanted));
    if (exit_) return Error(Errc::NotFound, "the container has ended", ESRCH);
    std::vector<std::unique_ptr<Relay>> relays;
    std::vector<std::pair<Relay*, Relay::Target>> moves;
    std::vector<HeldPort> named;
    for (std::size_t i = 0; i < request.ports.size(); ++i) {
        auto moved = std::find_if(request.relays.begin(), request.relays.end(),
                                  [&](const auto& relay) { return relay.listen_fd == listener_at(i); });
        if (moved == request.relays.end() || request.keep) named.push_back(request.ports[i]);
        if (moved == request.relays.end()) continue;
        auto found = std::find_if(relays_.begin(), relays_.end(), [&](const auto& relay) {
            return relay->listener().get() >= 0 && same_port(port_of(relay->listener()), request.ports[i]);
        });
        if (found == relays_.end()) return Error(Errc::Invalid, "ports: nothing is relayed from where it was to move");
        moves.emplace_back(found->get(), TRY(Relay::parse_target(*moved)));
    }
    for (const auto& relay : request.relays) {
        if (is_listener_at(relay.listen_fd)) continue;
        if (relay.listen_fd < 0 || static_cast<std::size_t>(relay.listen_fd) >= fds.size())
            return Error(Errc::Invalid, "ports: a relay without its socket");
        auto listener = TRY(fds[static_cast<std::size_t>(relay.listen_fd)].duplicate());
        relays.push_back(TRY(Relay::create(loop_, relay, std::move(listener))));
    }
    auto let_go = [&](FdView socket) {
        auto port = port_of(socket);
        bool is_named =
            std::any_of(named.begin(), named.end(), [&](const HeldPort& one) { return same_port(one, port); });
        return is_named != request.keep;
    };
    for (const auto& relay : relays_)
        if (relay->listener().get() >= 0 && let_go(relay->listener())) relay->stop_listening();
    std::erase_if(relays_, [](const auto& relay) { return relay->idle(); });
    std::erase_if(held_, [&](const Fd& socket) { return let_go(socket); });
    for (auto& [relay, target] : moves) relay->lead_to(target);
    for (auto& socket : fds) held_.push_back(std::move(socket));
    for (auto& relay : relays) relays_.push_back(std::move(relay));
    return {};
}

}  // namespace pila::runtime

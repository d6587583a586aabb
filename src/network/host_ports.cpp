// SPDX-License-Identifier: Apache-2.0
#include "network/host_ports.h"

#include <algorithm>
#include <atomic>
#include <cerrno>

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::network {

using os::net::Family;
using os::net::IpAddress;
using os::net::SocketAddress;

static constexpr int relay_backlog = 512;

std::optional<std::uint8_t> protocol_number(std::string_view name) {
    if (name == "tcp") return IPPROTO_TCP;
    if (name == "udp") return IPPROTO_UDP;
    if (name == "sctp") return IPPROTO_SCTP;
    return std::nullopt;
}

PortRange dynamic_port_range(std::string_view text) {
    constexpr PortRange fallback{49153, 65535};
    auto gap = text.find_first_of(" \t");
    if (gap == std::string_view::npos) return fallback;
    auto first = parse_uint(trim(text.substr(0, gap))), last = parse_uint(trim(text.substr(gap)));
    if (!first || !last || *first == 0 || *first > *last || *last > 65535) return fallback;
    return {static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

namespace {

// One after the other over all containers, so that a port that was just given up is not handed out at once.
std::uint16_t next_dynamic_port(const PortRange& range) {
    static std::atomic<std::uint32_t> counter{0};
    std::uint32_t size = range.last - range.first + 1U;
    return static_cast<std::uint16_t>(range.first + counter.fetch_add(1, std::memory_order_relaxed) % size);
}

const PortRange& host_range() {
    static const PortRange range =
        dynamic_port_range(os::read_file("/proc/sys/net/ipv4/ip_local_port_range", 64).value_or(""));
    return range;
}

bool host_has_ipv6() { return os::exists("/proc/net/if_inet6"); }

std::string host_text(const IpAddress& host, std::uint16_t port) {
    return fmt::format(fmt::runtime(host.is_v4() ? "{}:{}" : "[{}]:{}"), host.text(), port);
}

// Bound, not yet listening. SO_REUSEADDR for TCP only: what listens excludes others all the same, and connections of a
// former owner that still linger do not.
Result<Fd> bind_port(std::uint8_t protocol, const IpAddress& host, std::uint16_t port) {
    int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
    Fd socket(::socket(static_cast<int>(host.family()), type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    if (!socket) return Error::from_errno(errno, "create socket");
    int on = 1;
    if (!host.is_v4()) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (protocol == IPPROTO_TCP) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    auto address = SocketAddress::of(host, port);
    if (::bind(socket.get(), address.get(), address.size) < 0) return Error::from_errno(errno, "bind");
    return socket;
}

class Taker {
public:
    Taker(const PortTargets& targets, const PortInUse& in_use, const GivenPorts& given)
        : targets_(targets), in_use_(in_use), given_(given.ports) {}

    Result<void> take(const PortRequest& request) {
        auto protocol = protocol_number(request.protocol);
        if (!protocol) return Error(Errc::Invalid, "invalid proto: " + request.protocol);
        if (request.container_port == 0) return Error(Errc::Invalid, "invalid containerPort: 0");
        auto hosts = TRY(hosts_of(request));
        std::uint32_t first = request.host_port, last = std::max(request.host_port, request.host_port_end);
        bool dynamic = first == 0;
        std::uint32_t tries = dynamic ? host_range().last - host_range().first + 1U : last - first + 1;
        Result<void> outcome;
        for (std::uint32_t i = 0; i < tries; ++i) {
            auto port = dynamic ? next_dynamic_port(host_range()) : static_cast<std::uint16_t>(first + i);
            outcome = take_on_all(request, *protocol, hosts, port);
            if (outcome || outcome.error().code() != Errc::Conflict) return outcome;
        }
        return outcome;
    }

    TakenPorts taken;

private:
    Result<std::vector<IpAddress>> hosts_of(const PortRequest& request) const {
        std::string text = request.host_ip.empty() ? targets_.default_host_ip : request.host_ip;
        if (text.empty()) {
            std::vector<IpAddress> all{IpAddress::from_number(Family::V4, 0)};
            if (host_has_ipv6()) all.push_back(IpAddress::from_number(Family::V6, 0));
            return all;
        }
        auto address = IpAddress::parse(text);
        if (!address) return Error(Errc::Invalid, "invalid IP address in publish: " + printable(text));
        return std::vector<IpAddress>{*address};
    }

    Result<void> take_on_all(const PortRequest& request, std::uint8_t protocol, const std::vector<IpAddress>& hosts,
                             std::uint16_t port) {
        std::vector<Place> places;
        for (const auto& host : hosts) {
            auto socket = take_one(request, protocol, host, port);
            if (!socket) return socket.take_error();
            places.push_back(socket.take());
        }
        for (std::size_t i = 0; i < hosts.size(); ++i) keep(request, protocol, hosts[i], port, std::move(places[i]));
        return {};
    }

    struct Place {
        Fd socket;
        std::optional<std::uint16_t> former_port;  // of the container: the socket is there already
    };

    std::vector<PublishedPort>::iterator find_given(const std::string& protocol, const IpAddress& host,
                                                    std::uint16_t port) {
        return std::find_if(given_.begin(), given_.end(), [&](const PublishedPort& one) {
            return one.protocol == protocol && one.host_port == port && one.host_ip == host.text();
        });
    }

    Result<Place> take_one(const PortRequest& request, std::uint8_t protocol, const IpAddress& host,
                           std::uint16_t port) {
        auto prefix =
            fmt::format("driver failed programming external connectivity on endpoint {} ({}): ", targets_.endpoint_name,
                        targets_.endpoint_id);
        auto allocated = [&] {
            return Error(Errc::Conflict,
                         fmt::format("{}Bind for {} failed: port is already allocated", prefix, host_text(host, port)));
        };
        if (auto given = find_given(request.protocol, host, port); given != given_.end())
            return Place{Fd(), given->container_port};
        if (in_use_(protocol, host, port)) return allocated();
        auto socket = bind_port(protocol, host, port);
        if (socket) return Place{socket.take(), {}};
        int code = socket.error().os_errno();
        // A kernel without SCTP sockets may still translate SCTP; our own list keeps the port unique.
        if (protocol == IPPROTO_SCTP && code == EPROTONOSUPPORT) return Place();
        auto reason = std::string(socket.error().message());
        reason = code == EADDRINUSE ? "address already in use" : to_lower(reason.substr(reason.find(": ") + 2));
        return Error(code == EADDRINUSE ? Errc::Conflict : socket.error().code(),
                     fmt::format("{}failed to bind host port for {}:{}:{}/{}: {}", prefix, host_text(host, port),
                                 targets_.ipv4.text(), request.container_port, request.protocol, reason));
    }

    void keep(const PortRequest& request, std::uint8_t protocol, const IpAddress& host, std::uint16_t port,
              Place place) {
        taken.published.push_back({request.protocol, request.container_port, port, host.text()});
        const IpAddress* target = host.is_v4() ? &targets_.ipv4 : targets_.ipv6 ? &*targets_.ipv6 : nullptr;
        bool translated = targets_.translate && target && !(!host.is_v4() && host.is_loopback());
        if (translated) taken.rules.push_back({protocol, host, port, *target, request.container_port});
        bool relayed = protocol == IPPROTO_TCP && (!translated || !host.is_v4());
        auto address = (target ? *target : targets_.ipv4).text();
        if (place.former_port) {
            given_.erase(find_given(request.protocol, host, port));
            taken.moved.push_back(taken.published.back());
            if (relayed)
                taken.moved_relays.push_back({host.text(), port, address, request.container_port, *place.former_port});
        }
        if (!place.socket) return;
        if (protocol == IPPROTO_TCP) taken.listening.push_back(taken.held.size());
        if (relayed) taken.relays.push_back({taken.held.size(), address, request.container_port});
        taken.held.push_back(std::move(place.socket));
    }

    const PortTargets& targets_;
    const PortInUse& in_use_;
    std::vector<PublishedPort> given_;
};

}  // namespace

Result<TakenPorts> take_ports(const std::vector<PortRequest>& requests, const PortTargets& targets,
                              const PortInUse& in_use, const GivenPorts& given) {
    Taker taker(targets, in_use, given);
    for (const auto& request : requests) TRY(taker.take(request));
    return std::move(taker.taken);
}

Result<void> open_ports(TakenPorts& ports, const PortTargets& targets) {
    for (auto index : ports.listening) {
        if (::listen(ports.held[index].get(), relay_backlog) == 0) continue;
        // Somebody with SO_REUSEADDR bound it, too, and listened first.
        int code = errno;
        return Error::from_errno(
                   code, fmt::format("driver failed programming external connectivity on endpoint {} ({}): listen",
                                     targets.endpoint_name, targets.endpoint_id))
            .with_code(Errc::Conflict);
    }
    return {};
}

}  // namespace pila::network

// SPDX-License-Identifier: Apache-2.0
#include "network/dns_sockets.h"

#include <cerrno>
#include <cstring>

#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/log.h"
#include "os/net/nft.h"

namespace pila::network {

using os::net::Family;
using os::net::IpAddress;
using os::net::SocketAddress;
using os::net::nft::Hook;
using os::net::nft::Rule;
using os::net::nft::Transaction;

static constexpr std::uint16_t dns_port = 53;
static constexpr int tcp_backlog = 64;
static const std::string table = "pila-dns";

static Result<Fd> open_bound(HelperClient& helper, FdView space, int type, const IpAddress& address,
                             std::uint16_t port) {
    SocketRequest request{AF_INET, type | SOCK_NONBLOCK, 0, SocketAddress::of(address, port)};
    request.reuse_address = true;  // a restarted daemon takes over at once
    request.backlog = type == SOCK_STREAM ? tcp_backlog : 0;
    return helper.open_socket(space, request);
}

static Result<std::uint16_t> port_of(FdView socket) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) < 0)
        return Error::from_errno(errno, "port of name server socket");
    return ntohs(address.sin_port);
}

static void swap_ports(Transaction& transaction, const IpAddress& server, std::uint8_t protocol, std::uint16_t port) {
    os::net::Prefix exactly{server, 32};
    Rule there = Rule();
    there.address(Rule::Side::Destination, exactly).protocol(protocol).destination_port(dns_port);
    there.set_port(Rule::Side::Destination, protocol, port);
    transaction.add_rule(table, "output", there);
    Rule back = Rule();
    back.address(Rule::Side::Source, exactly).protocol(protocol).source_port(port);
    back.set_port(Rule::Side::Source, protocol, dns_port);
    transaction.add_rule(table, "output", back);
}

static Result<void> redirect(HelperClient& helper, FdView space, const IpAddress& server, const DnsSockets& sockets) {
    SocketRequest request{AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER, {}};
    auto raw = TRY(helper.open_socket(space, request));
    auto socket = TRY(os::net::NetlinkSocket::adopt(std::move(raw)));
    auto udp_port = TRY(port_of(sockets.udp)), tcp_port = TRY(port_of(sockets.tcp));
    Transaction transaction(Family::V4);
    transaction.add_table(table);  // what an earlier daemon left there is replaced
    transaction.delete_table(table);
    transaction.add_table(table);
    transaction.add_chain(table, {"output", "filter", Hook::Output, -300});
    swap_ports(transaction, server, IPPROTO_UDP, udp_port);
    swap_ports(transaction, server, IPPROTO_TCP, tcp_port);
    return transaction.commit(socket);
}

Result<DnsSockets> open_dns_sockets(HelperClient& helper, FdView space) {
    static const IpAddress server = *IpAddress::parse("127.0.0.11");
    DnsSockets sockets;
    sockets.udp = TRY(open_bound(helper, space, SOCK_DGRAM, server, 0));
    sockets.tcp = TRY(open_bound(helper, space, SOCK_STREAM, server, 0));
    auto redirected = redirect(helper, space, server, sockets);
    if (redirected) return sockets;
    log::debug("network: {}; name server on port 53 itself", redirected.error().message());
    sockets.udp = TRY(open_bound(helper, space, SOCK_DGRAM, server, dns_port));
    sockets.tcp = TRY(open_bound(helper, space, SOCK_STREAM, server, dns_port));
    return sockets;
}

}  // namespace pila::network

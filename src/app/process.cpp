// SPDX-License-Identifier: Apache-2.0
#include "app/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <optional>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::app {

Result<Fd> lock_directory(const std::string& directory) {
    auto lock = TRY(os::open(directory + "/lock", O_RDWR | O_CREAT, 0600));
    TRY(os::lock_exclusively(lock).in(directory));
    return lock;
}

Result<Fd> block_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    Fd fd(::signalfd(-1, &signals, SFD_CLOEXEC));
    if (!fd) return Error::from_errno(errno, "signalfd");
    return fd;
}

int wait_for_signal(const Fd& signals) {
    for (;;) {
        signalfd_siginfo info{};
        if (::read(signals.get(), &info, sizeof info) != sizeof info) continue;
        if (info.ssi_signo == SIGHUP) continue;  // nothing to reload; must not end a server
        return static_cast<int>(info.ssi_signo);
    }
}

namespace {

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

std::optional<Address> parse_address(std::string host, std::uint16_t port) {
    if (host == "localhost") host = "127.0.0.1";
    if (host.empty()) host = "::";
    Address address;
    auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        address.size = sizeof v4;
        return address;
    }
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
    if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return std::nullopt;
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    address.size = sizeof v6;
    return address;
}

}  // namespace

Result<Place> parse_place(const std::string& text) {
    auto colon = text.rfind(':');
    auto port = colon == std::string::npos ? std::nullopt : parse_uint(std::string_view(text).substr(colon + 1));
    if (!port || *port == 0 || *port > 65535)
        return Error(Errc::Invalid, fmt::format("cannot listen on {}: must be ADDRESS:PORT", text));
    return Place{text.substr(0, colon), static_cast<std::uint16_t>(*port), text};
}

bool is_loopback(const std::string& host) {
    auto address = parse_address(host, 0);
    if (!address) return false;
    if (address->storage.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<sockaddr_in6&>(address->storage).sin6_addr);
    return (ntohl(reinterpret_cast<sockaddr_in&>(address->storage).sin_addr.s_addr) >> 24) == 127;
}

Result<Fd> listen_on_tcp(const std::string& host, std::uint16_t port) {
    auto address = parse_address(host, port);
    if (!address) return Error(Errc::Invalid, fmt::format("{} is no IP address", host));
    Fd socket(::socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return Error::from_errno(errno, "create socket");
    int on = 1, off = 0;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (host.empty()) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address->storage), address->size) < 0 ||
        ::listen(socket.get(), 512) < 0)
        return Error::from_errno(errno, fmt::format("listen on {}:{}", host, port));
    return socket;
}

}  // namespace pila::app

// SPDX-License-Identifier: Apache-2.0
#include "network/test_host.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "os/file.h"
#include "os/net/route.h"

namespace pila::network::testing {

using os::net::IpAddress;
using os::net::NetlinkSocket;
using os::net::Prefix;
using os::net::SocketAddress;

std::string TestHost::helper_path() {
    char path[4096];
    ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
    std::string self(path, size > 0 ? static_cast<std::size_t>(size) : 0);
    return self.substr(0, self.find_last_of('/')) + "/network-test-helper";
}

static Result<Fd> make_lan(HelperClient& helper) {
    auto route = TRY(NetlinkSocket::open(NETLINK_ROUTE));
    auto lan = TRY(helper.new_namespace());
    os::net::VethSpec pair;
    pair.name = "lan0";
    pair.peer_name = "eth0";
    pair.peer_namespace = lan.space.get();
    os::net::Batch outside;
    os::net::set_link_up(outside, "lo");
    os::net::add_veth(outside, pair);
    TRY(route.run(outside));
    int ours = TRY(os::net::find_link(route, "lan0")).index,
        theirs = TRY(os::net::find_link(lan.netlink, "eth0")).index;
    os::net::Batch host_side, lan_side;
    os::net::add_address(host_side, ours, *Prefix::parse(std::string(host_address) + "/24"));
    os::net::add_address(lan_side, theirs, *Prefix::parse(std::string(lan_address) + "/24"));
    os::net::set_link_up(lan_side, theirs, "eth0");
    TRY(route.run(host_side));
    TRY(lan.netlink.run(lan_side));
    os::net::Batch routes;
    os::net::add_route(routes, *Prefix::parse("0.0.0.0/0"), IpAddress::parse(lan_address), ours);
    TRY(route.run(routes));
    return std::move(lan.space);
}

std::unique_ptr<TestHost> TestHost::make() {
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) < 0) return nullptr;
    std::unique_ptr<TestHost> host(new TestHost);
    auto lan = make_lan(host->helper_);
    if (!lan) {
        std::fprintf(stderr, "test host: %s\n", lan.error().message().c_str());
        return nullptr;
    }
    host->lan_ = lan.take();
    return host;
}

int TestHost::hold(const Fd& space) {
    int pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::setns(space.get(), CLONE_NEWNET);
        ::close_range(0, ~0U, 0);
        ::pause();
        ::_exit(0);
    }
    holders_.push_back(pid);
    // Only once it is there: the descriptors are closed behind setns(2).
    while (os::list_directory("/proc/" + std::to_string(pid) + "/fd").value_or({"x"}).size()) ::sched_yield();
    return pid;
}

TestHost::~TestHost() {
    for (int pid : holders_) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
}

std::unique_ptr<Manager> TestHost::start_manager(Options options, const std::vector<LiveContainer>& live) {
    options.runtime_exe = helper_path();
    auto created = NetworkManager::create(std::move(options), store_);
    if (!created) {
        std::fprintf(stderr, "manager: %s\n", created.error().message().c_str());
        return nullptr;
    }
    std::unique_ptr<Manager> manager(static_cast<Manager*>(created->release()));
    auto recovered = manager->recover(live);
    if (recovered) return manager;
    std::fprintf(stderr, "recover: %s\n", recovered.error().message().c_str());
    return nullptr;
}

static Result<Fd> socket_in(TestHost& host, const Fd& space, const SocketRequest& request) {
    if (space) return host.helper().open_socket(space, request);
    Fd socket(::socket(request.domain, request.type | SOCK_CLOEXEC, request.protocol));
    int on = 1;
    if (request.reuse_address) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (request.address.size && ::bind(socket.get(), request.address.get(), request.address.size) < 0)
        return Error::from_errno(errno, "bind");
    if (request.backlog && ::listen(socket.get(), request.backlog) < 0) return Error::from_errno(errno, "listen");
    return socket;
}

static Fd bound(TestHost& host, const Fd& space, int type, const std::string& address, std::uint16_t port) {
    auto ip = IpAddress::parse(address);
    SocketRequest request{static_cast<int>(ip->family()), type, 0, SocketAddress::of(*ip, port)};
    request.reuse_address = type == SOCK_STREAM;
    request.backlog = type == SOCK_STREAM ? 16 : 0;
    auto socket = socket_in(host, space, request);
    if (socket) return socket.take();
    errno = socket.error().os_errno();
    return {};
}

Fd tcp_listener(TestHost& host, const Fd& space, const std::string& address, std::uint16_t port) {
    return bound(host, space, SOCK_STREAM, address, port);
}

Fd udp_socket(TestHost& host, const Fd& space, const std::string& address, std::uint16_t port) {
    return bound(host, space, SOCK_DGRAM, address, port);
}

Fd tcp_connect(TestHost& host, const Fd& space, const std::string& address, std::uint16_t port, int timeout_ms) {
    auto ip = IpAddress::parse(address);
    auto socket = socket_in(host, space, {static_cast<int>(ip->family()), SOCK_STREAM | SOCK_NONBLOCK});
    if (!socket) return {};
    auto to = SocketAddress::of(*ip, port);
    if (::connect(socket->get(), to.get(), to.size) < 0) {
        if (errno != EINPROGRESS) return {};
        pollfd waiting{socket->get(), POLLOUT, 0};
        if (::poll(&waiting, 1, timeout_ms) <= 0) {
            errno = ETIMEDOUT;
            return {};
        }
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(socket->get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            errno = error;
            return {};
        }
    }
    ::fcntl(socket->get(), F_SETFL, 0);
    return socket.take();
}

bool reaches(TestHost& host, const Fd& space, const std::string& address, std::uint16_t port, const Fd& listener,
             std::string* peer, int timeout_ms) {
    auto client = tcp_connect(host, space, address, port, timeout_ms);
    if (!client) return false;
    pollfd waiting{listener.get(), POLLIN, 0};
    if (::poll(&waiting, 1, timeout_ms) <= 0) return false;
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    Fd server(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC));
    if (!server) return false;
    if (peer) {
        bool v4 = from.ss_family == AF_INET;
        const auto* bytes = reinterpret_cast<const char*>(&from) + (v4 ? 4 : 8);
        *peer = IpAddress::from_bytes(v4 ? os::net::Family::V4 : os::net::Family::V6, bytes).text();
    }
    // Both directions carry data.
    char byte = 0;
    bool there =
        ::send(client.get(), "a", 1, MSG_NOSIGNAL) == 1 && ::recv(server.get(), &byte, 1, 0) == 1 && byte == 'a';
    return there && ::send(server.get(), "b", 1, MSG_NOSIGNAL) == 1 && ::recv(client.get(), &byte, 1, 0) == 1 &&
           byte == 'b';
}

static std::string output_of(const char* command) {
    std::string text;
    std::FILE* pipe = ::popen(command, "r");
    if (!pipe) return text;
    char buffer[4096];
    while (std::size_t size = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, size);
    ::pclose(pipe);
    return text;
}

bool run_inside(const Fd& space, const std::string& command) {
    auto line = "nsenter --net=/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(space.get()) +
                " sh -c '" + command + "'";
    return std::system(line.c_str()) == 0;
}

std::string ruleset() { return output_of("nft -s list ruleset"); }

std::string link_names() {
    std::string names;
    auto route = NetlinkSocket::open(NETLINK_ROUTE);
    if (!route) return names;
    auto links = os::net::list_links(*route);
    if (!links) return names;
    for (const auto& link : *links) names += link.name + "\n";
    return names;
}

}  // namespace pila::network::testing

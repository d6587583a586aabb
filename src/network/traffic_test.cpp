// SPDX-License-Identifier: Apache-2.0
// Real traffic between containers, the host and a neighbour, in network namespaces of the test's own.
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "network/test_host.h"
#include "os/file.h"

using namespace pila;
using namespace pila::network;
using namespace pila::network::testing;

#define NEED_HOST(name)                                        \
    auto name = TestHost::make();                              \
    if (!name) {                                               \
        MESSAGE("skipped: needs root and network namespaces"); \
        return;                                                \
    }

static Result<Sandbox> attach(Manager& manager, const std::string& id, std::vector<PortRequest> ports = {},
                              std::vector<EndpointRequest> endpoints = {{"bridge", {}, "", "", ""}}) {
    AttachRequest request;
    request.container_id = id;
    request.container_name = "name-" + id;
    request.endpoints = std::move(endpoints);
    request.ports = std::move(ports);
    auto attached = manager.attach({}, request);
    if (!attached) MESSAGE(attached.error().message());
    return attached;
}

TEST_CASE("a container reaches the neighbour with the host's address, and the host reaches it") {
    NEED_HOST(host);
    auto links_before = link_names();
    auto rules_before = ruleset();
    {
        auto manager = host->start_manager();
        REQUIRE(manager);
        manager->wait_until_idle();
        auto one = attach(*manager, "one");
        REQUIRE(one.ok());
        CHECK(one->endpoints[0].ipv4 == "172.17.0.2");
        CHECK(one->endpoints[0].gateway == "172.17.0.1");
        CHECK(one->endpoints[0].mac_address == "02:42:ac:11:00:02");

        auto lan = tcp_listener(*host, host->lan(), lan_address, 7000);
        std::string seen;
        CHECK(reaches(*host, one->network_namespace, lan_address, 7000, lan, &seen));
        CHECK(seen == host_address);

        auto inside = tcp_listener(*host, one->network_namespace, "0.0.0.0", 80);
        CHECK(reaches(*host, {}, "172.17.0.2", 80, inside));

        auto two = attach(*manager, "two");
        REQUIRE(two.ok());
        CHECK(reaches(*host, two->network_namespace, "172.17.0.2", 80, inside, &seen));
        CHECK(seen == "172.17.0.3");
        manager->detach("one");
        manager->detach("two");
        manager->wait_until_idle();
        CHECK(manager->find("bridge")->attached.empty());
        manager->remove_everything();
    }
    CHECK(link_names() == links_before);
    CHECK(ruleset() == rules_before);
}

TEST_CASE("published ports") {
    NEED_HOST(host);
    auto manager = host->start_manager();
    REQUIRE(manager);
    manager->wait_until_idle();
    auto one = attach(*manager, "one",
                      {{"tcp", 80, "", 8080, 0}, {"tcp", 81, "127.0.0.1", 8081, 0}, {"udp", 53, "", 5353, 0}});
    REQUIRE(one.ok());
    auto web = tcp_listener(*host, one->network_namespace, "0.0.0.0", 80);
    auto local = tcp_listener(*host, one->network_namespace, "0.0.0.0", 81);

    SUBCASE("from the host by every address, from the neighbour, from containers") {
        std::string seen;
        CHECK(reaches(*host, {}, "127.0.0.1", 8080, web, &seen));
        CHECK(seen == "172.17.0.1");
        CHECK(reaches(*host, {}, host_address, 8080, web));
        CHECK(reaches(*host, {}, "172.17.0.1", 8080, web));
        CHECK(reaches(*host, host->lan(), host_address, 8080, web, &seen));
        CHECK(seen == lan_address);
        CHECK(reaches(*host, one->network_namespace, host_address, 8080, web));  // itself, through the host
        auto two = attach(*manager, "two");
        REQUIRE(two.ok());
        CHECK(reaches(*host, two->network_namespace, host_address, 8080, web));
        CHECK(reaches(*host, two->network_namespace, "172.17.0.1", 8080, web));
    }
    SUBCASE("127.0.0.1 only from the host itself") {
        CHECK(reaches(*host, {}, "127.0.0.1", 8081, local));
        CHECK_FALSE(reaches(*host, {}, host_address, 8081, local, nullptr, 300));
        CHECK_FALSE(reaches(*host, host->lan(), host_address, 8081, local, nullptr, 300));
    }
    SUBCASE("udp") {
        auto server = udp_socket(*host, one->network_namespace, "0.0.0.0", 53);
        for (const Fd* from : {&host->lan(), static_cast<const Fd*>(nullptr)}) {
            static const Fd own;
            auto client = udp_socket(*host, from ? *from : own, from ? lan_address : "127.0.0.1", 0);
            auto to = os::net::SocketAddress::of(*os::net::IpAddress::parse(from ? host_address : "127.0.0.1"), 5353);
            REQUIRE(::sendto(client.get(), "ping", 4, 0, to.get(), to.size) == 4);
            timeval limit{2, 0};
            ::setsockopt(server.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
            ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
            sockaddr_storage peer{};
            socklen_t size = sizeof peer;
            char text[8];
            CHECK(::recvfrom(server.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&peer), &size) == 4);
            CHECK(::sendto(server.get(), "pong", 4, 0, reinterpret_cast<sockaddr*>(&peer), size) == 4);
            CHECK(::recvfrom(client.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&peer), &size) == 4);
            CHECK(ntohs(reinterpret_cast<sockaddr_in*>(&peer)->sin_port) == 5353);
        }
    }
    SUBCASE("a udp client that never pauses reaches the next container") {
        auto to = os::net::SocketAddress::of(*os::net::IpAddress::parse(host_address), 5353);
        auto client = udp_socket(*host, host->lan(), lan_address, 0);
        auto hears = [&](const Sandbox& sandbox) {
            auto server = udp_socket(*host, sandbox.network_namespace, "0.0.0.0", 53);
            timeval limit{0, 50'000};
            ::setsockopt(server.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
            char text[8];
            for (int i = 0; i < 40; ++i) {
                ::sendto(client.get(), "ping", 4, 0, to.get(), to.size);
                if (::recv(server.get(), text, sizeof text, 0) == 4) return true;
            }
            return false;
        };
        CHECK(hears(*one));
        one->held.clear();
        manager->detach("one");
        ::sendto(client.get(), "ping", 4, 0, to.get(), to.size);
        auto two = attach(*manager, "two", {{"udp", 53, "", 5353, 0}});
        REQUIRE(two.ok());
        CHECK(hears(*two));
    }
    SUBCASE("a port has one owner") {
        auto two = attach(*manager, "two", {{"tcp", 80, "", 8080, 0}});
        REQUIRE_FALSE(two.ok());
        CHECK(two.error().code() == Errc::Conflict);
        CHECK(two.error().message().find("Bind for 0.0.0.0:8080 failed: port is already allocated") !=
              std::string::npos);
        CHECK_FALSE(tcp_listener(*host, {}, "0.0.0.0", 8080).valid());
        CHECK(errno == EADDRINUSE);
        CHECK_FALSE(udp_socket(*host, {}, "0.0.0.0", 5353).valid());
        auto other = tcp_listener(*host, {}, "0.0.0.0", 9000);
        auto three = attach(*manager, "three", {{"tcp", 80, "", 9000, 0}});
        REQUIRE_FALSE(three.ok());
        CHECK(three.error().code() == Errc::Conflict);
        auto range = attach(*manager, "four", {{"tcp", 80, "", 8080, 8083}});
        REQUIRE(range.ok());
        CHECK(range->ports[0].host_port == 8082);  // 8081 is taken on 127.0.0.1
        auto any = attach(*manager, "five", {{"tcp", 80, "", 0, 0}});
        REQUIRE(any.ok());
        CHECK(any->ports[0].host_port >= 32768);
    }
    SUBCASE("free again for the next one, at once") {
        one->held.clear();
        manager->detach("one");
        auto two = attach(*manager, "two", {{"tcp", 80, "", 8080, 0}});
        REQUIRE(two.ok());
        auto again = tcp_listener(*host, two->network_namespace, "0.0.0.0", 80);
        CHECK(reaches(*host, {}, "127.0.0.1", 8080, again));
        manager->wait_until_idle();
        CHECK(reaches(*host, {}, "127.0.0.1", 8080, again));
    }
    SUBCASE("no way round published ports") {
        REQUIRE(run_inside(host->lan(), "ip route add 172.17.0.0/16 via 192.0.2.1"));
        CHECK_FALSE(reaches(*host, host->lan(), "172.17.0.2", 80, web, nullptr, 300));
        // A neighbour that sends packets for 127.0.0.1 here, and a container that does.
        auto own = tcp_listener(*host, {}, "127.0.0.1", 7777);
        auto two = attach(*manager, "two");
        REQUIRE(two.ok());
        const char* loopback_by =
            "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ip addr flush dev lo; ip route add 127.0.0.1 via ";
        REQUIRE(run_inside(host->lan(), loopback_by + std::string(host_address)));
        REQUIRE(run_inside(two->network_namespace, loopback_by + std::string("172.17.0.1")));
        const Fd* outsiders[] = {&host->lan(), &two->network_namespace};
        for (const Fd* from : outsiders) {
            CHECK_FALSE(reaches(*host, *from, "127.0.0.1", 8081, local, nullptr, 300));
            CHECK_FALSE(reaches(*host, *from, "127.0.0.1", 7777, own, nullptr, 300));
        }
        CHECK(reaches(*host, {}, "127.0.0.1", 7777, own));
    }
}

static std::size_t open_descriptors() { return os::list_directory("/proc/self/fd").value_or({}).size(); }

TEST_CASE("many come and go and nothing stays") {
    NEED_HOST(host);
    auto manager = host->start_manager();
    REQUIRE(manager);
    auto cycle = [&](int count, int threads) {
        std::atomic<int> next{0}, failed{0};
        std::vector<std::thread> workers;
        for (int t = 0; t < threads; ++t)
            workers.emplace_back([&] {
                for (int i; (i = next.fetch_add(1)) < count;) {
                    AttachRequest request;
                    request.container_id = "c" + std::to_string(i);
                    if (i % 3) request.endpoints = {{"bridge", {}, "", "", ""}};
                    if (i % 3 == 1) request.ports = {{"tcp", 80, "", 0, 0}, {"udp", 80, "", 0, 0}};
                    if (!manager->attach({}, request)) ++failed;
                    manager->detach(request.container_id);
                }
            });
        for (auto& worker : workers) worker.join();
        manager->wait_until_idle();
        return failed.load();
    };
    CHECK(cycle(10, 1) == 0);
    auto links = link_names();
    auto rules = ruleset();
    auto descriptors = open_descriptors();
    CHECK(cycle(100, 4) == 0);
    auto count = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
    CHECK(count(link_names()) == count(links));
    CHECK(ruleset() == rules);
    CHECK(open_descriptors() == descriptors);
    CHECK(host->store().range("network/sandboxes/")->empty());
}

TEST_CASE("the helper may die at any time") {
    NEED_HOST(host);
    auto manager = host->start_manager();
    REQUIRE(manager);
    manager->wait_until_idle();
    int killed = 0;
    const auto processes = os::list_directory("/proc").value_or({});
    for (const auto& name : processes) {
        auto status = os::read_file("/proc/" + name + "/stat", 4096).value_or("");
        auto wanted = "(pila-helper) ";
        auto at = status.find(wanted);
        if (at == std::string::npos || std::atoi(status.c_str() + at + 16) != ::getpid()) continue;
        ::kill(std::atoi(name.c_str()), SIGKILL);
        ++killed;
    }
    CHECK(killed >= 2);  // the test host's own, too
    for (int i = 0; i < 30; ++i) CHECK(attach(*manager, "c" + std::to_string(i)).ok());
}

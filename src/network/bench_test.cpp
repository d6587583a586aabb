// SPDX-License-Identifier: Apache-2.0
// Figures for docs/decisions: run with PILA_BENCH=1. Without it only the limits that hold on any machine are checked.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include <fmt/core.h>

#include "network/test_host.h"

using namespace pila;
using namespace pila::network;
using namespace pila::network::testing;
using Clock = std::chrono::steady_clock;

static double microseconds(Clock::duration duration) {
    return std::chrono::duration<double, std::micro>(duration).count();
}

struct Times {
    std::vector<double> values;
    double at(double part) {
        std::sort(values.begin(), values.end());
        return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
    }
    void print(const char* what) {
        fmt::print("{}: median {:.0f} us, p90 {:.0f}, max {:.0f}, n {}\n", what, at(0.5), at(0.9), at(1),
                   values.size());
    }
};

static AttachRequest request_of(const std::string& id, std::vector<PortRequest> ports, std::string network = "bridge") {
    AttachRequest request;
    request.container_id = id;
    request.container_name = id;
    request.endpoints = {{std::move(network), {}, "", "", ""}};
    request.ports = std::move(ports);
    return request;
}

TEST_CASE("latencies" * doctest::skip(std::getenv("PILA_BENCH") == nullptr)) {
    auto host = TestHost::make();
    REQUIRE(host);
    auto manager = host->start_manager();
    REQUIRE(manager);
    auto measure = [&](const char* what, std::vector<PortRequest> ports, const char* network = "bridge") {
        Times attach, detach;
        for (int i = 0; i < 200; ++i) {
            manager->wait_until_idle();
            auto id = fmt::format("c{}", i);
            auto begin = Clock::now();
            auto sandbox = manager->attach({}, request_of(id, ports, network));
            attach.values.push_back(microseconds(Clock::now() - begin));
            REQUIRE(sandbox.ok());
            sandbox->held.clear();
            sandbox->network_namespace.reset();
            begin = Clock::now();
            manager->detach(id);
            detach.values.push_back(microseconds(Clock::now() - begin));
        }
        attach.print(what);
        detach.print("  its detach");
    };
    measure("attach from the pool", {});
    measure("attach from the pool, one port", {{"tcp", 80, "", 8080, 0}});
    measure("attach from the pool, one port on 127.0.0.1", {{"tcp", 80, "127.0.0.1", 8080, 0}});
    NetworkSpec spec;
    spec.name = "net";
    REQUIRE(manager->create_network({}, spec).ok());
    measure("attach to a user network", {}, "net");

    Times ten_thousand;
    std::vector<PortRule> rules;
    Firewall firewall("bench");
    REQUIRE(firewall.rebuild().ok());
    auto target = *os::net::IpAddress::parse("172.17.0.2");
    auto any = *os::net::IpAddress::parse("0.0.0.0");
    for (std::uint16_t port = 10000; port < 20000; ++port) rules.push_back({6, any, port, target, 80});
    REQUIRE(firewall.add_ports(rules).ok());
    for (std::uint16_t i = 0; i < 300; ++i) {
        auto port = static_cast<std::uint16_t>(20000 + i);
        auto begin = Clock::now();
        REQUIRE(firewall.add_ports({{6, any, port, target, 80}}).ok());
        ten_thousand.values.push_back(microseconds(Clock::now() - begin));
    }
    ten_thousand.print("one more published port beside 10,000");
    auto begin = Clock::now();
    REQUIRE(firewall.rebuild().ok());
    fmt::print("rebuild of the table with 10,300 ports: {:.1f} ms\n", microseconds(Clock::now() - begin) / 1000);
    REQUIRE(firewall.remove_tables().ok());
}

TEST_CASE("teardown and throughput" * doctest::skip(std::getenv("PILA_BENCH") == nullptr)) {
    auto host = TestHost::make();
    REQUIRE(host);
    auto manager = host->start_manager();
    REQUIRE(manager);
    manager->wait_until_idle();
    std::vector<Sandbox> sandboxes;
    for (int i = 0; i < 100; ++i) {
        sandboxes.push_back(manager->attach({}, request_of(fmt::format("c{}", i), {})).take());
    }
    manager->wait_until_idle();
    auto begin = Clock::now();
    for (int i = 0; i < 100; ++i) manager->detach(fmt::format("c{}", i));
    manager->wait_until_idle();
    fmt::print("100 detached, namespaces held elsewhere: {:.2f} ms each\n",
               microseconds(Clock::now() - begin) / 100'000);
    sandboxes.clear();

    begin = Clock::now();
    std::atomic<int> next{0};
    constexpr int starts = 1000;
    auto work = [&] {
        for (int i; (i = next.fetch_add(1)) < starts;) {
            auto id = fmt::format("t{}", i);
            auto sandbox = manager->attach({}, request_of(id, {}));
            if (sandbox) manager->detach(id);
        }
    };
    std::thread one(work), two(work), three(work), four(work);
    one.join(), two.join(), three.join(), four.join();
    manager->wait_until_idle();
    double seconds = microseconds(Clock::now() - begin) / 1e6;
    fmt::print("{} attach + detach by 4 threads, all taken down: {:.0f}/s\n", starts, starts / seconds);

    begin = Clock::now();
    for (int i = 0; i < 30; ++i) {
        NetworkSpec spec;
        spec.name = fmt::format("net{}", i);
        spec.subnets = {{fmt::format("10.99.{}.0/24", i), "", "", {}}};
        REQUIRE(manager->create_network({}, spec).ok());
    }
    fmt::print("30 networks created: {:.2f} ms each\n", microseconds(Clock::now() - begin) / 30'000);
    begin = Clock::now();
    for (int i = 0; i < 30; ++i) REQUIRE(manager->remove_network({}, fmt::format("net{}", i)).ok());
    fmt::print("30 networks removed: {:.2f} ms each for the caller", microseconds(Clock::now() - begin) / 30'000);
    manager->wait_until_idle();
    fmt::print(", {:.2f} ms until gone\n", microseconds(Clock::now() - begin) / 30'000);
}

// Round trips of 64 bytes over one connection.
static double round_trips(Fd& client, Fd& server, int count) {
    char buffer[64] = {};
    std::thread echo([&] {
        char data[64];
        for (ssize_t size; (size = ::recv(server.get(), data, sizeof data, 0)) > 0;)
            if (::send(server.get(), data, static_cast<std::size_t>(size), MSG_NOSIGNAL) < 0) return;
    });
    auto begin = Clock::now();
    for (int i = 0; i < count; ++i) {
        if (::send(client.get(), buffer, sizeof buffer, MSG_NOSIGNAL) < 0) break;
        ::recv(client.get(), buffer, sizeof buffer, MSG_WAITALL);
    }
    double rate = count / (microseconds(Clock::now() - begin) / 1e6);
    ::shutdown(client.get(), SHUT_RDWR);
    echo.join();
    return rate;
}

TEST_CASE("round trips" * doctest::skip(std::getenv("PILA_BENCH") == nullptr)) {
    auto host = TestHost::make();
    REQUIRE(host);
    auto manager = host->start_manager();
    REQUIRE(manager);
    auto sandbox = manager->attach({}, request_of("one", {{"tcp", 80, "127.0.0.1", 8080, 0}}));
    REQUIRE(sandbox.ok());
    auto listener = tcp_listener(*host, sandbox->network_namespace, "0.0.0.0", 80);
    int started = std::system(
        "/usr/sbin/docker-proxy -proto tcp -host-ip 127.0.0.1 -host-port 8090 -container-ip 172.17.0.2 "
        "-container-port 80 3>/dev/null >/dev/null 2>&1 & echo $! > /tmp/network-bench-proxy; sleep 0.5");
    REQUIRE(started == 0);
    auto measure = [&](const char* address, std::uint16_t port) {
        auto client = tcp_connect(*host, {}, address, port);
        if (!client) return 0.0;
        Fd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        int on = 1;
        ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ::setsockopt(server.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return round_trips(client, server, 5000);
    };
    Times direct, published, proxy;
    for (int i = 0; i < 7; ++i) {
        direct.values.push_back(measure("172.17.0.2", 80));
        published.values.push_back(measure("127.0.0.1", 8080));
        proxy.values.push_back(measure("127.0.0.1", 8090));
    }
    fmt::print(
        "round trips/s, median of 7: direct {:.0f}, published on 127.0.0.1 {:.0f}, docker-proxy {:.0f}: ratio {:.2f}\n",
        direct.at(0.5), published.at(0.5), proxy.at(0.5), published.at(0.5) / std::max(1.0, proxy.at(0.5)));
    int ended = std::system("kill $(cat /tmp/network-bench-proxy) 2>/dev/null; rm -f /tmp/network-bench-proxy");
    CHECK(ended == 0);
}

// SPDX-License-Identifier: Apache-2.0
// User-defined networks with real traffic and real name queries.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <algorithm>
#include <cstring>

#include "network/dns_message.h"
#include "network/test_host.h"

using namespace pila;
using namespace pila::network;
using namespace pila::network::testing;

static NetworkSpec spec_of(const std::string& name, std::vector<Subnet> subnets = {}) {
    NetworkSpec spec;
    spec.name = name;
    spec.subnets = std::move(subnets);
    return spec;
}

static Result<Sandbox> attach(Manager& manager, const std::string& id, std::vector<EndpointRequest> endpoints,
                              std::vector<PortRequest> ports = {}) {
    AttachRequest request;
    request.container_id = id + std::string(64 - id.size(), '0');
    request.container_name = id;
    request.endpoints = std::move(endpoints);
    request.ports = std::move(ports);
    return manager.attach({}, request);
}

static std::string full_id(const std::string& id) { return id + std::string(64 - id.size(), '0'); }

// A query as a resolver in the container sends it. Returns the answer, "" when none came within two seconds.
static std::string ask(TestHost& host, const Fd& space, const std::string& name, std::uint16_t type, bool tcp = false) {
    std::string query{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    std::size_t at = 0;
    while (at <= name.size()) {
        auto dot = std::min(name.find('.', at), name.size());
        query.push_back(static_cast<char>(dot - at));
        query += name.substr(at, dot - at);
        at = dot + 1;
    }
    query += std::string{0, static_cast<char>(type >> 8), static_cast<char>(type & 0xff), 0, 1};
    if (tcp) query.insert(0, std::string{0, static_cast<char>(query.size())});
    Fd socket = tcp ? tcp_connect(host, space, "127.0.0.11", 53) : udp_socket(host, space, "0.0.0.0", 0);
    if (!socket) return "";
    timeval limit{7, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    auto to = os::net::SocketAddress::of(*os::net::IpAddress::parse("127.0.0.11"), 53);
    if (!tcp) ::connect(socket.get(), to.get(), to.size);  // answers from elsewhere do not count
    ::send(socket.get(), query.data(), query.size(), MSG_NOSIGNAL);
    char buffer[4096];
    ssize_t size = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (size <= 0) return "";
    std::string answer(buffer, static_cast<std::size_t>(size));
    return tcp ? answer.substr(2) : answer;
}

// The last address in an answer; "" without one, "rcode N" for failures.
static std::string address_in(const std::string& answer, std::size_t bytes = 4) {
    if (answer.size() < 12) return "no answer";
    int code = answer[3] & 15;
    if (code) return "rcode " + std::to_string(code);
    if (answer[7] == 0) return "";
    const char* last = answer.data() + answer.size() - bytes;
    return os::net::IpAddress::from_bytes(bytes == 4 ? os::net::Family::V4 : os::net::Family::V6, last).text();
}

#define NEED_HOST(name)                                        \
    auto name = TestHost::make();                              \
    if (!name) {                                               \
        MESSAGE("skipped: needs root and network namespaces"); \
        return;                                                \
    }                                                          \
    auto manager = name->start_manager();                      \
    REQUIRE(manager)

TEST_CASE("networks: created, found, listed, removed") {
    NEED_HOST(host);
    auto links = link_names();
    auto one = manager->create_network({}, spec_of("one"));
    REQUIRE(one.ok());
    CHECK(one->id.size() == 64);
    CHECK(one->spec.subnets[0].subnet == "172.18.0.0/16");
    CHECK(one->spec.subnets[0].gateway == "172.18.0.1");
    CHECK(manager->find("one")->id == one->id);
    CHECK(manager->find(one->id.substr(0, 12))->id == one->id);
    auto names = [&] {
        std::vector<std::string> result;
        for (const auto& network : manager->list()) result.push_back(network.spec.name);
        std::sort(result.begin(), result.end());
        return result;
    };
    CHECK(names() == std::vector<std::string>{"bridge", "host", "none", "one"});
    auto twice = manager->create_network({}, spec_of("one"));
    CHECK(twice.error().message() == "network with name one already exists");
    CHECK(manager->create_network({}, spec_of("clash", {{"172.18.5.0/24", "", "", {}}})).error().message() ==
          "Pool overlaps with other one on this address space");
    CHECK(manager->find("nosuch").error().message() == "network nosuch not found");
    CHECK_FALSE(manager->remove_network({}, "bridge").ok());
    REQUIRE(attach(*manager, "a", {{"one", {}, "", "", ""}}).ok());
    auto busy = manager->remove_network({}, "one");
    REQUIRE_FALSE(busy.ok());
    CHECK(busy.error().message().find("has active endpoints") != std::string::npos);
    manager->detach(full_id("a"));
    CHECK(manager->remove_network({}, "one").ok());
    manager->wait_until_idle();
    CHECK(link_names().find(one->id.substr(0, 8)) == std::string::npos);
    CHECK(names() == std::vector<std::string>{"bridge", "host", "none"});
}

TEST_CASE("networks are isolated from each other, names are not") {
    NEED_HOST(host);
    REQUIRE(manager->create_network({}, spec_of("one")).ok());
    REQUIRE(manager->create_network({}, spec_of("two")).ok());
    auto web = attach(*manager, "web", {{"one", {"www", "site"}, "", "", ""}}, {{"tcp", 80, "", 8080, 0}});
    auto near = attach(*manager, "near", {{"one", {}, "", "", ""}});
    auto far = attach(*manager, "far", {{"two", {}, "", "", ""}});
    REQUIRE(web.ok());
    REQUIRE(near.ok());
    REQUIRE(far.ok());
    CHECK(web->embedded_dns);
    auto listener = tcp_listener(*host, web->network_namespace, "0.0.0.0", 80);
    const auto& address = web->endpoints[0].ipv4;

    CHECK(reaches(*host, near->network_namespace, address, 80, listener));
    CHECK_FALSE(reaches(*host, far->network_namespace, address, 80, listener, nullptr, 300));
    CHECK(reaches(*host, far->network_namespace, "172.18.0.1", 8080, listener));  // published

    for (bool tcp : {false, true}) {
        CAPTURE(tcp);
        for (const auto* name : {"web", "WEB", "www", "site", "web.one", "web000000000"})
            CHECK(address_in(ask(*host, near->network_namespace, name, dns::type_a, tcp)) == address);
        CHECK(address_in(ask(*host, near->network_namespace, "web", dns::type_aaaa, tcp)) == "");
        auto reverse = ask(*host, near->network_namespace, "2.0.18.172.in-addr.arpa", dns::type_ptr, tcp);
        CHECK(reverse.find("\3web\3one") != std::string::npos);
    }
    CHECK(address_in(ask(*host, far->network_namespace, "web", dns::type_a)) != address);

    SUBCASE("connect and disconnect") {
        auto second = manager->connect({}, full_id("web"), {"two", {"other"}, "", "", ""});
        REQUIRE(second.ok());
        CHECK(second->interface == "eth1");
        CHECK(address_in(ask(*host, far->network_namespace, "other", dns::type_a)) == second->ipv4);
        CHECK(reaches(*host, far->network_namespace, second->ipv4, 80, listener));
        CHECK_FALSE(manager->connect({}, full_id("web"), {"two", {}, "", "", ""}).ok());
        CHECK(manager->find("two")->attached.size() == 2);
        // The default route and the published port move when the network that carried them goes.
        REQUIRE(manager->disconnect({}, full_id("web"), "one").ok());
        CHECK_FALSE(reaches(*host, near->network_namespace, address, 80, listener, nullptr, 300));
        CHECK(reaches(*host, {}, "127.0.0.1", 8080, listener));
        auto lan = tcp_listener(*host, host->lan(), lan_address, 7000);
        CHECK(reaches(*host, web->network_namespace, lan_address, 7000, lan));
        REQUIRE(manager->disconnect({}, full_id("web"), "two").ok());
        CHECK_FALSE(manager->disconnect({}, full_id("web"), "two").ok());
    }
    SUBCASE("renamed") {
        manager->rename_container(full_id("web"), "shop");
        CHECK(address_in(ask(*host, near->network_namespace, "shop", dns::type_a)) == address);
        CHECK(address_in(ask(*host, near->network_namespace, "www", dns::type_a)) == address);
        CHECK(address_in(ask(*host, near->network_namespace, "web", dns::type_a)) != address);
    }
    SUBCASE("a container may run a name server of its own") {
        auto udp = udp_socket(*host, near->network_namespace, "0.0.0.0", 53);
        auto tcp = tcp_listener(*host, near->network_namespace, "0.0.0.0", 53);
        CHECK(udp.valid());
        CHECK(tcp.valid());
        CHECK(address_in(ask(*host, near->network_namespace, "web", dns::type_a)) == address);
        CHECK(address_in(ask(*host, near->network_namespace, "web", dns::type_a, true)) == address);
    }
}

TEST_CASE("what a container does not know is asked of its servers") {
    NEED_HOST(host);
    REQUIRE(manager->create_network({}, spec_of("one")).ok());
    auto server = udp_socket(*host, host->lan(), lan_address, 53);
    AttachRequest request;
    request.container_id = full_id("a");
    request.container_name = "a";
    request.endpoints = {{"one", {}, "", "", ""}};
    request.dns_servers = {"192.0.2.77", lan_address};  // the first one does not exist
    auto a = manager->attach({}, request);
    REQUIRE(a.ok());

    auto client = udp_socket(*host, a->network_namespace, "0.0.0.0", 0);
    auto to = os::net::SocketAddress::of(*os::net::IpAddress::parse("127.0.0.11"), 53);
    std::string query("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07outside\x00\x00\x01\x00\x01", 25);
    REQUIRE(::sendto(client.get(), query.data(), query.size(), 0, to.get(), to.size) == 25);
    timeval limit{6, 0};
    for (auto* socket : {&client, &server}) ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char buffer[512];
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    REQUIRE(::recvfrom(server.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size) == 25);
    std::string asked(buffer, 25);
    CHECK(asked.substr(2) == query.substr(2));
    std::string answer = asked;
    answer[2] = static_cast<char>(0x81);
    answer[3] = static_cast<char>(0x80);
    answer[7] = 1;
    answer += std::string("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64\x07", 16);
    std::string forged = answer;
    forged[0] = static_cast<char>(forged[0] ^ 1);  // another id
    forged.back() = 66;
    ::sendto(server.get(), forged.data(), forged.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    ::sendto(server.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    auto got = ::recv(client.get(), buffer, sizeof buffer, 0);
    REQUIRE(got == static_cast<ssize_t>(answer.size()));
    CHECK(std::string(buffer, 2) == "\x12\x34");
    CHECK(address_in(std::string(buffer, static_cast<std::size_t>(got))) == "198.51.100.7");
}

TEST_CASE("static addresses, ranges, no talk between containers, internal") {
    NEED_HOST(host);
    auto spec = spec_of("fixed", {{"10.123.0.0/24", "10.123.0.128/25", "10.123.0.254", {{"printer", "10.123.0.128"}}}});
    spec.options["com.docker.network.bridge.enable_icc"] = "false";
    REQUIRE(manager->create_network({}, spec).ok());
    auto a = attach(*manager, "a", {{"fixed", {}, "10.123.0.77", "", "02:42:aa:bb:cc:dd"}});
    REQUIRE(a.ok());
    CHECK(a->endpoints[0].ipv4 == "10.123.0.77");
    CHECK(a->endpoints[0].mac_address == "02:42:aa:bb:cc:dd");
    CHECK(a->endpoints[0].prefix_length == 24);
    auto b = attach(*manager, "b", {{"fixed", {}, "", "", ""}});
    CHECK(b->endpoints[0].ipv4 == "10.123.0.129");
    CHECK(attach(*manager, "c", {{"fixed", {}, "10.123.0.77", "", ""}}).error().message() == "Address already in use");
    CHECK_FALSE(attach(*manager, "c", {{"fixed", {}, "10.99.0.1", "", ""}}).ok());
    REQUIRE(manager->create_network({}, spec_of("auto")).ok());
    CHECK(
        attach(*manager, "c", {{"auto", {}, "172.18.0.9", "", ""}}).error().message().find("user configured subnets") !=
        std::string::npos);
    auto listener = tcp_listener(*host, a->network_namespace, "0.0.0.0", 80);
    CHECK_FALSE(reaches(*host, b->network_namespace, "10.123.0.77", 80, listener, nullptr, 300));
    CHECK(reaches(*host, {}, "10.123.0.77", 80, listener));

    auto inside = spec_of("inside");
    inside.internal = true;
    REQUIRE(manager->create_network({}, inside).ok());
    auto i = attach(*manager, "i", {{"inside", {}, "", "", ""}});
    auto j = attach(*manager, "j", {{"inside", {}, "", "", ""}});
    auto here = tcp_listener(*host, i->network_namespace, "0.0.0.0", 80);
    auto lan = tcp_listener(*host, host->lan(), lan_address, 7000);
    CHECK(reaches(*host, j->network_namespace, i->endpoints[0].ipv4, 80, here));
    CHECK_FALSE(reaches(*host, j->network_namespace, lan_address, 7000, lan, nullptr, 300));
    CHECK(address_in(ask(*host, j->network_namespace, "i", dns::type_a)) == i->endpoints[0].ipv4);
    CHECK(address_in(ask(*host, j->network_namespace, "example.org", dns::type_a)) == "rcode 2");
}

TEST_CASE("several networks: one default route, ports on its network") {
    NEED_HOST(host);
    REQUIRE(manager->create_network({}, spec_of("b-net")).ok());
    REQUIRE(manager->create_network({}, spec_of("a-net")).ok());
    auto both =
        attach(*manager, "both", {{"b-net", {}, "", "", ""}, {"a-net", {}, "", "", ""}}, {{"tcp", 80, "", 8080, 0}});
    REQUIRE(both.ok());
    CHECK(both->endpoints[0].interface == "eth0");
    CHECK(both->endpoints[1].interface == "eth1");
    auto listener = tcp_listener(*host, both->network_namespace, "0.0.0.0", 80);
    std::string seen;
    CHECK(reaches(*host, host->lan(), host_address, 8080, listener, &seen));
    CHECK(seen == lan_address);
    auto lan = tcp_listener(*host, host->lan(), lan_address, 7000);
    CHECK(reaches(*host, both->network_namespace, lan_address, 7000, lan));
}

TEST_CASE("IPv6") {
    NEED_HOST(host);
    auto spec = spec_of("six");
    spec.enable_ipv6 = true;
    auto six = manager->create_network({}, spec);
    REQUIRE(six.ok());
    REQUIRE(six->spec.subnets.size() == 2);
    auto a = attach(*manager, "a", {{"six", {}, "", "", ""}}, {{"tcp", 80, "", 8080, 0}});
    auto b = attach(*manager, "b", {{"six", {}, "", "", ""}});
    REQUIRE(a.ok());
    REQUIRE(b.ok());
    CHECK(a->endpoints[0].ipv6.starts_with("fd"));
    auto listener = tcp_listener(*host, a->network_namespace, "::", 80);
    CHECK(reaches(*host, b->network_namespace, a->endpoints[0].ipv6, 80, listener));
    CHECK(reaches(*host, {}, a->endpoints[0].ipv6, 80, listener));
    CHECK(reaches(*host, {}, six->spec.subnets[1].gateway, 8080, listener));
    CHECK(address_in(ask(*host, b->network_namespace, "a", dns::type_aaaa), 16) == a->endpoints[0].ipv6);
    CHECK(a->relays.size() == 1);  // ::1
}

TEST_CASE("a container that was being restarted when the daemon was killed has two records, one of them counts") {
    NEED_HOST(host);
    auto web = attach(*manager, "web", {{"bridge", {}, "", "", ""}}, {{"tcp", 80, "", 8080, 0}});
    REQUIRE(web.ok());
    auto records = host->store().range("network/sandboxes/");
    REQUIRE(records->size() == 1);
    REQUIRE(host->store().put("network/sandboxes/" + full_id("web") + "/former", records->front().value).ok());
    auto pid = host->hold(web->network_namespace);
    web->held.clear();
    manager.reset();
    manager = host->start_manager({}, {{full_id("web"), pid}});
    REQUIRE(manager);
    CHECK(host->store().range("network/sandboxes/")->size() == 1);
    CHECK(manager->find("bridge")->attached.size() == 1);
    manager->detach(full_id("web"));
    CHECK(attach(*manager, "next", {{"bridge", {}, "", "", ""}}, {{"tcp", 80, "", 8080, 0}}).ok());
}

TEST_CASE("after a restart everything is as it was") {
    auto host = TestHost::make();
    if (!host) {
        MESSAGE("skipped: needs root and network namespaces");
        return;
    }
    auto manager = host->start_manager();
    REQUIRE(manager);
    REQUIRE(manager->create_network({}, spec_of("one")).ok());
    auto web = attach(*manager, "web", {{"one", {"www"}, "", "", ""}}, {{"tcp", 80, "", 8080, 0}});
    auto near = attach(*manager, "near", {{"one", {}, "", "", ""}});
    auto dead = attach(*manager, "dead", {{"bridge", {}, "", "", ""}}, {{"tcp", 80, "", 8081, 0}});
    auto listener = tcp_listener(*host, web->network_namespace, "0.0.0.0", 80);
    dead->network_namespace.reset();
    dead->held.clear();

    // Two processes that live in the containers' namespaces, for recover() to find.
    auto holder = [&](const Fd& space) { return host->hold(space); };
    auto web_pid = holder(web->network_namespace), near_pid = holder(near->network_namespace);
    manager.reset();
    manager = host->start_manager({}, {{full_id("web"), web_pid}, {full_id("near"), near_pid}});
    REQUIRE(manager);
    CHECK(reaches(*host, {}, "127.0.0.1", 8080, listener));
    CHECK(address_in(ask(*host, near->network_namespace, "www", dns::type_a)) == web->endpoints[0].ipv4);
    CHECK(manager->find("one")->attached.size() == 2);
    CHECK(ruleset().find("8081") == std::string::npos);
    auto next = attach(*manager, "next", {{"one", {}, "", "", ""}});
    REQUIRE(next.ok());
    CHECK(next->endpoints[0].ipv4 != web->endpoints[0].ipv4);
    auto clash = attach(*manager, "clash", {{"one", {}, "", "", ""}}, {{"tcp", 80, "", 8080, 0}});
    CHECK(clash.error().message().find("port is already allocated") != std::string::npos);
    CHECK(manager->connect({}, full_id("web"), {"bridge", {}, "", "", ""}).ok());
    for (const auto* id : {"web", "near", "next"}) manager->detach(full_id(id));
    CHECK(manager->remove_network({}, "one").ok());
}

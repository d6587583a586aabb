// SPDX-License-Identifier: Apache-2.0
// Beside other firewalls: the rules that Docker makes, made with the real iptables.
#include <doctest/doctest.h>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "network/test_host.h"

using namespace pila;
using namespace pila::network;
using namespace pila::network::testing;

static bool run(const char* command) { return std::system((std::string(command) + " 2>/dev/null").c_str()) == 0; }

static const char* dockers_rules =
    "iptables -P FORWARD DROP && iptables -N DOCKER-USER && iptables -A FORWARD -j DOCKER-USER && "
    "iptables -A DOCKER-USER -s 203.0.113.9 -j DROP && iptables -A DOCKER-USER -j RETURN";

template <typename Condition>
static bool soon(Condition condition) {
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

static Result<Sandbox> attach(Manager& manager, const std::string& id) {
    AttachRequest request;
    request.container_id = id;
    request.container_name = id;
    request.endpoints = {{"bridge", {}, "", "", ""}};
    request.ports = {{"tcp", 80, "", 8080, 0}};
    return manager.attach({}, request);
}

TEST_CASE("beside Docker's rules") {
    auto host = TestHost::make();
    if (!host || !run("iptables -V | grep -q nf_tables")) {
        MESSAGE("skipped: needs root, network namespaces and iptables-nft");
        return;
    }
    auto lan = tcp_listener(*host, host->lan(), lan_address, 7000);
    SUBCASE("that were there before, and are left as they were") {
        REQUIRE(run(dockers_rules));
        auto before = ruleset();
        {
            auto manager = host->start_manager();
            REQUIRE(manager);
            auto one = attach(*manager, "one");
            REQUIRE(one.ok());
            auto web = tcp_listener(*host, one->network_namespace, "0.0.0.0", 80);
            CHECK(reaches(*host, one->network_namespace, lan_address, 7000, lan));
            CHECK(reaches(*host, host->lan(), host_address, 8080, web));
            // What the user forbids in DOCKER-USER stays forbidden, and iptables can still read its chain.
            CHECK(run("iptables -S DOCKER-USER | sed -n 2p | grep -q 203.0.113.9"));
            CHECK(run("test $(iptables -S DOCKER-USER | grep -c pila0.*ACCEPT) = 2"));
            CHECK(run("iptables -S DOCKER-USER | tail -1 | grep -q RETURN"));
            manager->remove_everything();
        }
        CHECK(ruleset() == before);
    }
    SUBCASE("that come later, and are flushed") {
        auto manager = host->start_manager();
        REQUIRE(manager);
        auto one = attach(*manager, "one");
        CHECK(reaches(*host, one->network_namespace, lan_address, 7000, lan));
        REQUIRE(run(dockers_rules));
        CHECK(soon([&] { return reaches(*host, one->network_namespace, lan_address, 7000, lan, nullptr, 200); }));
        REQUIRE(run("iptables -F DOCKER-USER"));
        CHECK(soon([&] { return reaches(*host, one->network_namespace, lan_address, 7000, lan, nullptr, 200); }));
        REQUIRE(run("iptables -P FORWARD ACCEPT"));
        CHECK(soon([] { return !run("iptables -S DOCKER-USER | grep -q pila0"); }));
    }
    SUBCASE("a reload that flushes everything takes nothing from containers") {
        auto manager = host->start_manager();
        REQUIRE(manager);
        auto one = attach(*manager, "one");
        auto web = tcp_listener(*host, one->network_namespace, "0.0.0.0", 80);
        REQUIRE(run("nft flush ruleset"));
        CHECK(soon([&] { return reaches(*host, {}, "127.0.0.1", 8080, web, nullptr, 200); }));
        CHECK(soon([&] { return reaches(*host, one->network_namespace, lan_address, 7000, lan, nullptr, 200); }));
    }
}

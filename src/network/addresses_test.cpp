// SPDX-License-Identifier: Apache-2.0
// Address pools, subnets, names, port ranges: everything that needs no kernel.
#include <doctest/doctest.h>

#include "network/address_pool.h"
#include "network/bridge.h"
#include "network/endpoint.h"
#include "network/host_ports.h"
#include "network/name_table.h"
#include "network/record.h"
#include "network/resolv_conf.h"
#include "network/spec.h"

using namespace pila;
using namespace pila::network;
using os::net::IpAddress;
using os::net::Prefix;

static Prefix prefix(const char* text) { return *Prefix::parse(text); }
static IpAddress ip(const char* text) { return *IpAddress::parse(text); }

TEST_CASE("addresses are handed out upward and not again at once") {
    AddressPool pool(prefix("10.0.0.0/29"), {});
    REQUIRE(pool.take(ip("10.0.0.1")).ok());  // the gateway
    CHECK(pool.take()->text() == "10.0.0.2");
    CHECK(pool.take()->text() == "10.0.0.3");
    pool.give_back(ip("10.0.0.2"));
    CHECK(pool.take()->text() == "10.0.0.4");
    CHECK(pool.take()->text() == "10.0.0.5");
    CHECK(pool.take()->text() == "10.0.0.6");
    CHECK(pool.take()->text() == "10.0.0.2");  // round, .7 is the broadcast address
    auto none = pool.take();
    CHECK(none.error().code() == Errc::Exhausted);
    CHECK(pool.take(ip("10.0.0.3")).error().message() == "Address already in use");
    CHECK(pool.take(ip("10.0.1.3")).error().code() == Errc::Invalid);
}

TEST_CASE("small and large subnets") {
    CHECK(AddressPool(prefix("10.0.0.4/32"), {}).take()->text() == "10.0.0.4");
    AddressPool pair(prefix("10.0.0.4/31"), {});
    CHECK(pair.take()->text() == "10.0.0.4");
    CHECK(pair.take()->text() == "10.0.0.5");
    CHECK_FALSE(pair.take().ok());
    AddressPool range(prefix("10.0.0.0/24"), prefix("10.0.0.248/29"));
    CHECK(range.take()->text() == "10.0.0.248");
    AddressPool top(prefix("255.255.255.0/24"), {});
    for (int i = 1; i < 255; ++i) REQUIRE(top.take().ok());
    CHECK_FALSE(top.take().ok());
    CHECK(AddressPool(prefix("fd00::/64"), {}).take()->text() == "fd00::1");
    AddressPool last(prefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126"), {});
    for (int i = 0; i < 3; ++i) CHECK(last.take().ok());
    CHECK_FALSE(last.take().ok());
}

TEST_CASE("subnets are chosen around what is in use") {
    CHECK(choose_subnet({})->text() == "172.17.0.0/16");
    CHECK(choose_subnet({prefix("172.17.0.0/16"), prefix("172.18.4.0/24")})->text() == "172.19.0.0/16");
    CHECK(choose_subnet({prefix("172.16.0.0/12")})->text() == "192.168.0.0/20");
    CHECK(choose_subnet({prefix("172.16.0.0/12"), prefix("192.168.1.0/24")})->text() == "192.168.16.0/20");
    CHECK(choose_subnet({prefix("172.16.0.0/12"), prefix("192.168.0.0/16")}).error().code() == Errc::Exhausted);
    auto ula = choose_ula_subnet({});
    CHECK(ula.length == 64);
    CHECK(ula.address.bytes()[0] == 0xfd);
}

static Result<NetworkSpec> completed(NetworkSpec spec, std::vector<Prefix> own = {}) {
    TRY(complete_subnets(spec, own, {}));
    return spec;
}

TEST_CASE("what a network is asked for with") {
    NetworkSpec spec;
    CHECK(completed(spec)->subnets[0].gateway == "172.17.0.1");
    spec.subnets = {{"10.5.0.0/16", "10.5.7.0/24", "", {{"a", "10.5.7.1"}}}};
    CHECK(completed(spec)->subnets[0].gateway == "10.5.7.0");
    spec.subnets = {{"10.5.0.0/16", "", "10.5.255.254", {}}};
    CHECK(completed(spec)->subnets[0].gateway == "10.5.255.254");
    CHECK(make_pools(*completed(spec))->front().take()->text() == "10.5.0.1");

    auto fails = [&](Subnet subnet) {
        spec.subnets = {std::move(subnet)};
        return !completed(spec).ok();
    };
    CHECK(fails({"10.5.0.0", "", "", {}}));
    CHECK(fails({"10.5.0.1/16", "", "", {}}));
    CHECK(fails({"0.0.0.0/0", "", "", {}}));
    CHECK(fails({"10.5.0.0/16", "10.6.0.0/24", "", {}}));
    CHECK(fails({"10.5.0.0/16", "10.0.0.0/8", "", {}}));
    CHECK(fails({"10.5.0.0/16", "", "10.6.0.1", {}}));
    CHECK(fails({"10.5.0.0/16", "", "", {{"a", "10.6.0.1"}}}));
    CHECK(fails({"", "", "10.6.0.1", {}}));
    spec.subnets = {{"10.5.0.0/16", "", "", {}}, {"10.5.9.0/24", "", "", {}}};
    CHECK(completed(spec).error().message() == "Pool overlaps with other one on this address space");
    spec.subnets = {{"10.5.0.0/16", "", "", {}}};
    CHECK_FALSE(completed(spec, {prefix("10.0.0.0/8")}).ok());

    NetworkSpec six;
    six.enable_ipv6 = true;
    auto both = completed(six);
    REQUIRE(both->subnets.size() == 2);
    CHECK(both->subnets[1].gateway.ends_with("::1"));
}

TEST_CASE("names of networks") {
    for (const auto* good : {"a", "one", "my_net-1.x", "0", "a b", "\xc3\xa4"}) CHECK(check_network_name(good).ok());
    for (const auto* bad : {"", " ", "a\nb", "\xc3"}) CHECK_FALSE(check_network_name(bad).ok());
}

TEST_CASE("options of the bridge driver") {
    auto apply = [](std::string key, std::string value) {
        NetworkState state;
        state.info.spec.options = {{std::move(key), std::move(value)}};
        auto applied = apply_options(state);
        return applied ? std::optional(std::move(state)) : std::nullopt;
    };
    CHECK(apply("com.docker.network.driver.mtu", "9000")->mtu == 9000);
    CHECK_FALSE(apply("com.docker.network.driver.mtu", "12"));
    CHECK_FALSE(apply("com.docker.network.driver.mtu", "x"));
    CHECK(apply("com.docker.network.bridge.name", "mybr")->bridge == "mybr");
    CHECK_FALSE(apply("com.docker.network.bridge.name", "a/b"));
    CHECK_FALSE(apply("com.docker.network.bridge.name", "longer-than-fifteen"));
    CHECK_FALSE(apply("com.docker.network.bridge.enable_icc", "false")->inter_container);
    CHECK_FALSE(apply("com.docker.network.bridge.enable_icc", "perhaps"));
    CHECK(apply("com.docker.network.bridge.host_binding_ipv4", "127.0.0.1")->host_binding == "127.0.0.1");
    CHECK(apply("com.example.unknown", "x"));
}

TEST_CASE("the range of random ports") {
    CHECK(dynamic_port_range("32768\t60999\n").first == 32768);
    CHECK(dynamic_port_range("32768\t60999\n").last == 60999);
    for (const auto* odd : {"", "1", "5 4", "0 10", "1 70000", "a b"}) CHECK(dynamic_port_range(odd).first == 49153);
}

TEST_CASE("who is called what where") {
    NameTable names;
    names.add({"n1", "front", "c1", {"web", "www"}, ip("10.1.0.2"), {}});
    names.add({"n1", "front", "c2", {"db", "www"}, ip("10.1.0.3"), ip("fd00::3")});
    names.add({"n2", "back", "c2", {"db"}, ip("10.2.0.3"), {}});
    names.add({"n2", "back", "c3", {"queue"}, ip("10.2.0.4"), {}});
    CHECK(names.lookup("c1", "DB.")->ipv4 == std::vector{ip("10.1.0.3")});
    CHECK(names.lookup("c1", "db")->ipv6 == std::vector{ip("fd00::3")});
    CHECK(names.lookup("c3", "db")->ipv4 == std::vector{ip("10.2.0.3")});
    CHECK(names.lookup("c2", "db.back")->ipv4 == std::vector{ip("10.2.0.3")});
    CHECK(names.lookup("c1", "www")->ipv4.size() == 2);
    CHECK_FALSE(names.lookup("c1", "queue"));
    CHECK_FALSE(names.lookup("c1", "db.back"));
    CHECK_FALSE(names.lookup("c4", "db"));
    CHECK(names.reverse("c1", ip("10.1.0.3")) == "db.front");
    CHECK_FALSE(names.reverse("c1", ip("10.2.0.4")));
    names.add({"n1", "front", "c2", {"store"}, ip("10.1.0.3"), {}});  // renamed
    CHECK_FALSE(names.lookup("c1", "db"));
    CHECK(names.lookup("c1", "store"));
    CHECK(names.lookup("c1", "www")->ipv4.size() == 1);
    names.remove("n1", "c2");
    CHECK_FALSE(names.lookup("c1", "store"));
    CHECK_FALSE(names.reverse("c1", ip("10.1.0.3")));
    CHECK(names.lookup("c2", "queue"));
}

TEST_CASE("the endpoint that leads outside") {
    auto endpoint = [](const char* network, const char* gateway) {
        EndpointState state;
        state.info.network_name = network;
        state.info.gateway = gateway;
        return state;
    };
    CHECK(gateway_endpoint({}) == -1);
    CHECK(gateway_endpoint({endpoint("a", "")}) == -1);
    CHECK(gateway_endpoint({endpoint("b", "10.0.0.1"), endpoint("a", "10.1.0.1"), endpoint("0", "")}) == 1);
}

TEST_CASE("resolv.conf") {
    auto servers = parse_nameservers(
        "# x\nnameserver 1.1.1.1\n nameserver\t::1 # y\nnameserver\nnameservers 2.2.2.2\n"
        "nameserver bad\nnameserver 8.8.8.8;\nnameserver 9.9.9.9\n");
    CHECK(servers == std::vector{ip("1.1.1.1"), ip("::1"), ip("8.8.8.8")});
}

TEST_CASE("records read back") {
    NetworkState state;
    state.info.id = std::string(64, 'a');
    state.info.spec.name = "n";
    state.info.spec.internal = true;
    state.info.spec.options = {{"k", "v"}};
    state.info.spec.subnets = {{"10.0.0.0/8", "10.1.0.0/16", "10.1.0.1", {{"x", "10.1.0.9"}}}};
    state.subnet_configured = state.adopted = true;
    auto read = network_of_record(to_record(state));
    REQUIRE(read.ok());
    CHECK(to_record(**read) == to_record(state));

    SandboxState sandbox;
    sandbox.container_id = "c";
    sandbox.container_name = "\"n\"";
    sandbox.endpoints.resize(1);
    sandbox.endpoints[0].info.ipv4 = "10.1.0.2";
    sandbox.endpoints[0].info.aliases = {"a", "b"};
    sandbox.endpoints[0].named = true;
    sandbox.rules = {{6, ip("0.0.0.0"), 80, ip("10.1.0.2"), 8080}};
    sandbox.ports = {{"tcp", 8080, 80, "0.0.0.0"}};
    sandbox.dns_servers = {"1.1.1.1"};
    auto again = sandbox_of_record(to_record(sandbox));
    REQUIRE(again.ok());
    CHECK(to_record(*again) == to_record(sandbox));
    CHECK_FALSE(sandbox_of_record("{}").ok());
    CHECK_FALSE(network_of_record("[]").ok());
    CHECK_FALSE(network_of_record("{\"id\":5").ok());
}

TEST_CASE("a stored attachment keeps its name servers over a restart of the daemon") {
    SandboxState sandbox;
    sandbox.container_id = "id";
    sandbox.dns_servers = {"192.0.2.1", "192.0.2.2"};
    auto back = sandbox_of_record(to_record(sandbox));
    REQUIRE(back);
    CHECK(back->dns_servers == sandbox.dns_servers);
}

TEST_CASE("a port that its container gives up is taken over where it is, once") {
    PortTargets targets{.ipv4 = ip("172.17.0.2"), .ipv6 = {}, .endpoint_name = "web", .endpoint_id = "1"};
    GivenPorts given{{{"tcp", 80, 18080, "127.0.0.1"}, {"tcp", 80, 18080, "::1"}}, {}};
    auto in_use = [](auto, const auto&, auto) { return true; };
    PortRequest here{.protocol = "tcp", .container_port = 81, .host_ip = "127.0.0.1", .host_port = 18080};
    PortRequest relayed = here, elsewhere = here, datagrams = here;
    relayed.host_ip = "::1";
    elsewhere.host_port = 18081;
    datagrams.protocol = "udp";
    auto taken = take_ports({here, relayed}, targets, in_use, given);
    REQUIRE(taken.ok());
    CHECK((taken->held.empty() && taken->relays.empty() && taken->listening.empty()));
    CHECK((taken->published.size() == 2 && taken->moved.size() == 2));
    REQUIRE(taken->rules.size() == 1);
    CHECK((taken->rules[0].host_port == 18080 && taken->rules[0].target_port == 81));
    REQUIRE(taken->moved_relays.size() == 1);
    const auto& relay = taken->moved_relays[0];
    CHECK((relay.host_ip == "::1" && relay.address == "172.17.0.2" && relay.port == 81 && relay.former_port == 80));
    for (const auto& refused : std::vector<std::vector<PortRequest>>{{here, here}, {elsewhere}, {datagrams}})
        CHECK(take_ports(refused, targets, in_use, given).error().code() == Errc::Conflict);
}

// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/directory.h"

#include <atomic>
#include <thread>

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/schema/catalogue.h"

using namespace pila;
using namespace pila::cluster;
using namespace pila::cluster::api;

namespace {

const User user{"tester", "", {}};
const schema::GroupVersion first{"example.com", "v1"}, second{"example.com", "v2"};

struct Server {
    std::unique_ptr<state::State> state = state::State::open("").take();
    Directory directory{*state, {}};
    Registry registry{*state, &directory};

    Call call(const KindPointer& kind, std::string name = "") const {
        return {.kind = *kind, .name = std::move(name), .user = user, .manager = "test"};
    }
    KindPointer definitions() const {
        return directory.kinds()->find({"apiextensions.k8s.io", "v1"}, "customresourcedefinitions");
    }
    Outcome<Written> define(std::string_view text) {
        auto kind = definitions();
        auto made = call(kind);
        return registry.create(made, json::parse(text), {});
    }
};

std::string definition(std::string_view plural, std::string_view kind, std::string_view replicas = "integer") {
    auto version = [&](std::string_view name, bool is_stored) {
        return R"({"name":")" + std::string(name) + R"(","served":true,"storage":)" + (is_stored ? "true" : "false") +
               R"(,"schema":{"openAPIV3Schema":{"type":"object","properties":{"replicas":{"type":")" +
               std::string(replicas) + R"(","default":1}}}}})";
    };
    return R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":")" +
           std::string(plural) +
           R"(.example.com"},"spec":{"group":"example.com","scope":"Cluster","names":{"plural":")" +
           std::string(plural) + R"(","kind":")" + std::string(kind) + R"("},"versions":[)" + version("v1", true) +
           "," + version("v2", false) + "]}}";
}

json::object parsed(const Written& written) { return json::parse(written.object->bytes).as_object(); }

}  // namespace

TEST_CASE("a definition is served when its write returns, and after a start") {
    Server server;
    CHECK_FALSE(server.directory.kinds()->find(first, "tables"));
    auto made = server.define(definition("tables", "Table"));
    REQUIRE_MESSAGE(made, made.error().message);
    auto object = parsed(*made);
    CHECK(custom::is_established(object));
    CHECK(object.at("metadata").at("finalizers").at(0) == "customresourcecleanup.apiextensions.k8s.io");
    auto kind = server.directory.kinds()->find(first, "tables");
    REQUIRE(kind);
    CHECK(kind->name == "Table");
    CHECK(server.directory.kinds()->find_kind(second, "Table"));
    CHECK(server.directory.kinds()->documents().at("/apis/example.com/v2"));

    Directory again(*server.state, {});
    CHECK_FALSE(again.kinds()->find(first, "tables"));
    REQUIRE(again.load().ok());
    CHECK(again.kinds()->find(first, "tables"));
}

TEST_CASE("a write that fails changes nothing that is served") {
    Server server;
    REQUIRE(server.define(definition("tables", "Table")));
    auto before = server.directory.kinds();
    auto refused = server.define(definition("tables", "Other"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == "AlreadyExists");
    CHECK(server.directory.kinds() == before);
    auto wrong = server.define(definition("chairs", "Chair", ""));
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code == 422);
    CHECK_FALSE(server.directory.kinds()->find(first, "chairs"));

    auto kind = server.definitions();
    auto call = server.call(kind);
    call.dry_run = true;
    CHECK(server.registry.create(call, json::parse(definition("stools", "Stool")), {}));
    CHECK_FALSE(server.directory.kinds()->find(first, "stools"));
}

TEST_CASE("objects are stored in one version and shown in the one asked for") {
    Server server;
    REQUIRE(server.define(definition("tables", "Table")));
    auto newer = server.directory.kinds()->find(second, "tables"),
         older = server.directory.kinds()->find(first, "tables");
    auto call = server.call(newer);
    auto made = server.registry.create(
        call, json::parse(R"({"apiVersion":"example.com/v2","kind":"Table","metadata":{"name":"a"}})"), {});
    REQUIRE_MESSAGE(made, made.error().message);
    auto object = parsed(*made);
    CHECK(object.at("apiVersion") == "example.com/v1");
    CHECK(object.at("replicas") == 1);
    CHECK(object.at("metadata").at("generation") == 1);
    std::string kept;
    CHECK(shown_bytes(*made->object, *older, kept) == made->object->bytes);
    auto shown = json::parse(std::string(shown_bytes(*made->object, *newer, kept))).as_object();
    CHECK(shown.at("apiVersion") == "example.com/v2");
    shown.erase("apiVersion");
    object.erase("apiVersion");
    CHECK(shown == object);

    auto change = server.call(newer, "a");
    auto patched = server.registry.patch(change, PatchType::Merge, json::parse(R"({"replicas":2})"), false, {});
    REQUIRE_MESSAGE(patched, patched.error().message);
    CHECK(parsed(*patched).at("metadata").at("generation") == 2);
    auto refused = server.registry.patch(change, PatchType::Merge, json::parse(R"({"replicas":"x"})"), false, {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == 422);
}

TEST_CASE("a definition goes when its objects are gone; who holds its kind keeps it") {
    Server server;
    std::vector<std::string> going, freed;
    server.directory.on_going([&](const std::string& name) { going.push_back(name); });
    server.directory.on_names_free([&](const std::string& group) { freed.push_back(group); });
    REQUIRE(server.define(definition("tables", "Table")));
    REQUIRE(server.define(definition("desks", "Table")));
    CHECK_FALSE(server.directory.kinds()->find(first, "desks"));
    CHECK(server.directory.waiting_definitions("example.com") == std::vector<std::string>{"desks.example.com"});

    auto kind = server.directory.kinds()->find(first, "tables");
    auto all = server.definitions();
    auto call = server.call(all, "tables.example.com");
    auto removed = server.registry.remove(call, {});
    REQUIRE_MESSAGE(removed, removed.error().message);
    CHECK_FALSE(removed->is_gone);
    CHECK(going == std::vector<std::string>{"tables.example.com"});
    CHECK_FALSE(server.directory.kinds()->find(first, "tables")->has_verb("create"));
    CHECK(kind->has_verb("create"));

    REQUIRE(server.registry.finish_definition("tables.example.com"));
    CHECK_FALSE(server.directory.kinds()->find(first, "tables"));
    CHECK(kind->type->find("replicas"));
    CHECK(freed == std::vector<std::string>{"example.com"});
    REQUIRE(server.registry.look_at_definition("desks.example.com"));
    CHECK(server.directory.kinds()->find(first, "desks"));

    // Somebody who still had the kind wrote an object: it is not there for the next definition of this name.
    auto late = server.call(kind);
    REQUIRE(server.registry.create(
        late, json::parse(R"({"apiVersion":"example.com/v1","kind":"Table","metadata":{"name":"late"}})"), {}));
    CHECK(server.state->get("example.com/tables/late"));
    REQUIRE(server.define(definition("tables", "Other")));
    CHECK_FALSE(server.state->get("example.com/tables/late"));
}

TEST_CASE("readers find kinds while definitions come and go") {
    Server server;
    std::atomic<bool> stop = false;
    std::thread reader([&] {
        while (!stop) {
            auto kind = server.directory.kinds()->find(first, "tables");
            if (kind && !kind->type->find("replicas")) std::abort();
        }
    });
    for (int round = 0; round < 20; ++round) {
        CHECK(server.define(definition("tables", "Table")));
        auto all = server.definitions();
        auto call = server.call(all, "tables.example.com");
        CHECK(server.registry.remove(call, {}));
        CHECK(server.registry.finish_definition("tables.example.com"));
    }
    stop = true;
    reader.join();
}

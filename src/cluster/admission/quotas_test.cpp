// SPDX-License-Identifier: Apache-2.0
// What the registry's tests cannot hold still: an object that is charged and not yet stored.
#include "cluster/admission/testing_internal.h"

using namespace pila;
using namespace pila::cluster;
using namespace pila::cluster::admission;

namespace {

constexpr std::string_view key = "core/resourcequotas/n/q";

struct Space : World {
    Space() {
        put(std::string(key), R"({"metadata":{"name":"q","namespace":"n"},"spec":{"hard":{"pods":"2"}},
            "status":{"hard":{"pods":"2"},"used":{"pods":"0"}}})");
    }

    json::object quota() const { return json::parse(state->get(key)->bytes).as_object(); }
    static std::string pods_in(const json::object& quota) {
        return std::string(json::value(quota).at_pointer("/status/used/pods").as_string());
    }
    std::string used() const { return pods_in(quota()); }

    Verdict charge(const std::string& name, std::unique_ptr<Charge>& made) {
        Request request{.kind = *schema::Catalogue::builtin().find_kind({"", "v1"}, "Pod"),
                        .name_space = "n",
                        .name = name,
                        .subresource = "",
                        .user = "test"};
        auto pod = json::parse(text(name)).as_object();
        return admission.check(request, pod, made);
    }
    static std::string text(const std::string& name) {
        return R"({"metadata":{"name":")" + name + R"("},"spec":{"serviceAccountName":"default","containers":[]}})";
    }
    // What the controller would write now.
    json::object counted(std::string_view user = "system:serviceaccount:kube-system:resourcequota-controller") {
        auto object = quota();
        auto before = object;
        Request request{.kind = *schema::Catalogue::builtin().find_kind({"", "v1"}, "ResourceQuota"),
                        .name_space = "n",
                        .name = "q",
                        .subresource = "status",
                        .user = std::string(user),
                        .before = &before};
        REQUIRE(admission.complete(request, object));
        return object;
    }
};

}  // namespace

TEST_CASE("a charge counts from the moment it is made, is given back, and is counted once when it is stored") {
    Space space;
    std::unique_ptr<Charge> charge;
    REQUIRE(space.charge("a", charge));
    REQUIRE(charge);
    CHECK(space.used() == "1");
    CHECK(Space::pods_in(space.counted()) == "1");  // nothing is stored yet
    charge.reset();
    CHECK(space.used() == "0");
    CHECK(Space::pods_in(space.counted()) == "0");

    REQUIRE(space.charge("a", charge));
    space.put("core/pods/n/a", Space::text("a"));
    CHECK(Space::pods_in(space.counted()) == "1");  // stored and charged: once
    charge->keep();
    charge.reset();
    CHECK(space.used() == "1");
    CHECK(Space::pods_in(space.counted()) == "1");
}

TEST_CASE("what was counted before a charge is not written after it") {
    Space space;
    auto counted = space.counted();
    std::unique_ptr<Charge> charge;
    REQUIRE(space.charge("a", charge));
    auto written = space.write_status(*schema::Catalogue::builtin().find_kind({"", "v1"}, "ResourceQuota"), counted);
    REQUIRE_FALSE(written);
    CHECK(written.error().code == 409);
    CHECK(space.used() == "1");
}

TEST_CASE("charges under way fill a quota, and only the controller's word starts a count") {
    Space space;
    std::unique_ptr<Charge> first, second, third;
    REQUIRE(space.charge("a", first));
    REQUIRE(space.charge("b", second));
    auto refused = space.charge("c", third);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().why == "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2");
    CHECK_FALSE(third);
    first.reset();
    CHECK(space.charge("c", third));
    space.put("core/pods/n/x", Space::text("x"));
    CHECK(Space::pods_in(space.counted("somebody")) == "2");
    CHECK(Space::pods_in(space.counted()) == "3");
}

TEST_CASE("a quota whose usage nobody has counted yet") {
    Space space;
    space.put(std::string(key), R"({"metadata":{"name":"q","namespace":"n"},"spec":{"hard":{"pods":"2"}},
        "status":{"hard":{"pods":"2"}}})");
    std::unique_ptr<Charge> charge;
    auto refused = space.charge("a", charge);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().why == "status unknown for quota: q, resources: pods");
    space.put(std::string(key), R"({"metadata":{"name":"q","namespace":"n"},"spec":{"hard":{"pods":"2"}}})");
    CHECK(space.charge("a", charge));  // nobody has seen it
}

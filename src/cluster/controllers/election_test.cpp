// SPDX-License-Identifier: Apache-2.0
// Who leads: with clocks that the test moves.
#include "cluster/controllers/election.h"

#include "cluster/controllers/testing_internal.h"

namespace pila::cluster::controllers {

namespace {

using std::chrono::seconds;

struct Candidate {
    World& world;
    Election election;
    Election::Time* now;

    Candidate(World& of, const std::string& identity, Election::Time& clock)
        : world(of),
          election(
              of.registry(), identity, [&of] { return of.now(); }, [&clock] { return clock; }),
          now(&clock) {}
    bool leads() {
        election.look();
        return election.leads_until() > *now;
    }
};

json::object lease(World& world) {
    auto found = world.client().get(lease_kind(), "kube-system", "kube-controller-manager");
    REQUIRE(found);
    return found.take();
}

struct Place {
    World world;
    Election::Time now{seconds(1'000'000)};
    Place() { world.make("", "namespaces", R"({"metadata":{"name":"kube-system"}})"); }
};

}  // namespace

TEST_CASE("the first takes the lease, keeps it, and says so once") {
    Place place;
    Candidate ours(place.world, "a", place.now);
    REQUIRE(ours.leads());
    auto first = lease(place.world);
    CHECK(text_in(first, "spec.holderIdentity") == "a");
    CHECK(number_in(first, "spec.leaseTransitions") == 0);
    auto revision = place.world.state().revision();
    CHECK(ours.leads());
    CHECK(place.world.state().revision() == revision);  // nothing is due
    for (int round = 0; round < 9; ++round) {
        place.now += seconds(20);
        CHECK(ours.leads());
    }
    CHECK(place.world.state().revision() == revision + 9);
    CHECK(place.world.all("", "events").size() == 1);
    revision = place.world.state().revision();
    Candidate restarted(place.world, "a", place.now);
    CHECK(restarted.leads());
    CHECK(place.world.state().revision() == revision);  // a restart writes nothing
    CHECK(place.world.all("", "events").size() == 1);
    CHECK(number_in(lease(place.world), "spec.leaseTransitions") == 0);
    CHECK(text_in(lease(place.world), "spec.acquireTime") == text_in(first, "spec.acquireTime"));
}

TEST_CASE("a second waits until the first has been silent for the whole term") {
    Place place;
    Candidate first(place.world, "a", place.now), second(place.world, "b", place.now);
    REQUIRE(first.leads());
    CHECK_FALSE(second.leads());
    place.now += seconds(30);
    CHECK(first.leads());
    CHECK_FALSE(second.leads());  // the renewal is news
    place.now += seconds(59);
    CHECK_FALSE(second.leads());
    CHECK(first.election.leads_until() <= place.now);  // it has given up long before
    place.now += seconds(1);
    CHECK(second.leads());
    CHECK(number_in(lease(place.world), "spec.leaseTransitions") == 1);
    CHECK_FALSE(first.leads());
}

TEST_CASE("what nobody holds is taken at once, what another takes is lost at once") {
    Place place;
    Candidate ours(place.world, "a", place.now);
    REQUIRE(ours.leads());
    auto given = lease(place.world);
    make_object_in(given, "spec")["holderIdentity"] = "other";
    make_object_in(given, "spec")["leaseDurationSeconds"] = 15;
    REQUIRE(place.world.client().update(lease_kind(), given));
    CHECK_FALSE(ours.leads());
    CHECK(ours.election.leads_until() < place.now);
    given = lease(place.world);
    make_object_in(given, "spec")["holderIdentity"] = "";
    REQUIRE(place.world.client().update(lease_kind(), given));
    CHECK(ours.leads());
    CHECK(number_in(lease(place.world), "spec.leaseTransitions") == 1);
}

TEST_CASE("a lease that says nothing of its term is free; a deleted one is made anew") {
    Place place;
    auto bare = R"({"metadata":{"name":"kube-controller-manager","namespace":"kube-system"},)"
                R"("spec":{"holderIdentity":"other"}})";
    place.world.make("coordination.k8s.io", "leases", bare);
    Candidate ours(place.world, "a", place.now);
    CHECK(ours.leads());
    REQUIRE(place.world.client().remove(lease_kind(), "kube-system", "kube-controller-manager", {}));
    CHECK(ours.leads());
    CHECK(text_in(lease(place.world), "spec.holderIdentity") == "a");
}

}  // namespace pila::cluster::controllers

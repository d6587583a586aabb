// SPDX-License-Identifier: Apache-2.0
// PodDisruptionBudgets: how many of the pods they select may be disturbed now. Source: kube-controller-manager's
// pkg/controller/disruption.
#include <algorithm>
#include <set>

#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/codec/codec.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/claims.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/pods.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::int64_t eviction_seconds = 120;  // after which an eviction that led to nothing is forgotten

class Budgets : public Controller {
public:
    explicit Budgets(const Means& means)
        : Controller(means, "disruption-controller"), kind_(kind_of("policy", "v1", "poddisruptionbudgets")) {
        follow(kind_);
        means_.informers.of(pod_kind()).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            if (before && (!now || before->attributes != now->attributes)) tell(*before);
            if (now) tell(*now);
        });
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto got = client_.get(kind_, name.space, name.name);
        if (!got && is_not_found(got.error())) return {};
        auto budget = TRY(std::move(got));
        const auto* selector_tree = object_in(budget, "spec.selector");
        if (!selector_tree) return {};  // selects nothing
        auto selector = TRY(api::LabelSelector::read(*selector_tree));
        std::vector<Pod> pods;
        for (const auto& object : pods_in(name.space)) {
            if (!selector.matches(object->attributes)) continue;
            auto tree = Client::read(*object);
            if (!tree) continue;
            Pod pod(tree.take());
            if (pod.phase != Pod::Phase::Over) pods.push_back(std::move(pod));
        }
        auto disrupted = still_disrupted(budget, pods);
        std::int64_t healthy = 0;
        for (const auto& pod : pods) healthy += pod.is_ready && !pod.is_going && !disrupted.contains(pod.name);
        auto expected = expected_of(budget, pods);
        return write(key, budget, disrupted, expected, desired_of(budget, expected), healthy);
    }

private:
    std::vector<ObjectPointer> pods_in(const std::string& space) const {
        auto listed = client_.list(pod_kind(), space);
        return listed ? listed.take() : std::vector<ObjectPointer>();
    }

    void tell(const state::Object& pod) {
        auto space = name_of(name_key(pod_kind(), pod)).space;
        auto budgets = client_.list(kind_, space);
        if (!budgets) return;
        for (const auto& object : *budgets) {
            auto tree = seen(*object);
            const auto* selector = tree ? object_in(*tree, "spec.selector") : nullptr;
            auto parsed = selector ? api::LabelSelector::read(*selector) : Error(Errc::Invalid, "no selector");
            if (parsed && parsed->matches(pod.attributes)) enqueue(name_key(kind_, *object));
        }
    }

    // A number of its own counts the pods there are; a share, or what may be missing, is of what their controllers
    // want.
    std::int64_t expected_of(const json::object& budget, const std::vector<Pod>& pods) const {
        const auto* least = value_in(budget, "spec.minAvailable");
        if (least && least->is_int64()) return std::ssize(pods);
        std::set<std::string> seen;
        std::int64_t sum = 0;
        for (const auto& pod : pods) {
            auto owner = controller_of(pod.tree);
            if (!owner || !seen.insert(owner->uid).second) continue;
            auto slash = owner->api_version.find('/');
            bool in_core = slash == std::string::npos;
            schema::GroupVersion group{in_core ? "" : owner->api_version.substr(0, slash),
                                       in_core ? owner->api_version : owner->api_version.substr(slash + 1)};
            const auto* kind = schema::Catalogue::builtin().find_kind(group, owner->kind);
            if (!kind || !kind->find_subresource("scale")) continue;
            auto object = client_.get(*kind, std::string(text_in(pod.tree, "metadata.namespace")), owner->name);
            if (object) sum += number_in(*object, "spec.replicas");
        }
        return sum;
    }

    static std::int64_t desired_of(const json::object& budget, std::int64_t expected) {
        if (const auto* most = value_in(budget, "spec.maxUnavailable"))
            return std::max<std::int64_t>(expected - scaled(most, expected, true), 0);
        return scaled(value_in(budget, "spec.minAvailable"), expected, true);
    }

    // Pods that an eviction took, which are not seen to go yet.
    json::object still_disrupted(const json::object& budget, const std::vector<Pod>& pods) const {
        json::object left;
        const auto* told = object_in(budget, "status.disruptedPods");
        if (!told) return left;
        for (const auto& pod : pods) {
            const auto* since = told->if_contains(pod.name);
            if (!since || !since->is_string() || pod.is_going) continue;
            auto time = codec::parse_time(std::string_view(since->get_string()));
            if (time && *time / 1'000'000 + eviction_seconds > means_.now() / 1'000'000) left[pod.name] = *since;
        }
        return left;
    }

    Outcome<void> write(const std::string& key, json::object& budget, const json::object& disrupted,
                        std::int64_t expected, std::int64_t desired, std::int64_t healthy) {
        auto allowed = expected > 0 ? std::max<std::int64_t>(healthy - desired, 0) : 0;
        json::object status;
        if (const auto* known = object_in(budget, "status")) status = *known;
        auto before = status;
        status["observedGeneration"] = number_in(budget, "metadata.generation");
        status["expectedPods"] = expected;
        status["desiredHealthy"] = desired;
        status["currentHealthy"] = healthy;
        status["disruptionsAllowed"] = allowed;
        status.erase("disruptedPods");
        if (!disrupted.empty()) {
            status["disruptedPods"] = disrupted;
            enqueue_after(key, eviction_seconds);
        }
        const auto* known = find_condition(status, "DisruptionAllowed");
        if (!known || is_true(known) != (allowed > 0)) {
            remove_condition(status, "DisruptionAllowed");
            auto& list = status["conditions"];
            if (!list.is_array()) list.emplace_array();
            list.get_array().push_back(
                json::object{{"type", "DisruptionAllowed"},
                             {"status", allowed > 0 ? "True" : "False"},
                             {"observedGeneration", number_in(budget, "metadata.generation")},
                             {"lastTransitionTime", codec::format_time(means_.now() / 1'000'000)},
                             {"reason", allowed > 0 ? "SufficientPods" : "InsufficientPods"},
                             {"message", ""}});
        }
        if (status == before) return {};
        budget["status"] = std::move(status);
        auto written = client_.update_status(kind_, budget);
        return written || is_not_found(written.error()) ? Outcome<void>() : written.take_error();
    }

    const schema::Kind& kind_;
};

}  // namespace

std::unique_ptr<Controller> make_budgets(const Means& means) { return std::make_unique<Budgets>(means); }

}  // namespace pila::cluster::controllers

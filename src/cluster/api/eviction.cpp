// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/eviction.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/api/selectors.h"
#include "cluster/kinds/tree.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::api {

namespace {

constexpr std::size_t max_disrupted = 2000;
constexpr int max_attempts = 10;  // while the budget's controller writes it, too
constexpr int retry_seconds = 10;

const schema::Kind& budget_kind() {
    static const auto& kind = *schema::Catalogue::builtin().find_resource({"policy", "v1"}, "poddisruptionbudgets");
    return kind;
}

std::int64_t number_at(const json::object& object, std::string_view outer, std::string_view inner) {
    const auto* found = kinds::object_at(object, outer);
    return found ? kinds::integer_at(*found, inner).value_or(0) : 0;
}

bool is_ready(const json::object& pod) {
    bool ready = false;
    kinds::each_object(kinds::list_at(pod, "status.conditions"), [&](const json::object& condition, std::size_t) {
        ready =
            ready || (kinds::text_at(condition, "type") == "Ready" && kinds::text_at(condition, "status") == "True");
    });
    return ready;
}

// It serves nobody (any more): no budget counts it.
bool is_free(const json::object& pod) {
    const auto* status = kinds::object_at(pod, "status");
    const auto phase = status ? kinds::text_at(*status, "phase") : std::string_view();
    return phase == "Succeeded" || phase == "Failed" || phase == "Pending" || is_going(pod);
}

Outcome<std::vector<state::ObjectPointer>> budgets_of(Registry& registry, const Call& call, const state::Object& pod) {
    auto page = TRY(registry.state().list(prefix_of(budget_kind(), call.name_space), "", 0, 0));
    std::vector<state::ObjectPointer> found;
    for (auto& object : page.objects) {
        auto budget = TRY(read_object(*object, call.memory));
        const auto* spec = kinds::object_at(budget, "spec");
        const auto* selector = spec ? kinds::find(*spec, "selector") : nullptr;
        if (!selector) continue;
        auto parsed = LabelSelector::read(*selector);
        if (parsed && parsed->matches(pod.attributes)) found.push_back(std::move(object));
    }
    return found;
}

Status too_many(std::string why) {
    Status status(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.");
    status.causes.push_back({"DisruptionBudget", std::move(why), ""});
    return status;
}

// A pod that does not work anyway: whether it may go although the budget is used up.
bool spares_unready(const json::object& budget) {
    const auto* spec = kinds::object_at(budget, "spec");
    if (spec && kinds::text_at(*spec, "unhealthyPodEvictionPolicy") == "AlwaysAllow") return true;
    const auto wanted = number_at(budget, "status", "desiredHealthy");
    return wanted > 0 && number_at(budget, "status", "currentHealthy") >= wanted;
}

Outcome<json::value> taken_from(const json::object& budget, const Call& call) {
    const auto name = std::string(meta_text(budget, "name"));
    if (number_at(budget, "status", "observedGeneration") < number_at(budget, "metadata", "generation")) {
        auto later = too_many(fmt::format("The disruption budget {} is still being processed by the server.", name));
        later.retry_after_seconds = retry_seconds;
        return later;
    }
    const auto allowed = number_at(budget, "status", "disruptionsAllowed");
    const auto* disrupted = kinds::object_at(budget, "status.disruptedPods");
    static const auto& pods = *schema::Catalogue::builtin().find_resource({"", "v1"}, "pods");
    if (allowed < 0) return forbidden(pods, call.name, "pdb disruptions allowed is negative");
    if (disrupted && disrupted->size() > max_disrupted)
        return forbidden(pods, call.name,
                         "DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    if (allowed == 0)
        return too_many(fmt::format("The disruption budget {} needs {} healthy pods and has {} currently", name,
                                    number_at(budget, "status", "desiredHealthy"),
                                    number_at(budget, "status", "currentHealthy")));
    const json::object status{{"disruptionsAllowed", allowed - 1}, {"disruptedPods", {{call.name, now_text()}}}};
    return json::value{{"metadata", {{"resourceVersion", meta_text(budget, "resourceVersion")}}}, {"status", status}};
}

Outcome<void> take_from_budget(Registry& registry, const Call& call, const state::Object& pod, bool ready) {
    for (int attempt = 1;; ++attempt) {
        auto budgets = TRY(budgets_of(registry, call, pod));
        if (budgets.empty()) return {};
        if (budgets.size() > 1)
            return Status(500, "InternalError",
                          "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
                          "support.");
        auto budget = TRY(read_object(*budgets.front(), call.memory));
        if (!ready && spares_unready(budget)) return {};
        auto change = TRY(taken_from(budget, call));
        Call of_budget{.kind = budget_kind(),
                       .name_space = call.name_space,
                       .name = std::string(meta_text(budget, "name")),
                       .subresource = "status",
                       .user = call.user,
                       .manager = call.manager,
                       .dry_run = call.dry_run,
                       .memory = call.memory,
                       .context = call.context};
        auto written = registry.patch(of_budget, PatchType::Merge, change, false, {});
        if (written) return {};
        if (written.error().code != 409 || attempt == max_attempts) return written.take_error();
    }
}

DeleteOptions options_of(const json::object& eviction) {
    DeleteOptions options;
    const auto* given = kinds::object_at(eviction, "deleteOptions");
    if (!given) return options;
    options.grace_seconds = kinds::integer_at(*given, "gracePeriodSeconds");
    options.propagation = kinds::text_at(*given, "propagationPolicy");
    if (const auto* before = kinds::object_at(*given, "preconditions")) {
        options.uid = kinds::text_at(*before, "uid");
        options.resource_version = kinds::text_at(*before, "resourceVersion");
    }
    return options;
}

}  // namespace

Outcome<void> evict(Registry& registry, Call& call, const json::object& eviction) {
    if (meta_text(eviction, "name") != call.name)
        return bad_request("name in URL does not match name in Eviction object");
    call.dry_run = call.dry_run || kinds::has_items(eviction, "deleteOptions.dryRun");
    call.subresource.clear();
    auto object = TRY(registry.get(call));
    auto pod = TRY(read_object(*object, call.memory));
    if (!is_free(pod)) {
        TRY(take_from_budget(registry, call, *object, is_ready(pod)));
        const json::object reason{{"type", "DisruptionTarget"},
                                  {"status", "True"},
                                  {"reason", "EvictionByEvictionAPI"},
                                  {"message", "Eviction API: evicting"},
                                  {"lastTransitionTime", now_text()}};
        Call of_status = call;
        of_status.subresource = "status";
        const json::value change{{"status", {{"conditions", json::array{reason}}}}};
        TRY(registry.patch(of_status, PatchType::Strategic, change, false, {}));
    }
    TRY(registry.remove(call, options_of(eviction)));
    return {};
}

}  // namespace pila::cluster::api

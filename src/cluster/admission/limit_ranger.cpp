// SPDX-License-Identifier: Apache-2.0
// What containers, pods and claims of a namespace may ask for, and what they get if they ask for nothing.
#include <cmath>
#include <set>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/admission/amounts_internal.h"
#include "cluster/admission/plugins_internal.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

constexpr std::string_view ranges = "core/limitranges";

bool is_limited(const Request& request) {
    if (is_resize(request)) return true;
    if (!request.subresource.empty()) return false;
    return is_new_pod(request) || request.is("", "PersistentVolumeClaim");
}

bool is_going(const Request& request) {
    const auto* metadata = request.before ? kinds::object_at(*request.before, "metadata") : nullptr;
    return metadata && kinds::has(*metadata, "deletionTimestamp");
}

// "cpu, memory request for container web", and what it lacked is there.
void fill(json::object& container, std::string_view list, const Amounts& defaults, const std::string& whose,
          std::vector<std::string>& notes) {
    std::vector<std::string> set;
    for (const auto& [name, amount] : defaults) {
        auto* resources = kinds::make_object(container, "resources");
        auto* amounts = resources ? kinds::make_object(*resources, list) : nullptr;
        if (amounts && kinds::set_absent(*amounts, name, json::value(amount.text()))) set.push_back(name);
    }
    if (set.empty()) return;
    notes.push_back(fmt::format("{} {} for {}", join(set, ", "), list == "requests" ? "request" : "limit", whose));
}

// A limit item, and what is measured by it.
struct Measure {
    const json::object& item;
    std::string type;  // Container, Pod, PersistentVolumeClaim
    std::set<std::string>& faults;

    void see(const Amounts& requests, const Amounts& limits, bool is_claim = false) const {
        for (const auto& [name, most] : amounts_of(kinds::object_at(item, "min")))
            least(name, most, find_amount(requests, name), find_amount(limits, name));
        for (const auto& [name, most] : amounts_of(kinds::object_at(item, "max"))) {
            auto *request = find_amount(requests, name), *limit = find_amount(limits, name);
            is_claim ? most_requested(name, most, request) : highest(name, most, request, limit);
        }
        if (is_claim) return;
        for (const auto& [name, most] : amounts_of(kinds::object_at(item, "maxLimitRequestRatio")))
            ratio(name, most, find_amount(requests, name), find_amount(limits, name));
    }

private:
    using Amount = codec::Quantity;

    void least(const std::string& name, const Amount& bound, const Amount* request, const Amount* limit) const {
        auto head = fmt::format("minimum {} usage per {} is {}", name, type, bound.text());
        if (!request)
            faults.insert(head + ".  No request is specified");
        else if (*request < bound)
            faults.insert(fmt::format("{}, but request is {}", head, request->text()));
        else if (limit && *limit < bound)
            faults.insert(fmt::format("{}, but limit is {}", head, limit->text()));
    }
    void highest(const std::string& name, const Amount& bound, const Amount* request, const Amount* limit) const {
        auto head = fmt::format("maximum {} usage per {} is {}", name, type, bound.text());
        if (!limit)
            faults.insert(head + ".  No limit is specified");
        else if (*limit > bound)
            faults.insert(fmt::format("{}, but limit is {}", head, limit->text()));
        else if (request && *request > bound)
            faults.insert(fmt::format("{}, but request is {}", head, request->text()));
    }
    void most_requested(const std::string& name, const Amount& bound, const Amount* request) const {
        auto head = fmt::format("maximum {} usage per {} is {}", name, type, bound.text());
        if (!request)
            faults.insert(head + ".  No request is specified");
        else if (*request > bound)
            faults.insert(fmt::format("{}, but request is {}", head, request->text()));
    }
    void ratio(const std::string& name, const Amount& bound, const Amount* request, const Amount* limit) const {
        auto head = fmt::format("{} max limit to request ratio per {} is {}", name, type, bound.text());
        if (!request || request->is_zero()) {
            faults.insert(head + ", but no request is specified or request is 0");
        } else if (!limit || limit->is_zero()) {
            faults.insert(head + ", but no limit is specified or limit is 0");
        } else {
            auto given = static_cast<double>(limit->milli()) / static_cast<double>(request->milli());
            if (given * 1000 > static_cast<double>(bound.milli()))
                faults.insert(fmt::format("{}, but provided ratio is {:.6f}", head, given));
        }
    }
};

void see_containers(const Measure& measure, const json::object& spec) {
    for (auto list : {"containers", "initContainers"})
        kinds::each_object(kinds::list_at(spec, list), [&](const json::object& container, std::size_t) {
            measure.see(amounts_of(kinds::object_at(container, "resources.requests")),
                        amounts_of(kinds::object_at(container, "resources.limits")));
        });
}

// Kubernetes' form of several errors at once.
std::string aggregate(const std::set<std::string>& faults) {
    if (faults.size() == 1) return *faults.begin();
    return "[" + join({faults.begin(), faults.end()}, ", ") + "]";
}

}  // namespace

Verdict complete_limits(Request& request, json::object& object, const Lookup& lookup) {
    if (!is_new_pod(request)) return {};
    auto& spec = spec_of(object);
    for (const auto& range : lookup.list(ranges, request.name_space)) {
        Amounts requests, limits;
        kinds::each_object(kinds::list_at(range, "spec.limits"), [&](const json::object& item, std::size_t) {
            if (kinds::text_at(item, "type") != "Container") return;
            for (auto& [name, amount] : amounts_of(kinds::object_at(item, "defaultRequest"))) requests[name] = amount;
            for (auto& [name, amount] : amounts_of(kinds::object_at(item, "default"))) limits[name] = amount;
        });
        std::vector<std::string> notes;
        for (std::string list : {"containers", "initContainers"})
            kinds::each_object(kinds::list_at(spec, list), [&](json::object& container) {
                auto whose = fmt::format("{} {}", list == "containers" ? "container" : "init container",
                                         kinds::text_at(container, "name"));
                fill(container, "requests", requests, whose, notes);
                fill(container, "limits", limits, whose, notes);
            });
        auto* metadata = notes.empty() ? nullptr : kinds::make_object(object, "metadata");
        auto* annotations = metadata ? kinds::make_object(*metadata, "annotations") : nullptr;
        if (annotations) (*annotations)["kubernetes.io/limit-ranger"] = "LimitRanger plugin set: " + join(notes, "; ");
    }
    return {};
}

Verdict check_limits(Request& request, const json::object& object, const Lookup& lookup) {
    if (!is_limited(request) || is_going(request)) return {};
    const auto& spec = spec_of(object);
    for (const auto& range : lookup.list(ranges, request.name_space)) {
        std::set<std::string> faults;
        kinds::each_object(kinds::list_at(range, "spec.limits"), [&](const json::object& item, std::size_t) {
            const Measure measure{item, std::string(kinds::text_at(item, "type")), faults};
            bool is_pod = request.is("", "Pod");
            if (is_pod && measure.type == "Container") see_containers(measure, spec);
            if (is_pod && measure.type == "Pod")
                measure.see(pod_amounts(spec, "requests", Overhead::Without),
                            pod_amounts(spec, "limits", Overhead::Without));
            if (!is_pod && measure.type == "PersistentVolumeClaim")
                measure.see(amounts_of(kinds::object_at(spec, "resources.requests")), {}, true);
        });
        if (!faults.empty()) return refuse(aggregate(faults));
    }
    return {};
}

}  // namespace pila::cluster::admission

// SPDX-License-Identifier: Apache-2.0
// What the containers of a pod ask for, taken together and when it changes (ValidatePodResize of Kubernetes 1.33).
#include <array>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "cluster/kinds/pods.h"
#include "cluster/kinds/resources.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::kinds {

namespace {

constexpr std::array<std::string_view, 2> lists{"spec.containers", "spec.initContainers"};
constexpr std::array<std::string_view, 2> measured{"cpu", "memory"};

// Zero where it asks for none.
codec::Quantity amount_in(const json::object& container, std::string_view kind, std::string_view resource) {
    const auto* amounts = object_at(container, kind);
    return amounts ? amount_of(find(*amounts, resource)).value_or(codec::Quantity()) : codec::Quantity();
}

bool asks_for(const json::object& container, std::string_view kind) {
    for (auto resource : measured)
        if (auto amount = amount_in(container, kind, resource); !amount.is_zero() && !amount.is_negative()) return true;
    return false;
}

// It is promised as much as it may have.
bool is_fixed(const json::object& container) {
    for (auto resource : measured) {
        const auto limit = amount_in(container, "resources.limits", resource);
        if (limit.is_zero() || limit != amount_in(container, "resources.requests", resource)) return false;
    }
    return true;
}

bool same_names(const json::object& now, const json::object& old, std::string_view list, Report& report) {
    const auto *after = list_at(now, list), *before = list_at(old, list);
    const auto count = after ? after->size() : 0;
    const Path path(list);
    if (count != (before ? before->size() : 0)) {
        report.forbidden(path, "containers may not be added or removed on resize");
        return false;
    }
    bool same = true;
    each_object(after, [&](const json::object& container, std::size_t i) {
        const auto* was = (*before)[i].if_object();
        if (was && text_at(container, "name") == text_at(*was, "name")) return;
        const Path at = path.item(i);
        report.forbidden(at.field("name"), "containers may not be renamed or reordered on resize");
        same = false;
    });
    return same;
}

bool restarts_for_memory(const json::object& container) {
    bool restarts = false;
    each_object(list_at(container, "resizePolicy"), [&](const json::object& policy, std::size_t) {
        restarts = restarts || (text_at(policy, "resourceName") == "memory" &&
                                text_at(policy, "restartPolicy") == "RestartContainer");
    });
    return restarts;
}

// Amounts of requests or of limits: of processors and memory, none of them goes.
void check_amounts(const json::object& now, const json::object& old, std::string_view kind, const Path& path,
                   Report& report) {
    const auto dotted = fmt::format("resources.{}", kind);
    const json::object none;
    const auto *after = object_at(now, dotted), *before = object_at(old, dotted);
    if (!after) after = &none;
    if (!before) before = &none;
    auto is_measured = [](std::string_view name) { return name == measured[0] || name == measured[1]; };
    bool removed = false, other = false;
    for (const auto& amount : *before) {
        const std::string_view name = amount.key();
        removed = removed || (is_measured(name) && !has(*after, name));
        other = other || (!is_measured(name) && amount_in(now, dotted, name) != amount_in(old, dotted, name));
    }
    for (const auto& amount : *after) {
        const std::string_view name = amount.key();
        other = other || (!is_measured(name) && !has(*before, name));
    }
    const Path at = path.field("resources");
    if (removed) report.forbidden(at.field(kind), fmt::format("resource {} cannot be removed", kind));
    if (other) report.forbidden(Path("spec"), "only cpu and memory resources are mutable");
}

void check_container(const json::object& now, const json::object& old, bool may_change, const Path& path,
                     Report& report) {
    const auto *after = find(now, "resources"), *before = find(old, "resources");
    const bool same = is_same(after, before);
    if (!is_same(find(now, "resizePolicy"), find(old, "resizePolicy")) || (!same && !may_change))
        return report.forbidden(Path("spec"), "only cpu and memory resources are mutable");
    if (same) return;
    for (auto kind : {"requests", "limits"}) check_amounts(now, old, kind, path, report);
    const auto limit = amount_in(now, "resources.limits", "memory");
    const bool falls = !limit.is_zero() && limit < amount_in(old, "resources.limits", "memory");
    const Path limits = path.field("resources.limits");
    if (falls && !restarts_for_memory(old))
        report.forbidden(limits.key("memory"),
                         "memory limits cannot be decreased unless resizePolicy is RestartContainer");
}

void check_resize(const json::object& now, const json::object& old, Report& report) {
    const Path nothing(""), spec("spec");
    const auto* notes = object_at(old, "metadata.annotations");
    if (notes && has(*notes, "kubernetes.io/config.mirror"))
        return report.forbidden(nothing, "static pods cannot be resized");
    if (const auto* system = object_at(old, "spec.os"); system && text_at(*system, "name") == "windows")
        return report.forbidden(nothing, "windows pods cannot be resized");
    bool same = true;
    for (auto list : lists) same = same_names(now, old, list, report) && same;
    if (!same) return;
    const auto was = quality_of_service(old), is = quality_of_service(now);
    if (was != is) report.invalid(spec, is, "Pod QOS Class may not change as a result of resizing");
    for (auto list : lists) {
        const Path path(list);
        const auto* before = list_at(old, list);
        each_object(list_at(now, list), [&](const json::object& container, std::size_t i) {
            const auto& had = (*before)[i].get_object();
            // Init containers that ended, or will before the others begin, have nothing to resize.
            const bool may_change = list == lists[0] || text_at(had, "restartPolicy") == "Always";
            check_container(container, had, may_change, path.item(i), report);
        });
    }
}

}  // namespace

std::string_view quality_of_service(const json::object& pod) {
    bool any = false, all_fixed = true;
    for (auto list : lists)
        each_object(list_at(pod, list), [&](const json::object& container, std::size_t) {
            any = any || asks_for(container, "resources.requests") || asks_for(container, "resources.limits");
            all_fixed = all_fixed && is_fixed(container);
        });
    return !any ? "BestEffort" : all_fixed ? "Guaranteed" : "Burstable";
}

std::vector<Cause> validate_resize(const json::object& now, const json::object& old) {
    static const auto& pods = *schema::Catalogue::builtin().find_resource({"", "v1"}, "pods");
    Report report(now, pods, true);
    check_resize(now, old, report);
    return report.take();
}

}  // namespace pila::cluster::kinds

// SPDX-License-Identifier: Apache-2.0
// What of a pod may change once it is there: images, deadlines, further tolerations, fewer gates.
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

bool same_number_of(const json::object& now, const json::object& old, std::string_view list, Report& report) {
    const auto *after = list_at(now, list), *before = list_at(old, list);
    if ((after ? after->size() : 0) == (before ? before->size() : 0)) return true;
    const Path path("spec");
    report.forbidden(path.field(list), "pod updates may not add or remove containers");
    return false;
}

// Alike, but for the image.
bool same_containers(const json::object& now, const json::object& old, std::string_view list) {
    const auto *after = list_at(now, list), *before = list_at(old, list);
    for (std::size_t i = 0; after && before && i < after->size(); ++i) {
        const auto *left = (*after)[i].if_object(), *right = (*before)[i].if_object();
        if (!left || !right || !is_same(*left, *right, {"image"})) return false;
    }
    return true;
}

bool check_deadline(const json::object& now, const json::object& old, Report& report) {
    const auto after = integer_at(now, "activeDeadlineSeconds"), before = integer_at(old, "activeDeadlineSeconds");
    const Path path("spec.activeDeadlineSeconds");
    if (!after) {
        if (before) report.invalid(path, json::value(), "must not update from a positive integer to nil value");
        return true;
    }
    if (*after < 0 || *after > std::numeric_limits<std::int32_t>::max()) {
        report.invalid_number(path, *after, between(0, std::numeric_limits<std::int32_t>::max()));
        return false;
    }
    if (!before || *before >= *after) return true;
    report.invalid_number(path, *after, "must be less than or equal to previous value");
    return false;
}

void check_tolerations(const json::object& now, const json::object& old, Report& report) {
    const auto* after = list_at(now, "tolerations");
    bool kept = true;
    each_object(list_at(old, "tolerations"), [&](const json::object& toleration, std::size_t) {
        bool found = false;
        each_object(after, [&](const json::object& candidate, std::size_t) {
            found = found || is_same(toleration, candidate, {"tolerationSeconds"});
        });
        kept = kept && found;
    });
    if (!kept)
        report.forbidden(Path("spec.tolerations"),
                         "existing toleration can not be modified except its tolerationSeconds");
}

void check_gates(const json::object& now, const json::object& old, Report& report) {
    const auto* before = list_at(old, "schedulingGates");
    const Path path("spec");
    each_object(list_at(now, "schedulingGates"), [&](const json::object& gate, std::size_t i) {
        const auto name = text_at(gate, "name");
        bool known = false;
        each_object(before,
                    [&](const json::object& one, std::size_t) { known = known || text_at(one, "name") == name; });
        const Path at = path.item("schedulingGates", i);
        if (!known)
            report.forbidden(at.field("name"),
                             fmt::format("only deletion is allowed, but found new scheduling gate '{}'", name));
    });
}

// A pod that waits at a gate may still be told where it may not go.
void check_gated(const json::object& now, const json::object& old, Report& report) {
    const auto *after = object_at(now, "nodeSelector"), *before = object_at(old, "nodeSelector");
    bool only_more = true;
    if (before)
        for (const auto& label : *before)
            only_more = only_more && after && after->contains(label.key()) && after->at(label.key()) == label.value();
    if (!only_more)
        report.invalid(Path("spec.nodeSelector"), after ? json::value(*after) : json::value(),
                       "only additions are allowed (no mutations or deletions)");
}

constexpr std::string_view only_these =
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

bool same_grace(const json::object& now, const json::object& old) {
    const auto after = integer_at(now, "terminationGracePeriodSeconds");
    const auto before = integer_at(old, "terminationGracePeriodSeconds");
    return after == before || (before && *before < 0 && after == 1);
}

void pod(const json::object& now_object, const json::object& old_object, Report& report) {
    const auto *now = object_at(now_object, "spec"), *old = object_at(old_object, "spec");
    if (!now || !old) return;
    if (!same_number_of(*now, *old, "containers", report) || !same_number_of(*now, *old, "initContainers", report))
        return;
    if (!check_deadline(*now, *old, report)) return;
    check_tolerations(*now, *old, report);
    check_gates(*now, *old, report);
    const bool is_gated = has_items(*old, "schedulingGates");
    if (is_gated) check_gated(*now, *old, report);
    auto same = same_grace(*now, *old) && same_containers(*now, *old, "containers") &&
                same_containers(*now, *old, "initContainers");
    if (is_gated)  // affinity to nodes may become narrower, too
        same = same && is_same(*now, *old,
                               {"containers", "initContainers", "activeDeadlineSeconds", "tolerations",
                                "schedulingGates", "terminationGracePeriodSeconds", "nodeSelector", "affinity"});
    else
        same = same && is_same(*now, *old,
                               {"containers", "initContainers", "activeDeadlineSeconds", "tolerations",
                                "schedulingGates", "terminationGracePeriodSeconds"});
    if (!same) report.forbidden(Path("spec"), only_these);
}

constexpr UpdateRow rows[] = {{"core.v1.Pod", pod}};

}  // namespace

std::span<const UpdateRow> pod_updates() { return rows; }

}  // namespace pila::cluster::kinds

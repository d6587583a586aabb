// SPDX-License-Identifier: Apache-2.0
// Defaults of what governs: namespaces, secrets, limits, roles, priorities, flow control.
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"
#include "crypto/base64.h"

namespace pila::cluster::kinds {

namespace {

void name_space(json::object& value) {
    auto* metadata = object_at(value, "metadata");
    if (!metadata) return;
    const auto name = std::string(text_at(*metadata, "name"));
    if (name.empty()) return;  // to come from generateName
    if (auto* labels = make_object(*metadata, "labels")) labels->insert_or_assign("kubernetes.io/metadata.name", name);
}

// stringData is only ever written: its texts win over data of the same name.
void secret(json::object& value) {
    set_empty(value, "type", "Opaque");
    const auto* texts = object_at(value, "stringData");
    if (!texts) return;
    const json::object taken(*texts);
    value.erase("stringData");
    if (taken.empty()) return;
    if (auto* data = make_object(value, "data"))
        for (const auto& text : taken) data->insert_or_assign(text.key(), crypto::base64_encode(text_of(text.value())));
}

void fill_from(json::object& item, std::string_view target, std::string_view source) {
    const auto* given = object_at(item, source);
    if (!given || given->empty()) return;
    const json::object amounts(*given);
    if (auto* filled = make_object(item, target))
        for (const auto& amount : amounts) set_absent(*filled, amount.key(), amount.value());
}

void limit_range_item(json::object& value) {
    if (text_at(value, "type") == "Container") {
        fill_from(value, "default", "max");
        fill_from(value, "defaultRequest", "default");
        fill_from(value, "defaultRequest", "min");
    }
    for (auto name : {"default", "defaultRequest"})
        if (const auto* amounts = object_at(value, name); amounts && amounts->empty()) value.erase(name);
}

void node(json::object& value) {
    auto* status = object_at(value, "status");
    const auto* capacity = status ? object_at(*status, "capacity") : nullptr;
    if (!capacity || has(*status, "allocatable")) return;
    json::value copy(*capacity, value.storage());
    status->insert_or_assign("allocatable", std::move(copy));
}

constexpr std::string_view access_group = "rbac.authorization.k8s.io";

void role_reference(json::object& value) { set_empty(value, "apiGroup", access_group); }

void subject(json::object& value) {
    const auto kind = text_at(value, "kind");
    if (kind == "User" || kind == "Group") set_empty(value, "apiGroup", access_group);
}

void priority_class(json::object& value) { set_empty(value, "preemptionPolicy", "PreemptLowerPriority"); }

void flow_schema(json::object& value) { set_zero(value, "matchingPrecedence", 1000); }

void priority_level(json::object& value) {
    const auto type = text_at(value, "type");
    if (type == "Exempt")
        if (auto* exempt = make_object(value, "exempt")) {
            set_absent(*exempt, "nominalConcurrencyShares", 0);
            set_absent(*exempt, "lendablePercent", 0);
        }
    auto* limited = object_at(value, "limited");
    if (!limited) return;
    set_absent(*limited, "nominalConcurrencyShares", 30);
    set_absent(*limited, "lendablePercent", 0);
}

void queuing(json::object& value) {
    set_zero(value, "queues", 64);
    set_zero(value, "handSize", 8);
    set_zero(value, "queueLengthLimit", 50);
}

constexpr DefaultRow rows[] = {
    {"core.v1.LimitRangeItem", limit_range_item},
    {"core.v1.Namespace", name_space},
    {"core.v1.Node", node},
    {"core.v1.Secret", secret},
    {"flowcontrol.v1.FlowSchemaSpec", flow_schema},
    {"flowcontrol.v1.PriorityLevelConfigurationSpec", priority_level},
    {"flowcontrol.v1.QueuingConfiguration", queuing},
    {"rbac.v1.RoleRef", role_reference},
    {"rbac.v1.Subject", subject},
    {"scheduling.v1.PriorityClass", priority_class},
};

}  // namespace

std::span<const DefaultRow> policy_defaults() { return rows; }

}  // namespace pila::cluster::kinds

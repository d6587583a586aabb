// SPDX-License-Identifier: Apache-2.0
// Defaults of what extends the API: webhooks, admission policies, definitions, aggregated APIs.
#include "base/text.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void match(json::object& value) {
    set_empty(value, "matchPolicy", "Equivalent");
    for (auto selector : {"namespaceSelector", "objectSelector"})
        set_absent(value, selector, json::object(value.storage()));
}

void validating_webhook(json::object& value) {
    set_empty(value, "failurePolicy", "Fail");
    match(value);
    set_absent(value, "timeoutSeconds", 10);
}

void mutating_webhook(json::object& value) {
    validating_webhook(value);
    set_empty(value, "reinvocationPolicy", "Never");
}

void rule(json::object& value) { set_empty(value, "scope", "*"); }
void service_reference(json::object& value) { set_absent(value, "port", 443); }
void admission_policy(json::object& value) { set_empty(value, "failurePolicy", "Fail"); }

void definition(json::object& value) {
    if (auto* names = object_at(value, "names")) {
        const auto kind = std::string(text_at(*names, "kind"));
        if (!kind.empty()) {
            set_empty(*names, "singular", to_lower(kind));
            set_empty(*names, "listKind", kind + "List");
        }
    }
    if (auto* conversion = make_object(value, "conversion")) set_empty(*conversion, "strategy", "None");
}

constexpr DefaultRow rows[] = {
    {"admissionregistration.v1.MatchResources", match},
    {"admissionregistration.v1.MutatingWebhook", mutating_webhook},
    {"admissionregistration.v1.NamedRuleWithOperations", rule},
    {"admissionregistration.v1.RuleWithOperations", rule},
    {"admissionregistration.v1.ServiceReference", service_reference},
    {"admissionregistration.v1.ValidatingAdmissionPolicySpec", admission_policy},
    {"admissionregistration.v1.ValidatingWebhook", validating_webhook},
    {"apiextensions.v1.CustomResourceDefinitionSpec", definition},
    {"apiextensions.v1.ServiceReference", service_reference},
    {"apiregistration.v1.ServiceReference", service_reference},
};

}  // namespace

std::span<const DefaultRow> machinery_defaults() { return rows; }

}  // namespace pila::cluster::kinds

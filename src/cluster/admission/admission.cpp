// SPDX-License-Identifier: Apache-2.0
#include "cluster/admission/admission.h"

#include <boost/json.hpp>

#include "cluster/admission/plugins_internal.h"
#include "cluster/admission/quotas_internal.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

struct Plugin {
    std::string_view name;
    Complete complete = nullptr;
    Check check = nullptr;
};

// In the order of kube-apiserver (pkg/kubeapiserver/options/plugins.go). NamespaceLifecycle is the registry's own;
// ResourceQuota comes last, when nothing else can refuse any more.
constexpr Plugin plugins[] = {
    {"LimitRanger", complete_limits, check_limits},
    {"ServiceAccount", complete_account, check_account},
    {"PodSecurity", nullptr, check_security},
    {"Priority", complete_priority, check_priority_class},
    {"DefaultTolerationSeconds", complete_tolerations, nullptr},
    {"DefaultStorageClass", complete_storage_class, nullptr},
    {"StorageObjectInUseProtection", complete_protection, nullptr},
    {"PersistentVolumeClaimResize", nullptr, check_claim_resize},
    {"RuntimeClass", complete_runtime_class, check_overhead},
    {"DefaultIngressClass", complete_ingress_class, nullptr},
};

}  // namespace

Admission::Admission(state::State& state, WriteStatus write_status)
    : state_(state), quotas_(std::make_unique<Quotas>(state, std::move(write_status))) {}

Admission::~Admission() = default;

Verdict Admission::complete(Request& request, json::object& object) const {
    const Lookup lookup(state_);
    for (const auto& plugin : plugins)
        if (plugin.complete) TRY(plugin.complete(request, object, lookup));
    quotas_->complete(request, object);
    return {};
}

Verdict Admission::check(Request& request, const json::object& object, std::unique_ptr<Charge>& charge) const {
    const Lookup lookup(state_);
    for (const auto& plugin : plugins)
        if (plugin.check) TRY(plugin.check(request, object, lookup));
    return quotas_->charge(request, object, charge);
}

const json::object& spec_of(const json::object& object) {
    static const json::object none;
    const auto* spec = kinds::object_at(object, "spec");
    return spec ? *spec : none;
}

json::object& spec_of(json::object& object) {
    auto& spec = object["spec"];
    if (!spec.is_object()) spec.emplace_object();
    return spec.get_object();
}

}  // namespace pila::cluster::admission

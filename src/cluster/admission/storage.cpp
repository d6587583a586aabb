// SPDX-License-Identifier: Apache-2.0
// Claims and volumes: the usual class, finalizers that keep what is in use, and when a claim may grow.
#include <algorithm>

#include <boost/json.hpp>

#include "cluster/admission/plugins_internal.h"
#include "cluster/codec/quantity.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

constexpr std::string_view classes = "storage.k8s.io/storageclasses";
constexpr std::string_view class_annotation = "volume.beta.kubernetes.io/storage-class";

bool is_claim(const Request& request) { return request.is("", "PersistentVolumeClaim"); }

bool has_class(const json::object& claim) {
    const auto* metadata = kinds::object_at(claim, "metadata");
    const auto* annotations = metadata ? kinds::object_at(*metadata, "annotations") : nullptr;
    return (annotations && annotations->contains(class_annotation)) || kinds::has(spec_of(claim), "storageClassName");
}

std::string_view class_of(const json::object& claim) {
    auto annotated = annotation_of(claim, class_annotation);
    return annotated.empty() ? kinds::text_at(spec_of(claim), "storageClassName") : annotated;
}

codec::Quantity size_of(const json::object& claim) {
    const auto* requests = kinds::object_at(claim, "spec.resources.requests");
    auto size = codec::Quantity::parse(requests ? kinds::text_at(*requests, "storage") : std::string_view());
    return size ? *size : codec::Quantity();
}

}  // namespace

Verdict complete_storage_class(Request& request, json::object& object, const Lookup& lookup) {
    if (!is_claim(request) || !request.is_new() || has_class(object)) return {};
    auto name = default_of(lookup.list(classes, ""), {"storageclass.kubernetes.io/is-default-class",
                                                      "storageclass.beta.kubernetes.io/is-default-class"});
    if (name) spec_of(object)["storageClassName"] = *name;
    return {};
}

Verdict complete_protection(Request& request, json::object& object, const Lookup&) {
    if (!request.is_new() || !request.subresource.empty()) return {};
    const char* finalizer = is_claim(request)                    ? "kubernetes.io/pvc-protection"
                            : request.is("", "PersistentVolume") ? "kubernetes.io/pv-protection"
                                                                 : nullptr;
    if (!finalizer) return {};
    auto* metadata = kinds::make_object(object, "metadata");
    if (!metadata) return {};
    auto& list = (*metadata)["finalizers"];
    if (!list.is_array()) list.emplace_array();
    auto& names = list.get_array();
    if (std::find(names.begin(), names.end(), json::value(finalizer)) == names.end()) names.emplace_back(finalizer);
    return {};
}

Verdict check_claim_resize(Request& request, const json::object& object, const Lookup& lookup) {
    if (!is_claim(request) || request.is_new()) return {};
    const auto& before = *request.before;
    if (size_of(object) <= size_of(before)) return {};
    const auto* status = kinds::object_at(before, "status");
    if (!status || kinds::text_at(*status, "phase") != "Bound")
        return refuse("Only bound persistent volume claims can be expanded");
    auto name = class_of(object);
    auto found = name.empty() || name != class_of(before) ? std::nullopt : lookup.get(classes, "", name);
    if (!found || !kinds::flag_at(*found, "allowVolumeExpansion"))
        return refuse(
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support "
            "resize");
    return {};
}

}  // namespace pila::cluster::admission

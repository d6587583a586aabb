// SPDX-License-Identifier: Apache-2.0
// What the server itself puts into a new object, or keeps of an old one, whatever the client says.
#include "cluster/kinds/kinds.h"
#include "cluster/kinds/pods.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void name_space(json::object& object) {
    if (auto* spec = make_object(object, "spec")) spec->insert_or_assign("finalizers", json::array{"kubernetes"});
    if (auto* status = make_object(object, "status")) status->insert_or_assign("phase", "Active");
}

// A job finds its pods by its own uid, under both the old and the new names of the labels.
void job(json::object& object) {
    auto* spec = object_at(object, "spec");
    const auto* metadata = object_at(object, "metadata");
    if (!spec || !metadata || flag_at(*spec, "manualSelector")) return;
    const auto uid = std::string(text_at(*metadata, "uid")), name = std::string(text_at(*metadata, "name"));
    auto* pods = make_object(*spec, "template");
    auto* pod_metadata = pods ? make_object(*pods, "metadata") : nullptr;
    if (auto* labels = pod_metadata ? make_object(*pod_metadata, "labels") : nullptr) {
        for (auto label : {"batch.kubernetes.io/controller-uid", "controller-uid"})
            set_absent(*labels, label, json::value(uid));
        for (auto label : {"batch.kubernetes.io/job-name", "job-name"}) set_absent(*labels, label, json::value(name));
    }
    // Whoever reads a job finds these labels on the job itself, too, unless it has labels of its own.
    const auto* marks = object_at(*spec, "template.metadata.labels");
    if (marks && !has_items(object, "metadata.labels")) {
        json::value copy(*marks, object.storage());
        if (auto* own = make_object(object, "metadata")) own->insert_or_assign("labels", std::move(copy));
    }
    if (auto* selector = make_object(*spec, "selector"))
        if (auto* labels = make_object(*selector, "matchLabels"))
            set_absent(*labels, "batch.kubernetes.io/controller-uid", json::value(uid));
}

void pod(json::object& object) {
    auto* status = make_object(object, "status");
    if (!status) return;
    set_absent(*status, "phase", "Pending");
    set_absent(*status, "qosClass", json::value(quality_of_service(object)));
}

}  // namespace

void prepare_for_create(json::object& object, const schema::Kind& kind) {
    const auto& group = kind.group_version.group;
    if (group.empty() && kind.name == "Namespace") name_space(object);
    if (group.empty() && kind.name == "Pod") pod(object);
    if (group == "batch" && kind.name == "Job") job(object);
}

void prepare_for_update(json::object& object, const json::object& old, const schema::Kind& kind) {
    const auto& group = kind.group_version.group;
    // Requests for certificates are decided, not edited; a namespace's finalizers go by /finalize.
    if (group == "certificates.k8s.io" && kind.name == "CertificateSigningRequest") {
        if (const auto* spec = find(old, "spec")) object.insert_or_assign("spec", *spec);
    } else if (group.empty() && kind.name == "Namespace") {
        const auto* finalizers = list_at(old, "spec.finalizers");
        if (auto* spec = make_object(object, "spec")) {
            if (finalizers)
                spec->insert_or_assign("finalizers", *finalizers);
            else
                spec->erase("finalizers");
        }
    } else if (group.empty() && kind.name == "Service") {
        auto* spec = object_at(object, "spec");
        const auto* had = object_at(old, "spec");
        if (!spec || !had || text_at(*spec, "type") == "ExternalName" || text_at(*had, "type") == "ExternalName")
            return;
        for (auto name : {"clusterIP", "clusterIPs"})
            if (const auto* value = find(*had, name)) set_absent(*spec, name, *value);
        if (text_at(*spec, "clusterIP").empty() && !text_at(*had, "clusterIP").empty())
            spec->insert_or_assign("clusterIP", std::string(text_at(*had, "clusterIP")));
    }
}

void prepare_for_status(json::object& object, const json::object& old, const schema::Kind& kind) {
    if (!kind.group_version.group.empty() || kind.name != "Pod") return;
    // Nodes of old forget it.
    auto* status = object_at(object, "status");
    const auto* before = object_at(old, "status");
    const auto was = before ? text_at(*before, "qosClass") : std::string_view();
    if (status && !was.empty()) set_empty(*status, "qosClass", was);
}

}  // namespace pila::cluster::kinds

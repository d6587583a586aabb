// SPDX-License-Identifier: Apache-2.0
// Persistent volumes, claims, storage classes, drivers.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/resources.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

constexpr std::array<std::string_view, 22> volume_sources{"awsElasticBlockStore",
                                                          "azureDisk",
                                                          "azureFile",
                                                          "cephfs",
                                                          "cinder",
                                                          "csi",
                                                          "fc",
                                                          "flexVolume",
                                                          "flocker",
                                                          "gcePersistentDisk",
                                                          "glusterfs",
                                                          "hostPath",
                                                          "iscsi",
                                                          "local",
                                                          "nfs",
                                                          "photonPersistentDisk",
                                                          "portworxVolume",
                                                          "quobyte",
                                                          "rbd",
                                                          "scaleIO",
                                                          "storageos",
                                                          "vsphereVolume"};

void check_class_name(const json::object& spec, const Path& path, Report& report) {
    const auto name = text_at(spec, "storageClassName");
    if (!name.empty()) report.each_invalid(path.field("storageClassName"), name, dns_subdomain(name));
}

bool has_mode(const json::object& spec, std::string_view mode) {
    const auto* modes = list_at(spec, "accessModes");
    return modes && std::find(modes->begin(), modes->end(), json::value(mode)) != modes->end();
}

void check_modes(const json::object& spec, const Path& path, Report& report) {
    const auto* modes = list_at(spec, "accessModes");
    if (modes && modes->size() > 1 && has_mode(spec, "ReadWriteOncePod"))
        report.forbidden(path.field("accessModes"), "may not use ReadWriteOncePod with other access modes");
}

void check_volume_amount(const json::object& spec, const Path& path, Report& report) {
    const auto* capacity = object_at(spec, "capacity");
    if (!capacity || capacity->empty()) return report.required(path.field("capacity"));
    if (!has(*capacity, "storage") || capacity->size() > 1)
        report.not_supported(path.field("capacity"), capacity->begin()->key(), {"storage"});
    for (const auto& amount : *capacity)
        if (!is_positive_amount(amount.value()))
            report.invalid(path.key("capacity", amount.key()), amount.value(), "must be greater than zero");
}

void volume_spec(const json::object& value, const Path& path, Report& report) {
    if (!has_items(value, "accessModes")) report.required(path.field("accessModes"));
    check_modes(value, path, report);
    check_volume_amount(value, path, report);
    bool found = false;
    for (auto source : volume_sources) {
        if (!has(value, source)) continue;
        if (found) report.forbidden(path.field(source), "may not specify more than 1 volume type");
        found = true;
    }
    if (!found) report.required(path, "must specify a volume type");
    if (has(value, "local") && !object_at(value, "nodeAffinity"))
        report.required(path.field("nodeAffinity"), "Local volume requires node affinity");
    const auto* host = object_at(value, "hostPath");
    if (host && text_at(*host, "path") == "/" && text_at(value, "persistentVolumeReclaimPolicy") == "Recycle")
        report.forbidden(path.field("persistentVolumeReclaimPolicy"),
                         "may not be 'recycle' for a hostPath mount of '/'");
    check_class_name(value, path, report);
}

void local_volume(const json::object& value, const Path& path, Report& report) {
    const auto place = text_at(value, "path");
    if (has_backsteps(place)) report.invalid(path.field("path"), place, "must not contain '..'");
}

void check_source(const json::object& spec, std::string_view name, const Path& path, Report& report) {
    const auto* source = object_at(spec, name);
    if (!source) return;
    const Path at = path.field(name);
    const auto group = text_at(*source, "apiGroup"), kind = text_at(*source, "kind");
    if (group.empty() && kind != "PersistentVolumeClaim")
        report.invalid(at, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    if (!group.empty()) report.each_invalid(at.field("apiGroup"), group, dns_subdomain(group));
    const auto space = text_at(*source, "namespace");
    if (!space.empty()) report.each_invalid(at.field("namespace"), space, dns_label(space));
}

void claim_spec(const json::object& value, const Path& path, Report& report) {
    if (!has_items(value, "accessModes"))
        report.required(path.field("accessModes"), "at least 1 access mode is required");
    check_modes(value, path, report);
    const auto* requests = object_at(value, "resources.requests");
    const auto* amount = requests ? find(*requests, "storage") : nullptr;
    const Path at = path.key("resources", "storage");
    if (!amount)
        report.required(at);
    else if (!is_positive_amount(*amount))
        report.invalid(at, *amount, "must be greater than zero");
    check_source(value, "dataSource", path, report);
    check_source(value, "dataSourceRef", path, report);
    check_class_name(value, path, report);
}

void storage_class(const json::object& value, const Path& path, Report& report) {
    const auto provisioner = text_at(value, "provisioner");
    if (!provisioner.empty())
        report.each_invalid(path.field("provisioner"), provisioner, qualified_name(to_lower(provisioner)));
    const auto* parameters = object_at(value, "parameters");
    if (!parameters) return;
    if (parameters->size() > 512) report.too_long(path.field("parameters"), 512);
    std::size_t size = 0;
    for (const auto& parameter : *parameters) {
        if (parameter.key().empty()) report.invalid(path.field("parameters"), "", "field can not be empty.");
        size += parameter.key().size() + text_of(parameter.value()).size();
    }
    if (size > (256U << 10)) report.too_long(path.field("parameters"), 256U << 10);
}

void driver_name(std::string_view name, const Path& path, Report& report) {
    if (name.size() > 63) report.too_long(path, 63);
    if (!name.empty()) report.each_invalid(path, name, dns_subdomain(to_lower(name)));
}

void csi_source(const json::object& value, const Path& path, Report& report) {
    driver_name(text_at(value, "driver"), path.field("driver"), report);
}

void claim_reference(const json::object& value, const Path& path, Report& report) {
    const auto name = text_at(value, "claimName");
    if (!name.empty()) report.each_invalid(path.field("claimName"), name, dns_subdomain(name));
}

constexpr CheckRow rows[] = {
    {"core.v1.CSIPersistentVolumeSource", csi_source},
    {"core.v1.CSIVolumeSource", csi_source},
    {"core.v1.LocalVolumeSource", local_volume},
    {"core.v1.PersistentVolumeClaimSpec", claim_spec},
    {"core.v1.PersistentVolumeClaimVolumeSource", claim_reference},
    {"core.v1.PersistentVolumeSpec", volume_spec},
    {"storage.v1.StorageClass", storage_class},
};

}  // namespace

std::span<const CheckRow> storage_checks() { return rows; }

}  // namespace pila::cluster::kinds

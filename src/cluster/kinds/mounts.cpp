// SPDX-License-Identifier: Apache-2.0
// What containers mount, against the volumes of their pod.
#include <set>

#include "base/text.h"
#include "cluster/kinds/containers.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

struct Mounted {
    std::set<std::string_view> names, paths;
};

Mounted collect(const json::object& container, std::string_view list, std::string_view path) {
    Mounted mounted;
    each_object(list_at(container, list), [&](const json::object& entry, std::size_t) {
        mounted.names.insert(text_at(entry, "name"));
        mounted.paths.insert(text_at(entry, path));
    });
    return mounted;
}

void check_propagation(const json::object& mount, const json::object& container, const Path& path, Report& report) {
    const auto* security = object_at(container, "securityContext");
    if (text_at(mount, "mountPropagation") == "Bidirectional" && !(security && flag_at(*security, "privileged")))
        report.forbidden(path.field("mountPropagation"),
                         "Bidirectional mount propagation is available only to privileged containers");
    const auto recursive = text_at(mount, "recursiveReadOnly");
    if (recursive.empty() || recursive == "Disabled") return;
    if (!flag_at(mount, "readOnly"))
        report.forbidden(path.field("recursiveReadOnly"), "may only be specified when readOnly is true");
    const auto propagation = text_at(mount, "mountPropagation");
    if (!propagation.empty() && propagation != "None")
        report.forbidden(path.field("recursiveReadOnly"),
                         "may only be specified when mountPropagation is None or not specified");
}

void check_sub_paths(const json::object& mount, const json::object* volume, const Path& path, Report& report) {
    const auto plain = text_at(mount, "subPath"), expression = text_at(mount, "subPathExpr");
    const bool is_image = volume && has(*volume, "image");
    for (auto name : {"subPath", "subPathExpr"}) {
        const auto text = text_at(mount, name);
        if (text.empty()) continue;
        if (is_image) report.invalid(path.field(name), text, "not allowed in image volume sources");
        check_descending_path(text, path.field(name), report);
    }
    if (!plain.empty() && !expression.empty())
        report.invalid(path.field("subPathExpr"), expression, "subPathExpr and subPath are mutually exclusive");
}

// Pods of a stateful set have volumes that its template does not: those of its claims.
void check_is_known(std::string_view name, const Path& path, Report& report) {
    if (!report.is("apps", "StatefulSet")) report.not_found(path.field("name"), name);
}

void check_devices(const json::object& container, const PodContext& pod, const Mounted& mounts, const Path& path,
                   Report& report) {
    std::set<std::string_view> names, paths;
    each_object(list_at(container, "volumeDevices"), [&](const json::object& device, std::size_t i) {
        const Path at = path.item("volumeDevices", i);
        const auto name = text_at(device, "name"), place = text_at(device, "devicePath");
        const auto volume = pod.volumes.find(name);
        if (!names.insert(name).second) report.invalid(at.field("name"), name, "must be unique");
        if (volume == pod.volumes.end())
            check_is_known(name, at, report);
        else if (!has(*volume->second, "persistentVolumeClaim") && !has(*volume->second, "ephemeral"))
            report.invalid(at.field("name"), name,
                           "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode");
        if (!paths.insert(place).second) report.invalid(at.field("devicePath"), place, "must be unique");
        if (has_backsteps(place)) report.invalid(at.field("devicePath"), place, "can not contain backsteps ('..')");
        if (mounts.names.contains(name))
            report.invalid(at.field("name"), name, "must not already exist in volumeMounts");
        if (mounts.paths.contains(place))
            report.invalid(at.field("devicePath"), place, "must not already exist as a path in volumeMounts");
    });
}

}  // namespace

void check_descending_path(std::string_view text, const Path& path, Report& report) {
    if (text.starts_with('/')) report.invalid(path, text, "must be a relative path");
    if (has_backsteps(text)) report.invalid(path, text, "must not contain '..'");
}

void check_mounts(const json::object& container, const PodContext& pod, const Path& path, Report& report) {
    const auto devices = collect(container, "volumeDevices", "devicePath");
    std::set<std::string_view> places;
    each_object(list_at(container, "volumeMounts"), [&](const json::object& mount, std::size_t i) {
        const Path at = path.item("volumeMounts", i);
        const auto name = text_at(mount, "name"), place = text_at(mount, "mountPath");
        const auto volume = pod.volumes.find(name);
        if (volume == pod.volumes.end()) check_is_known(name, at, report);
        if (!places.insert(place).second) report.invalid(at.field("mountPath"), place, "must be unique");
        if (devices.names.contains(name))
            report.invalid(at.field("name"), name, "must not already exist in volumeDevices");
        if (devices.paths.contains(place))
            report.invalid(at.field("mountPath"), place, "must not already exist as a path in volumeDevices");
        check_sub_paths(mount, volume == pod.volumes.end() ? nullptr : volume->second, at, report);
        check_propagation(mount, container, at, report);
    });
    check_devices(container, pod, collect(container, "volumeMounts", "mountPath"), path, report);
}

}  // namespace pila::cluster::kinds

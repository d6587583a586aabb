// SPDX-License-Identifier: Apache-2.0
// Volumes of pods: exactly one source each, and what the sources may say.
#include <algorithm>
#include <limits>
#include <set>

#include "cluster/kinds/containers.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/resources.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void volume(const json::object& value, const Path& path, Report& report) {
    const auto name = text_at(value, "name");
    if (!name.empty()) report.each_invalid(path.field("name"), name, dns_label(name));
    std::string_view found;
    for (const auto& member : value) {
        if (member.key() == "name" || member.value().is_null()) continue;
        if (!found.empty()) report.forbidden(path.field(member.key()), "may not specify more than 1 volume type");
        found = member.key();
    }
    if (found.empty()) report.required(path, "must specify a volume type");
}

void check_mode(const json::object& value, std::string_view name, const Path& path, Report& report) {
    const auto mode = integer_at(value, name);
    if (mode && (*mode < 0 || *mode > 0777))
        report.invalid_number(path.field(name), *mode, "must be a number between 0 and 0777 (octal), both inclusive");
}

void files(const json::object& value, const Path& path, Report& report) {
    check_mode(value, "defaultMode", path, report);
}

void config_map(const json::object& value, const Path& path, Report& report) {
    if (text_at(value, "name").empty()) report.required(path.field("name"));
    files(value, path, report);
}

void secret(const json::object& value, const Path& path, Report& report) {
    if (text_at(value, "secretName").empty()) report.required(path.field("secretName"));
    files(value, path, report);
}

void key_to_path(const json::object& value, const Path& path, Report& report) {
    const auto place = text_at(value, "path");
    check_mode(value, "mode", path, report);
    check_descending_path(place, path.field("path"), report);
    if (place.starts_with("..") && !has_backsteps(place))
        report.invalid(path.field("path"), place, "must not start with '..'");
}

void downward_file(const json::object& value, const Path& path, Report& report) {
    key_to_path(value, path, report);
    const auto* reference = object_at(value, "fieldRef");
    const auto* resource = object_at(value, "resourceFieldRef");
    if (!reference && !resource) {
        report.required(path, "one of fieldRef and resourceFieldRef is required");
    } else if (reference && resource) {
        report.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
    } else if (resource) {
        if (text_at(*resource, "containerName").empty()) report.required(path.field("resourceFieldRef.containerName"));
    } else {
        const auto field = text_at(*reference, "fieldPath");
        const std::initializer_list<std::string_view> known{"metadata.annotations", "metadata.labels", "metadata.name",
                                                            "metadata.namespace", "metadata.uid"};
        const bool is_subscript = field.starts_with("metadata.labels[") || field.starts_with("metadata.annotations[");
        if (!field.empty() && !is_subscript && std::find(known.begin(), known.end(), field) == known.end())
            report.not_supported(path.field("fieldRef.fieldPath"), field, known);
    }
}

void host_path(const json::object& value, const Path& path, Report& report) {
    const auto place = text_at(value, "path");
    if (has_backsteps(place)) report.invalid(path.field("path"), place, "must not contain '..'");
}

void empty_dir(const json::object& value, const Path& path, Report& report) {
    if (const auto* size = find(value, "sizeLimit")) check_quantity("storage", *size, path.field("sizeLimit"), report);
    const auto medium = text_at(value, "medium");
    if (!medium.empty() && medium != "Memory" && medium != "HugePages" && !medium.starts_with("HugePages-"))
        report.not_supported(path.field("medium"), medium, {"", "HugePages", "Memory"});
}

void projected(const json::object& value, const Path& path, Report& report) {
    files(value, path, report);
    std::set<std::string> places;
    auto take = [&](std::string_view place, const Path& at) {
        if (!place.empty() && !places.emplace(place).second) report.invalid(at, place, "conflicting duplicate paths");
    };
    each_object(list_at(value, "sources"), [&](const json::object& source, std::size_t i) {
        const Path at = path.item("sources", i);
        const std::initializer_list<std::string_view> kinds{"secret", "configMap", "downwardAPI", "serviceAccountToken",
                                                            "clusterTrustBundle"};
        bool found = false;
        for (auto kind : kinds) {
            const auto* one = object_at(source, kind);
            if (!one) continue;
            if (found) report.forbidden(at.field(kind), "may not specify more than 1 volume type");
            found = true;
            take(text_at(*one, "path"), at.field(kind));
            each_object(list_at(*one, "items"),
                        [&](const json::object& item, std::size_t) { take(text_at(item, "path"), at.field(kind)); });
        }
        if (!found) report.required(at, "must specify a source");
    });
}

void named_projection(const json::object& value, const Path& path, Report& report) {
    if (text_at(value, "name").empty()) report.required(path.field("name"));
}

void account_token(const json::object& value, const Path& path, Report& report) {
    const auto seconds = integer_at(value, "expirationSeconds").value_or(3600);
    if (seconds < 600)
        report.invalid_number(path.field("expirationSeconds"), seconds,
                              "may not specify a duration less than 10 minutes");
    if (seconds > (std::int64_t{1} << 32))
        report.invalid_number(path.field("expirationSeconds"), seconds,
                              "may not specify a duration larger than 2^32 seconds");
    check_descending_path(text_at(value, "path"), path.field("path"), report);
}

void absolute_path(const json::object& value, const Path& path, Report& report) {
    const auto place = text_at(value, "path");
    if (!place.empty() && !place.starts_with('/'))
        report.invalid(path.field("path"), place, "must be an absolute path");
}

void ephemeral(const json::object& value, const Path& path, Report& report) {
    const auto* claim = object_at(value, "volumeClaimTemplate");
    if (!claim) return report.required(path.field("volumeClaimTemplate"));
    const auto* metadata = object_at(*claim, "metadata");
    if (!metadata) return;
    const Path at = path.field("volumeClaimTemplate.metadata");
    check_labels(*metadata, "labels", at.field("labels"), report);
    check_annotations(*metadata, "annotations", at.field("annotations"), report);
}

constexpr CheckRow rows[] = {
    {"core.v1.ConfigMapProjection", named_projection},
    {"core.v1.ConfigMapVolumeSource", config_map},
    {"core.v1.DownwardAPIVolumeFile", downward_file},
    {"core.v1.DownwardAPIVolumeSource", files},
    {"core.v1.EmptyDirVolumeSource", empty_dir},
    {"core.v1.EphemeralVolumeSource", ephemeral},
    {"core.v1.HostPathVolumeSource", host_path},
    {"core.v1.KeyToPath", key_to_path},
    {"core.v1.NFSVolumeSource", absolute_path},
    {"core.v1.ProjectedVolumeSource", projected},
    {"core.v1.SecretProjection", named_projection},
    {"core.v1.SecretVolumeSource", secret},
    {"core.v1.ServiceAccountTokenProjection", account_token},
    {"core.v1.Volume", volume},
};

}  // namespace

std::span<const CheckRow> volume_checks() { return rows; }

}  // namespace pila::cluster::kinds

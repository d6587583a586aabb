// SPDX-License-Identifier: Apache-2.0
// ConfigMaps, secrets, namespaces, nodes.
#include <set>

#include <boost/json/error.hpp>
#include <boost/json/parse.hpp>

#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"
#include "crypto/base64.h"

namespace pila::cluster::kinds {

namespace {

constexpr std::size_t most_bytes = 1U << 20;

std::size_t decoded_size(std::string_view base64) {
    auto size = base64.size() / 4 * 3;
    for (int i = 0; i < 2 && base64.ends_with('='); ++i, --size) base64.remove_suffix(1);
    return size;
}

std::size_t check_keys(const json::object& value, std::string_view name, bool is_base64, const Path& path,
                       Report& report) {
    const auto* data = object_at(value, name);
    std::size_t size = 0;
    if (!data) return size;
    for (const auto& entry : *data) {
        report.each_invalid(path.key(name, entry.key()), entry.key(), config_key(entry.key()));
        const auto text = text_of(entry.value());
        size += is_base64 ? decoded_size(text) : text.size();
    }
    return size;
}

void config_map(const json::object& value, const Path& path, Report& report) {
    const auto size =
        check_keys(value, "data", false, path, report) + check_keys(value, "binaryData", true, path, report);
    const auto *data = object_at(value, "data"), *binary = object_at(value, "binaryData");
    if (data && binary)
        for (const auto& entry : *data)
            if (binary->contains(entry.key()))
                report.invalid(path.key("data", entry.key()), entry.key(), "duplicate of key present in binaryData");
    if (size > most_bytes) report.too_long(path, most_bytes);
}

void check_docker_config(const json::object& data, std::string_view key, const Path& path, Report& report) {
    const Path at = path.key("data", key);
    if (!has(data, key)) return report.required(at);
    const auto text = crypto::base64_decode(text_at(data, key));
    boost::json::error_code failure;
    const auto parsed = text ? json::parse(*text, failure) : json::value();
    if (failure || !parsed.is_object())
        report.invalid(at, "<secret contents redacted>", failure ? "invalid JSON" : "must be a JSON object");
}

void secret(const json::object& value, const Path& path, Report& report) {
    if (check_keys(value, "data", true, path, report) > most_bytes) report.too_long(path.field("data"), most_bytes);
    static const json::object nothing;
    const auto* found = object_at(value, "data");
    const auto& data = found ? *found : nothing;
    const auto type = text_at(value, "type");
    auto need = [&](std::string_view key) {
        if (!data.contains(key)) report.required(path.key("data", key));
    };
    if (type == "kubernetes.io/dockerconfigjson") {
        check_docker_config(data, ".dockerconfigjson", path, report);
    } else if (type == "kubernetes.io/dockercfg") {
        check_docker_config(data, ".dockercfg", path, report);
    } else if (type == "kubernetes.io/tls") {
        need("tls.crt");
        need("tls.key");
    } else if (type == "kubernetes.io/ssh-auth") {
        if (text_at(data, "ssh-privatekey").empty()) report.required(path.key("data", "ssh-privatekey"));
    } else if (type == "kubernetes.io/basic-auth") {
        if (data.contains("username") || data.contains("password")) return;
        need("username");
        need("password");
    } else if (type == "kubernetes.io/service-account-token") {
        const auto* notes = object_at(value, "metadata.annotations");
        if (!notes || text_at(*notes, "kubernetes.io/service-account.name").empty())
            report.required(path.key("metadata.annotations", "kubernetes.io/service-account.name"));
    }
}

void name_space(const json::object& value, const Path& path, Report& report) {
    const auto* finalizers = list_at(value, "spec.finalizers");
    if (!finalizers) return;
    for (const auto& finalizer : *finalizers) {
        const auto name = text_of(finalizer);
        report.each_invalid(path.field("spec.finalizers"), name, qualified_name(name));
        if (name.find('/') == std::string_view::npos && name != "kubernetes" && name != "orphan" &&
            name != "foregroundDeletion")
            report.invalid(path.field("spec.finalizers"), name,
                           "name is neither a standard finalizer name nor is it fully qualified");
    }
}

void node_spec(const json::object& value, const Path& path, Report& report) {
    std::set<std::pair<std::string_view, std::string_view>> taints;
    each_object(list_at(value, "taints"), [&](const json::object& taint, std::size_t i) {
        if (!taints.emplace(text_at(taint, "key"), text_at(taint, "effect")).second)
            report.duplicate(path.item("taints", i), json::value(taint));
    });
    const auto* ranges = list_at(value, "podCIDRs");
    for (std::size_t i = 0; ranges && i < ranges->size(); ++i)
        if (const auto range = text_of((*ranges)[i]); !is_cidr(range))
            report.invalid(path.item("podCIDRs", i), range, not_a_cidr);
    if (ranges && ranges->size() > 2)
        report.invalid(path.field("podCIDRs"), json::value(*ranges),
                       "may specify no more than one CIDR for each IP family");
}

constexpr CheckRow rows[] = {
    {"core.v1.ConfigMap", config_map},
    {"core.v1.Namespace", name_space},
    {"core.v1.NodeSpec", node_spec},
    {"core.v1.Secret", secret},
};

}  // namespace

std::span<const CheckRow> configuration_checks() { return rows; }

}  // namespace pila::cluster::kinds

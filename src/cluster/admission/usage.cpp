// SPDX-License-Identifier: Apache-2.0
#include "cluster/admission/usage_internal.h"

#include <set>

#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/codec/codec.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

constexpr std::string_view pods = "core/pods", services = "core/services", claims = "core/persistentvolumeclaims";
constexpr std::string_view class_suffix = ".storageclass.storage.k8s.io/";
constexpr std::string_view by_short_name[] = {"pods",    "services",   "replicationcontrollers", "resourcequotas",
                                              "secrets", "configmaps", "persistentvolumeclaims"};
constexpr std::string_view of_containers[] = {"cpu",        "memory",       "requests.cpu", "requests.memory",
                                              "limits.cpu", "limits.memory"};

codec::Quantity number(std::int64_t count) { return codec::Quantity::of_milli(count * 1000); }

// "count/deployments.apps"
std::string count_name(std::string_view collection) {
    auto slash = collection.find('/');
    auto group = collection.substr(0, slash), plural = collection.substr(slash + 1);
    std::string name = "count/" + std::string(plural);
    if (group != "core") name.append(".").append(group);
    return name;
}

bool has_short_name(std::string_view collection) {
    if (!collection.starts_with("core/")) return false;
    auto plural = collection.substr(5);
    return std::find(std::begin(by_short_name), std::end(by_short_name), plural) != std::end(by_short_name);
}

bool is_extended(std::string_view name) {
    return name.find('/') != name.npos && name.find("kubernetes.io/") == name.npos && !name.starts_with("requests.");
}

Amounts counted(const Amounts& requests, const Amounts& limits) {
    Amounts result;
    for (std::string_view name : {"cpu", "memory", "ephemeral-storage"}) {
        if (const auto* request = find_amount(requests, name)) {
            result[std::string(name)] = *request;
            result["requests." + std::string(name)] = *request;
        }
        if (const auto* limit = find_amount(limits, name)) result["limits." + std::string(name)] = *limit;
    }
    for (const auto& [name, request] : requests) {
        bool is_huge = name.starts_with("hugepages-");
        if (is_huge) result[name] = request;
        if (is_huge || is_extended(name)) result["requests." + name] = request;
    }
    return result;
}

// A pod that has ended, or that should have by now, takes nothing of its node.
bool takes_resources(const json::object& pod, std::int64_t now) {
    const auto *status = kinds::object_at(pod, "status"), *metadata = kinds::object_at(pod, "metadata");
    auto phase = status ? kinds::text_at(*status, "phase") : std::string_view();
    if (phase == "Succeeded" || phase == "Failed") return false;
    auto grace = metadata ? kinds::integer_at(*metadata, "deletionGracePeriodSeconds") : std::nullopt;
    if (!grace) return true;
    auto deleted = codec::parse_time(kinds::text_at(*metadata, "deletionTimestamp"));
    return !deleted || *deleted + *grace * 1'000'000 >= now;
}

void count_pod(Amounts& result, const json::object& pod, std::int64_t now) {
    if (!takes_resources(pod, now)) return;
    result["pods"] = number(1);
    const auto* spec = kinds::object_at(pod, "spec");
    if (!spec) return;
    add(result, counted(pod_amounts(*spec, "requests", Overhead::With), pod_amounts(*spec, "limits", Overhead::With)));
}

void count_service(Amounts& result, const json::object& service) {
    const auto* spec = kinds::object_at(service, "spec");
    auto type = spec ? kinds::text_at(*spec, "type") : std::string_view();
    if (type != "NodePort" && type != "LoadBalancer") return;
    std::int64_t all = 0, given = 0;
    kinds::each_object(kinds::list_at(*spec, "ports"), [&](const json::object& port, std::size_t) {
        ++all;
        given += kinds::integer_at(port, "nodePort").value_or(0) != 0;
    });
    if (type == "LoadBalancer") result["services.loadbalancers"] = number(1);
    const auto* allocates = kinds::find(*spec, "allocateLoadBalancerNodePorts");
    bool takes_given = type == "LoadBalancer" && allocates && allocates->is_bool() && !allocates->get_bool();
    result["services.nodeports"] = number(takes_given ? given : all);
}

void count_claim(Amounts& result, const json::object& claim) {
    const auto* spec = kinds::object_at(claim, "spec");
    const auto* metadata = kinds::object_at(claim, "metadata");
    const auto* annotations = metadata ? kinds::object_at(*metadata, "annotations") : nullptr;
    auto name = annotations ? kinds::text_at(*annotations, "volume.beta.kubernetes.io/storage-class") : "";
    if (name.empty() && spec) name = kinds::text_at(*spec, "storageClassName");
    const auto requests = amounts_of(spec ? kinds::object_at(*spec, "resources.requests") : nullptr);
    const auto allocated = amounts_of(kinds::object_at(claim, "status.allocatedResources"));
    const auto *wanted = find_amount(requests, "storage"), *has = find_amount(allocated, "storage");
    if (has && (!wanted || *wanted < *has)) wanted = has;
    if (wanted) result["requests.storage"] = *wanted;
    if (name.empty()) return;
    auto prefix = std::string(name) + std::string(class_suffix);
    result[prefix + "persistentvolumeclaims"] = number(1);
    if (wanted) result[prefix + "requests.storage"] = *wanted;
}

}  // namespace

std::string_view collection_of(std::string_view key) {
    auto slash = key.find('/');
    return key.substr(0, slash == key.npos ? slash : key.find('/', slash + 1));
}

Amounts usage_of(std::string_view collection, const json::object& object, std::int64_t now) {
    Amounts result;
    result[count_name(collection)] = number(1);
    if (collection == pods) {
        count_pod(result, object, now);
        return result;
    }
    if (has_short_name(collection)) result[std::string(collection.substr(5))] = number(1);
    if (collection == services) count_service(result, object);
    if (collection == claims) count_claim(result, object);
    return result;
}

bool is_counted_by(std::string_view resource, std::string_view collection) {
    return collection_counted_by(resource) == collection;
}

std::string collection_counted_by(std::string_view resource) {
    if (resource.starts_with("count/")) {
        auto name = resource.substr(6);
        auto dot = name.find('.');
        if (name == "events" || name == "events.events.k8s.io") return {};  // which come and go by themselves
        if (dot == name.npos) return "core/" + std::string(name);
        return std::string(name.substr(dot + 1)) + "/" + std::string(name.substr(0, dot));
    }
    if (resource.starts_with("services.")) return std::string(services);
    if (resource == "requests.storage" || resource.find(class_suffix) != resource.npos) return std::string(claims);
    for (auto name : by_short_name)
        if (name == resource) return "core/" + std::string(name);
    bool is_of_pods = resource == "cpu" || resource == "memory" || resource == "ephemeral-storage" ||
                      resource.starts_with("requests.") || resource.starts_with("limits.") ||
                      resource.starts_with("hugepages-");
    return is_of_pods ? std::string(pods) : std::string();
}

std::string missing_amounts(const Amounts& hard, const json::object& pod) {
    std::map<std::string, std::set<std::string>> missing;
    for (auto list : {"spec.containers", "spec.initContainers"})
        kinds::each_object(kinds::list_at(pod, list), [&](const json::object& container, std::size_t) {
            auto given = counted(amounts_of(kinds::object_at(container, "resources.requests")),
                                 amounts_of(kinds::object_at(container, "resources.limits")));
            for (auto name : of_containers)
                if (hard.contains(name) && !given.contains(name))
                    missing[std::string(name)].emplace(kinds::text_at(container, "name"));
        });
    std::string text;
    for (const auto& [name, containers] : missing)
        text += (text.empty() ? "must specify " : "; ") + name +
                " for: " + join({containers.begin(), containers.end()}, ",");
    return text;
}

}  // namespace pila::cluster::admission

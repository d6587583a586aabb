// SPDX-License-Identifier: Apache-2.0
#include "cluster/discovery/groups_internal.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "base/text.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::discovery {

namespace {

// Clients take the first group that has a name as the one meant: `events`, `ingresses`.
constexpr std::array<std::string_view, 20> group_order = {"",
                                                          "apiregistration.k8s.io",
                                                          "apps",
                                                          "events.k8s.io",
                                                          "authentication.k8s.io",
                                                          "authorization.k8s.io",
                                                          "autoscaling",
                                                          "batch",
                                                          "certificates.k8s.io",
                                                          "networking.k8s.io",
                                                          "policy",
                                                          "rbac.authorization.k8s.io",
                                                          "storage.k8s.io",
                                                          "admissionregistration.k8s.io",
                                                          "apiextensions.k8s.io",
                                                          "scheduling.k8s.io",
                                                          "coordination.k8s.io",
                                                          "node.k8s.io",
                                                          "discovery.k8s.io",
                                                          "flowcontrol.apiserver.k8s.io"};

std::size_t group_rank(std::string_view name) {
    return static_cast<std::size_t>(std::find(group_order.begin(), group_order.end(), name) - group_order.begin());
}

// v2 is {2, 2, 0}, v1beta3 {1, 1, 3}: the greater is the better. Others: {-1}.
std::tuple<int, std::uint64_t, std::uint64_t> version_rank(std::string_view version) {
    constexpr std::tuple<int, std::uint64_t, std::uint64_t> other = {-1, 0, 0};
    if (!version.starts_with('v')) return other;
    version.remove_prefix(1);
    auto major = parse_uint(version.substr(0, version.find_first_not_of("0123456789")));
    if (!major) return other;
    auto rest = version.find_first_not_of("0123456789");
    if (rest == version.npos) return {2, *major, 0};
    version.remove_prefix(rest);
    for (auto [stage, rank] : {std::pair<std::string_view, int>{"beta", 1}, {"alpha", 0}}) {
        if (!version.starts_with(stage)) continue;
        if (auto minor = parse_uint(version.substr(stage.size()))) return {rank, *major, *minor};
    }
    return other;
}

std::string_view package_of(std::string_view full_name) { return full_name.substr(0, full_name.rfind('.')); }

// Package of types to the group version whose kinds live there.
const std::map<std::string_view, schema::GroupVersion>& packages() {
    static const auto known = [] {
        std::map<std::string_view, schema::GroupVersion> made;
        for (const auto& kind : schema::Catalogue::builtin().kinds())
            made[package_of(kind.type->full_name)] = kind.group_version;
        made["io.k8s.apimachinery.pkg.apis.meta.v1"] = {"", "v1"};
        return made;
    }();
    return known;
}

// Objects that are no kinds of their own, by name: Scale, Eviction, TokenRequest.
const std::map<std::string_view, const schema::Type*>& object_types() {
    static const auto known = [] {
        std::map<std::string_view, const schema::Type*> made;
        for (const auto& type : schema::Catalogue::builtin().types())
            if (type.is_object) made.emplace(type.name, &type);
        return made;
    }();
    return known;
}

}  // namespace

std::string Version::path() const { return (group_version.group.empty() ? "/api/" : "/apis/") + group_version.text(); }

bool is_better_version(std::string_view left, std::string_view right) {
    auto left_rank = version_rank(left);
    auto right_rank = version_rank(right);
    return left_rank != right_rank ? left_rank > right_rank : left < right;
}

std::vector<Group> group_kinds(const std::vector<const schema::Kind*>& kinds) {
    std::vector<Group> groups;
    for (const auto* kind : kinds) {
        const auto& wanted = kind->group_version;
        auto group =
            std::find_if(groups.begin(), groups.end(), [&](const Group& has) { return has.name == wanted.group; });
        if (group == groups.end()) group = groups.insert(groups.end(), {wanted.group, {}});
        auto& versions = group->versions;
        auto version = std::find_if(versions.begin(), versions.end(),
                                    [&](const Version& has) { return has.group_version == wanted; });
        if (version == versions.end()) version = versions.insert(versions.end(), {wanted, {}});
        version->kinds.push_back(kind);
    }
    std::sort(groups.begin(), groups.end(), [](const Group& left, const Group& right) {
        auto left_rank = group_rank(left.name);
        auto right_rank = group_rank(right.name);
        return left_rank != right_rank ? left_rank < right_rank : left.name < right.name;
    });
    for (auto& group : groups) {
        std::sort(group.versions.begin(), group.versions.end(), [](const Version& left, const Version& right) {
            return is_better_version(left.group_version.version, right.group_version.version);
        });
        for (auto& version : group.versions)
            std::sort(version.kinds.begin(), version.kinds.end(),
                      [](const schema::Kind* left, const schema::Kind* right) { return left->plural < right->plural; });
    }
    return groups;
}

const schema::GroupVersion* group_version_of(const schema::Type& type) {
    auto found = packages().find(package_of(type.full_name));
    return found == packages().end() ? nullptr : &found->second;
}

NamedKind kind_of(const schema::Kind& parent, const schema::Subresource& subresource) {
    if (subresource.kind.empty() || subresource.kind == parent.name)
        return {parent.group_version, parent.name, parent.type};
    auto found = object_types().find(subresource.kind);
    if (found == object_types().end()) return {parent.group_version, subresource.kind, nullptr};
    const auto* group_version = group_version_of(*found->second);
    return {group_version ? *group_version : parent.group_version, subresource.kind, found->second};
}

}  // namespace pila::cluster::discovery

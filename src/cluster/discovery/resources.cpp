// SPDX-License-Identifier: Apache-2.0
#include "cluster/discovery/resources_internal.h"

#include "cluster/discovery/json_writer_internal.h"

namespace pila::cluster::discovery {

namespace {

void write_version_pair(JsonWriter& json, const schema::GroupVersion& group_version) {
    json.begin('{').member("groupVersion", group_version.text()).member("version", group_version.version).end('}');
}

void write_group_body(JsonWriter& json, const Group& group) {
    json.member("name", group.name).key("versions").begin('[');
    for (const auto& version : group.versions) write_version_pair(json, version.group_version);
    json.end(']').key("preferredVersion");
    write_version_pair(json, group.versions.front().group_version);
}

void write_subresource_row(JsonWriter& json, const schema::Kind& kind, const schema::Subresource& subresource) {
    auto body = kind_of(kind, subresource);
    json.begin('{').member("name", kind.plural + "/" + subresource.name).member("singularName", "");
    json.key("namespaced").boolean(kind.is_namespaced);
    if (body.group_version != kind.group_version) {
        if (!body.group_version.group.empty()) json.member("group", body.group_version.group);
        json.member("version", body.group_version.version);
    }
    json.member("kind", body.name).member_list("verbs", subresource.verbs).end('}');
}

void write_response_kind(JsonWriter& json, const schema::GroupVersion& group_version, std::string_view kind) {
    json.key("responseKind").begin('{').member("group", group_version.group);
    json.member("version", group_version.version).member("kind", kind).end('}');
}

void write_aggregated_kind(JsonWriter& json, const schema::Kind& kind) {
    json.begin('{').member("resource", kind.plural);
    write_response_kind(json, kind.group_version, kind.name);
    json.member("scope", kind.is_namespaced ? "Namespaced" : "Cluster").member("singularResource", kind.singular);
    json.member_list("verbs", kind.verbs);
    if (!kind.short_names.empty()) json.member_list("shortNames", kind.short_names);
    if (!kind.categories.empty()) json.member_list("categories", kind.categories);
    if (!kind.subresources.empty()) {
        json.key("subresources").begin('[');
        for (const auto& subresource : kind.subresources) {
            auto body = kind_of(kind, subresource);
            json.begin('{').member("subresource", subresource.name);
            write_response_kind(json, body.group_version, body.name);
            json.member_list("verbs", subresource.verbs).end('}');
        }
        json.end(']');
    }
    json.end('}');
}

}  // namespace

std::string write_api_versions(const std::vector<Group>& groups, std::string_view address) {
    JsonWriter json;
    json.begin('{').member("kind", "APIVersions").key("versions").begin('[');
    for (const auto& group : groups)
        if (group.name.empty())
            for (const auto& version : group.versions) json.text(version.group_version.version);
    json.end(']').key("serverAddressByClientCIDRs").begin('[');
    if (!address.empty()) json.begin('{').member("clientCIDR", "0.0.0.0/0").member("serverAddress", address).end('}');
    return json.end(']').end('}').take();
}

std::string write_group_list(const std::vector<Group>& groups) {
    JsonWriter json;
    json.begin('{').member("kind", "APIGroupList").member("apiVersion", "v1").key("groups").begin('[');
    for (const auto& group : groups) {
        if (group.name.empty()) continue;
        json.begin('{');
        write_group_body(json, group);
        json.end('}');
    }
    return json.end(']').end('}').take();
}

std::string write_group(const Group& group) {
    JsonWriter json;
    json.begin('{').member("kind", "APIGroup").member("apiVersion", "v1");
    write_group_body(json, group);
    return json.end('}').take();
}

std::string write_resource_list(const Version& version) {
    JsonWriter json;
    json.begin('{').member("kind", "APIResourceList").member("apiVersion", "v1");
    json.member("groupVersion", version.group_version.text()).key("resources").begin('[');
    for (const auto* kind : version.kinds) {
        json.begin('{').member("name", kind->plural).member("singularName", kind->singular);
        json.key("namespaced").boolean(kind->is_namespaced);
        json.member("kind", kind->name).member_list("verbs", kind->verbs);
        if (!kind->short_names.empty()) json.member_list("shortNames", kind->short_names);
        if (!kind->categories.empty()) json.member_list("categories", kind->categories);
        json.end('}');
        for (const auto& subresource : kind->subresources) write_subresource_row(json, *kind, subresource);
    }
    return json.end(']').end('}').take();
}

std::string write_aggregated(const std::vector<Group>& groups, bool core, std::string_view version) {
    JsonWriter json;
    json.begin('{').member("kind", "APIGroupDiscoveryList");
    json.member("apiVersion", "apidiscovery.k8s.io/" + std::string(version));
    json.key("metadata").raw("{}").key("items").begin('[');
    for (const auto& group : groups) {
        if (group.name.empty() != core) continue;
        json.begin('{').key("metadata").begin('{');
        if (!core) json.member("name", group.name);
        json.key("creationTimestamp").raw("null").end('}').key("versions").begin('[');
        for (const auto& has : group.versions) {
            json.begin('{').member("version", has.group_version.version).key("resources").begin('[');
            for (const auto* kind : has.kinds) write_aggregated_kind(json, *kind);
            json.end(']').member("freshness", "Current").end('}');
        }
        json.end(']').end('}');
    }
    return json.end(']').end('}').take();
}

}  // namespace pila::cluster::discovery

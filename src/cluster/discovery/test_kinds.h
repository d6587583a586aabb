// SPDX-License-Identifier: Apache-2.0
#pragma once
// Kinds for tests: all built-in ones, and a custom one as a definition with a schema makes it.

#include <string>
#include <vector>

#include "cluster/schema/catalogue.h"

namespace pila::cluster::discovery {

inline std::vector<const schema::Kind*> builtin_kinds() {
    std::vector<const schema::Kind*> kinds;
    for (const auto& kind : schema::Catalogue::builtin().kinds()) kinds.push_back(&kind);
    return kinds;
}

// stable.example.com/v1 CronTab {spec: {cron, replicas = 1, port (int or string), pod (embedded), free (anything)}}
struct CustomKind {
    schema::Type embedded, spec, type;
    schema::Node text{schema::Form::String};
    schema::Kind kind;

    CustomKind() {
        embedded.is_object = true;
        embedded.fields = {field("kind", schema::Form::String)};
        auto pod = message("pod", embedded);
        pod.node.keeps_unknown = true;
        auto cron = field("cron", schema::Form::String);
        cron.required = true;
        cron.description = "When it runs";
        auto replicas = field("replicas", schema::Form::Int64);
        replicas.default_json = "1";
        auto tags = field("tags", schema::Form::List);
        tags.node.items = &text;
        tags.list = schema::ListKind::Set;
        auto note = field("note", schema::Form::String);
        note.node.nullable = true;
        spec.fields = {cron, field("free", schema::Form::Any),         note,
                       pod,  field("port", schema::Form::IntOrString), replicas,
                       tags};
        type.is_object = true;
        type.name = "CronTab";
        type.description = "A table of jobs";
        type.fields = {message("spec", spec)};
        kind.group_version = {"stable.example.com", "v1"};
        kind.name = "CronTab";
        kind.plural = "crontabs";
        kind.singular = "crontab";
        kind.short_names = {"ct"};
        kind.is_namespaced = true;
        kind.verbs = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};
        kind.subresources = {{"scale", {"get", "patch", "update"}, "Scale"},
                             {"status", {"get", "patch", "update"}, ""}};
        kind.type = &type;
    }
    CustomKind(const CustomKind&) = delete;

private:
    static schema::Field field(const char* name, schema::Form form) {
        schema::Field made;
        made.name = name;
        made.node.form = form;
        return made;
    }
    static schema::Field message(const char* name, const schema::Type& type) {
        auto made = field(name, schema::Form::Message);
        made.node.type = &type;
        return made;
    }
};

}  // namespace pila::cluster::discovery

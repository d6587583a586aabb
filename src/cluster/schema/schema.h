// SPDX-License-Identifier: Apache-2.0
#pragma once
// What objects of the cluster look like: types, fields, kinds. One description serves defaulting, validation, pruning,
// patches, apply, tables, discovery, OpenAPI and protobuf. Built-in kinds come from the files in data/ (catalogue.h),
// custom ones from the schemas of their definitions: the same nodes, so the same code walks both.
// Threads: any; nothing changes once it is made.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pila::cluster::schema {

// The form of a value. Scalars are what JSON shows; the comment says more where protobuf differs.
enum class Form : std::uint8_t {
    String,
    Int32,
    Int64,
    Double,
    Bool,
    Bytes,        // base64 text; raw bytes in protobuf
    Quantity,     // "100m", or a number; {1 string}
    IntOrString,  // {1 type (0 integer, 1 string), 2 integer, 3 string}
    Time,         // RFC 3339 with seconds; {1 seconds, 2 nanoseconds}
    MicroTime,    // RFC 3339 with microseconds; alike
    Fields,       // FieldsV1 of managedFields, any object; {1 JSON}
    Any,          // whatever JSON has
    Object,       // any object; protobuf: RawExtension {1 JSON}
    List,
    Map,      // from any string to `items`
    Message,  // the fields of `type`
    // What a custom resource definition uses within its schema, unions of JSON that protobuf spells out:
    RawJson,          // {1 JSON}
    SchemaOrArray,    // {1 schema, 2 schemas}
    SchemaOrBool,     // {1 allows, 2 schema}
    SchemaOrStrings,  // {1 schema, 2 strings}
};

struct Type;
struct Constraints;  // of custom schemas: constraints.h

struct Node {
    Form form = Form::Any;
    bool nullable = false;        // an explicit null is kept
    bool keeps_unknown = false;   // Message: fields that `type` does not have stay
    const Node* items = nullptr;  // List, Map
    const Type* type = nullptr;   // Message
    const Constraints* constraints = nullptr;
};

enum class ListKind : std::uint8_t { Atomic, Set, Map };  // how apply merges a list

struct Field {
    std::string name;
    std::string description;
    Node node;
    bool pointer = false;  // protobuf: a zero is a value, not "unset"
    bool required = false;
    bool atomic = false;  // apply takes map or message as one value
    bool merges = false;  // strategic merge: patchStrategy "merge"
    bool retains_keys = false;
    bool replaces = false;  // strategic merge: patchStrategy "replace"
    ListKind list = ListKind::Atomic;
    std::vector<std::string> list_keys;  // ListKind::Map
    std::string merge_key;               // strategic merge of objects; "" of scalars
    std::string default_json;            // "": none; `{}` says that the field is always there
    std::vector<std::string> allowed;    // closed set of strings; empty: any
    // Protobuf: the field's number; for a field of a message that JSON folds into this one, that message's number
    // first. 0, 0: not part of protobuf.
    std::array<std::uint16_t, 2> number{};
    bool folded_twice =
        false;  // message 2 within message 2 (rules of webhooks): number[0] is 2, number[1] the innermost

    bool is_folded() const { return number[1] != 0; }
};

struct Type {
    std::string name;       // PodSpec
    std::string full_name;  // io.k8s.api.core.v1.PodSpec
    std::string description;
    std::vector<Field> fields;  // by name
    bool atomic = false;        // apply takes it as one value wherever it stands
    bool is_object = false;     // has apiVersion, kind, metadata

    const Field* find(std::string_view field) const;
};

struct GroupVersion {
    std::string group;  // "": the core group
    std::string version;
    std::string text() const { return group.empty() ? version : group + "/" + version; }
    bool operator==(const GroupVersion&) const = default;
};

struct Subresource {
    std::string name;
    std::vector<std::string> verbs;
    std::string kind;  // of its own bodies, or "": the parent's
};

// One column of a table. Where the cell comes from: a path of the object with what to say if nothing is there, the age
// of a time, the length of a list or map, or code known by name.
struct Column {
    enum class Source : std::uint8_t { Path, Age, Length, Code };
    std::string name, type, format;
    int priority = 0;
    Source source = Source::Path;
    std::string path;  // dotted; Code: the name
    std::string otherwise;
};

// What only kinds of definitions have; one for each version (cluster/custom).
struct Custom {
    const Constraints* constraints = nullptr;
    std::string storage_version;  // of the bytes that are stored
    std::string list_kind;
    std::string deprecation;  // a warning to every client; "": none
    // Of the scale subresource, dotted: "spec.replicas"
    std::string wanted_replicas, counted_replicas, selector;
    std::vector<std::string> selectable;      // by field selectors in this version, dotted
    std::vector<std::string> all_selectable;  // in any version: what is kept beside an object's bytes
    bool is_going = false;                    // its definition is being deleted
};

struct Kind {
    GroupVersion group_version;
    std::string name;  // Pod
    std::string plural, singular;
    std::vector<std::string> short_names, categories, verbs;
    bool is_namespaced = false;
    std::vector<Subresource> subresources;
    std::vector<Column> columns;  // empty: Name and Age
    const Type* type = nullptr;
    const Custom* custom = nullptr;  // null: built in
    const Kind* stored = nullptr;    // another shape of that kind's objects (cluster/convert); null: of its own

    const Subresource* find_subresource(std::string_view subresource) const;
    bool has_verb(std::string_view verb) const;
    std::string list_kind() const { return custom ? custom->list_kind : name + "List"; }
    // "pods", "deployments.apps": how errors name it
    std::string resource() const { return group_version.group.empty() ? plural : plural + "." + group_version.group; }
};

}  // namespace pila::cluster::schema

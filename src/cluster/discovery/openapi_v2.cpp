// SPDX-License-Identifier: Apache-2.0
#include "cluster/discovery/openapi_internal.h"

namespace pila::cluster::discovery {

namespace {

void write_parameter(JsonWriter& json, const Parameter& parameter) {
    json.begin('{').member("name", parameter.name).member("in", parameter.in).member("type", parameter.type);
    json.member("description", parameter.description).key("uniqueItems").boolean(true);
    if (parameter.in == "path") json.key("required").boolean(true);
    json.end('}');
}

void write_parameters(JsonWriter& json, const std::vector<std::string_view>& keys, const std::string& body,
                      bool inline_all, bool must_have_body) {
    json.key("parameters").begin('[');
    if (!body.empty()) {
        json.begin('{').member("name", "body").member("in", "body").key("schema");
        write_ref(json, body, Dialect::V2);
        if (must_have_body) json.key("required").boolean(true);
        json.end('}');
    }
    for (auto key : keys) {
        if (inline_all)
            write_parameter(json, parameter(key));
        else
            json.begin('{').member("$ref", std::string("#/parameters/").append(key)).end('}');
    }
    json.end(']');
}

void write_operation(JsonWriter& json, const Operation& operation, const Path& path, bool custom) {
    bool is_patch = operation.action == "patch";
    json.key(operation.method).begin('{');
    write_operation_head(json, operation, path);
    if (is_patch) json.member_list("consumes", patch_types(custom));
    // A reader need not follow references to see what a PATCH takes.
    write_parameters(json, operation.parameters, operation.body, is_patch, operation.method != "delete");
    json.key("responses").begin('{');
    for (auto code : codes_of(operation)) {
        json.key(code).begin('{');
        json.member("description", code == "200" ? "OK" : code == "201" ? "Created" : "Accepted").key("schema");
        if (operation.result.empty())
            json.raw(R"({"type":"string"})");
        else
            write_ref(json, operation.result, Dialect::V2);
        json.end('}');
    }
    json.end('}').end('}');
}

}  // namespace

std::string write_openapi_v2(const std::vector<Group>& groups, std::string_view title_version) {
    JsonWriter json;
    json.begin('{').member("swagger", "2.0").key("info").begin('{');
    json.member("title", "Kubernetes").member("version", title_version).end('}');
    constexpr std::string_view types =
        R"(["application/json","application/yaml","application/vnd.kubernetes.protobuf"])";
    json.key("consumes").raw(types).key("produces").raw(types);
    json.key("paths").begin('{');
    for (const auto& group : groups)
        for (const auto& version : group.versions)
            for (const auto& path : paths_of(version)) {
                json.key(path.path).begin('{');
                write_parameters(json, path.parameters, "", false, false);
                for (const auto& operation : path.operations)
                    write_operation(json, operation, path, is_custom(version));
                json.end('}');
            }
    json.end('}').key("definitions").begin('{');
    auto definitions = define_all(groups);
    for (const auto& [name, shape] : definitions.all()) {
        json.key(name);
        write_shape(json, shape, Dialect::V2);
    }
    json.end('}').key("parameters").begin('{');
    for (const auto& parameter : parameters()) {
        json.key(parameter.key);
        write_parameter(json, parameter);
    }
    return json.end('}').end('}').take();
}

}  // namespace pila::cluster::discovery

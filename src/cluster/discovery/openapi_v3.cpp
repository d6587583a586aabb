// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "cluster/discovery/openapi_internal.h"

namespace pila::cluster::discovery {

namespace {

class V3Writer {
public:
    explicit V3Writer(const Version& version) : version_(version), custom_(is_custom(version)) {}

    std::string write(std::string_view title_version) {
        json_.begin('{').member("openapi", "3.0.0").key("info").begin('{');
        json_.member("title", "Kubernetes").member("version", title_version).end('}').key("paths").begin('{');
        for (const auto& path : paths_of(version_)) write_path(path);
        json_.end('}').key("components").begin('{').key("schemas").begin('{');
        Definitions definitions;
        definitions.add_version(version_);
        for (const auto& [name, shape] : definitions.all()) {
            json_.key(name);
            write_shape(json_, shape, Dialect::V3);
        }
        json_.end('}').key("parameters").begin('{');
        for (auto key : used_) write_parameter(json_.key(key), parameter(key));
        json_.end('}').key("requestBodies").begin('{').key("patch").begin('{').key("content").begin('{');
        for (auto type : patch_types(custom_)) write_content(type, patch_name);
        json_.end('}').key("required").boolean(true).end('}').end('}').end('}').end('}');
        return json_.take();
    }

private:
    static void write_parameter(JsonWriter& json, const Parameter& parameter) {
        json.begin('{').member("name", parameter.name).member("in", parameter.in);
        json.member("description", parameter.description);
        if (parameter.in == "path") json.key("required").boolean(true);
        json.key("schema").begin('{').member("type", parameter.type).end('}').end('}');
    }

    // By name what many operations have. But clients look for `fieldValidation` among the parameters of a PATCH, and do
    // not follow references there.
    void write_parameters(const std::vector<std::string_view>& keys, bool inline_all) {
        if (keys.empty()) return;
        json_.key("parameters").begin('[');
        for (auto key : keys) {
            if (inline_all) {
                json_.begin('{').member("name", parameter(key).name).member("in", parameter(key).in);
                json_.key("schema").begin('{').member("type", parameter(key).type).end('}').end('}');
                continue;
            }
            used_.insert(key);
            json_.begin('{').member("$ref", std::string("#/components/parameters/").append(key)).end('}');
        }
        json_.end(']');
    }

    void write_path(const Path& path) {
        json_.key(path.path).begin('{');
        write_parameters(path.parameters, false);
        for (const auto& operation : path.operations) {
            json_.key(operation.method).begin('{');
            write_operation_head(json_, operation, path);
            write_parameters(operation.parameters, operation.action == "patch");
            if (operation.action == "patch") {
                json_.key("requestBody").raw(R"({"$ref":"#/components/requestBodies/patch"})");
            } else if (!operation.body.empty()) {
                json_.key("requestBody").begin('{').key("content").begin('{');
                write_content("*/*", operation.body);
                json_.end('}');
                if (operation.method != "delete") json_.key("required").boolean(true);
                json_.end('}');
            }
            write_responses(operation);
            json_.end('}');
        }
        json_.end('}');
    }

    void write_responses(const Operation& operation) {
        json_.key("responses").begin('{');
        for (auto code : codes_of(operation)) {
            json_.key(code).begin('{').member("description", code == "200"   ? "OK"
                                                             : code == "201" ? "Created"
                                                                             : "Accepted");
            json_.key("content").begin('{');
            if (operation.result.empty()) {
                json_.raw(R"("*/*":{"schema":{"type":"string"}})");
            } else {
                write_content("application/json", operation.result);
                write_content("application/yaml", operation.result);
                if (!custom_) write_content("application/vnd.kubernetes.protobuf", operation.result);
            }
            json_.end('}').end('}');
        }
        json_.end('}');
    }

    void write_content(std::string_view type, std::string_view definition) {
        json_.key(type).begin('{').key("schema");
        write_ref(json_, definition, Dialect::V3);
        json_.end('}');
    }

    const Version& version_;
    bool custom_;
    JsonWriter json_;
    std::set<std::string_view> used_;
};

}  // namespace

std::string write_openapi_v3(const Version& version, std::string_view title_version) {
    return V3Writer(version).write(title_version);
}

}  // namespace pila::cluster::discovery

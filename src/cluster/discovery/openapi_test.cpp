// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <map>
#include <set>

#include <boost/json.hpp>

#include "base/json.h"
#include "cluster/discovery/documents.h"
#include "cluster/discovery/groups_internal.h"
#include "cluster/discovery/test_kinds.h"

using namespace pila::cluster;
using namespace pila::cluster::discovery;
namespace json = boost::json;

namespace {

json::value read(const Documents& documents, std::string_view path) {
    auto document = documents.at(path);
    REQUIRE_MESSAGE(document, path);
    auto parsed = pila::parse_json(document->content);
    REQUIRE_MESSAGE(parsed.ok(), path);
    return parsed.take();
}

std::string text(const json::value& value) { return std::string(value.as_string()); }

const json::value* find(const json::value& document, std::string_view pointer) {
    json::error_code error;
    return document.find_pointer(pointer, error);
}

// Every {"$ref": "#/..."} below `value` is in `document`.
void check_refs(const json::value& document, const json::value& value, std::size_t& count) {
    if (const auto* object = value.if_object()) {
        if (const auto* ref = object->if_contains("$ref"); ref && ref->is_string()) {
            ++count;
            auto target = text(*ref);
            REQUIRE(target.starts_with("#/"));
            CHECK_MESSAGE(find(document, target.substr(1)), target);
        }
        for (const auto& member : *object) check_refs(document, member.value(), count);
    } else if (const auto* array = value.if_array()) {
        for (const auto& item : *array) check_refs(document, item, count);
    }
}

std::string kind_key(const json::value& kind) {
    return text(kind.at("group")) + "/" + text(kind.at("version")) + "/" + text(kind.at("kind"));
}

// group/version/kind -> how many of these schemas say that they are its
std::map<std::string, int> kinds_in(const json::value& schemas) {
    std::map<std::string, int> found;
    for (const auto& schema : schemas.as_object())
        if (const auto* kinds = schema.value().as_object().if_contains("x-kubernetes-group-version-kind"))
            for (const auto& kind : kinds->as_array()) ++found[kind_key(kind)];
    return found;
}

bool has_parameter(const json::value& operation, std::string_view name) {
    for (const auto& parameter : operation.at("parameters").as_array())
        if (const auto* known = parameter.as_object().if_contains("name"); known && known->as_string() == name)
            return true;
    return false;
}

struct WithCustom {
    CustomKind custom;
    std::vector<const schema::Kind*> kinds = builtin_kinds();
    std::unique_ptr<Documents> documents;
    WithCustom() {
        kinds.push_back(&custom.kind);
        documents = std::make_unique<Documents>(kinds, About{});
    }
};

// What of a message of protobuf the test needs: its fields in order, each a number and bytes.
std::vector<std::pair<std::uint64_t, std::string_view>> fields_of(std::string_view message) {
    std::vector<std::pair<std::uint64_t, std::string_view>> fields;
    auto varint = [&] {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            REQUIRE_FALSE(message.empty());
            auto byte = static_cast<unsigned char>(message[0]);
            message.remove_prefix(1);
            value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
            if (byte < 0x80) break;
        }
        return value;
    };
    while (!message.empty()) {
        auto tag = varint();
        REQUIRE(((tag & 7U) == 2 || (tag & 7U) == 0));
        auto length = varint();
        if ((tag & 7U) == 0) {
            fields.emplace_back(tag >> 3U, std::string_view());
            continue;
        }
        REQUIRE(length <= message.size());
        fields.emplace_back(tag >> 3U, message.substr(0, length));
        message.remove_prefix(length);
    }
    return fields;
}

std::vector<std::string_view> all_of(std::string_view message, std::uint64_t number) {
    std::vector<std::string_view> found;
    for (const auto& [known, bytes] : fields_of(message))
        if (known == number) found.push_back(bytes);
    return found;
}

std::string_view one_of(std::string_view message, std::uint64_t number) {
    auto found = all_of(message, number);
    REQUIRE(found.size() <= 1);
    return found.empty() ? std::string_view() : found[0];
}

// A schema of gnostic as the JSON that it stands for.
json::value schema_of(std::string_view message) {
    json::object made;
    auto put = [&](const char* name, std::string_view value) {
        if (!value.empty()) made[name] = value;
    };
    put("$ref", one_of(message, 1));
    put("format", one_of(message, 2));
    put("description", one_of(message, 4));
    for (auto name : all_of(message, 19)) {
        if (!made.contains("required")) made["required"] = json::array();
        made["required"].as_array().emplace_back(name);
    }
    for (auto any : all_of(message, 20)) {
        if (!made.contains("enum")) made["enum"] = json::array();
        made["enum"].as_array().push_back(pila::parse_json(one_of(any, 2)).take());
    }
    if (auto values = one_of(message, 21); !values.empty()) made["additionalProperties"] = schema_of(one_of(values, 1));
    if (auto type = one_of(message, 22); !type.empty()) put("type", one_of(type, 1));
    for (auto items : all_of(message, 23)) made["items"] = schema_of(one_of(items, 1));
    if (auto properties = one_of(message, 25); !properties.empty()) {
        made["properties"] = json::object();
        for (auto named : all_of(properties, 1))
            made["properties"].as_object()[one_of(named, 1)] = schema_of(one_of(named, 2));
    }
    for (auto named : all_of(message, 31))
        made[one_of(named, 1)] = pila::parse_json(one_of(one_of(named, 2), 2)).take();
    return made;
}

}  // namespace

TEST_CASE("v3: the index names each document with its hash; references resolve; each kind is there once") {
    WithCustom with;
    auto index = read(*with.documents, "/openapi/v3");
    std::map<std::string, int> kinds;
    std::set<std::string> ids;
    std::size_t refs = 0;
    for (const auto& entry : index.at("paths").as_object()) {
        auto path = "/openapi/v3/" + std::string(entry.key());
        INFO(path);
        auto hash = with.documents->at(path)->etag;  // the index made it only for its hash: this is another making
        CHECK(text(entry.value().at("serverRelativeURL")) == path + "?hash=" + hash);
        auto own = std::string(entry.key().substr(entry.key().find('/'))) + "/";
        if (entry.key().starts_with("apis/")) own.erase(0, 1);
        auto document = read(*with.documents, path);
        check_refs(document, document, refs);
        for (const auto& [kind, count] : kinds_in(document.at("components").at("schemas"))) {
            CHECK_MESSAGE(count == 1, kind);
            if (kind.starts_with(own)) ++kinds[kind];  // others come along: claims of a StatefulSet
        }
        for (const auto& item : document.at("paths").as_object())
            for (const auto& operation : item.value().as_object())
                if (operation.key() != "parameters")
                    CHECK_MESSAGE(ids.insert(text(operation.value().at("operationId"))).second,
                                  text(operation.value().at("operationId")));
    }
    CHECK(refs > 5000);
    for (const auto* kind : with.kinds) {
        auto prefix = kind->group_version.group + "/" + kind->group_version.version + "/" + kind->name;
        CHECK_MESSAGE(kinds[prefix] == 1, prefix);
        CHECK_MESSAGE(kinds[prefix + "List"] == (kind->has_verb("list") ? 1 : 0), prefix);
    }
    CHECK(ids.contains("readCoreV1NamespacedPodLog"));
    CHECK(ids.contains("connectCoreV1PostNamespacedPodExec"));
    CHECK(ids.contains("listAppsV1DeploymentForAllNamespaces"));
    CHECK(ids.contains("deleteRbacAuthorizationV1CollectionClusterRole"));
    CHECK(ids.contains("patchStableExampleComV1NamespacedCronTabStatus"));
}

TEST_CASE("v3: shapes as kubectl explain and apply read them") {
    Documents documents(builtin_kinds(), {});
    auto apps = read(documents, "/openapi/v3/apis/apps/v1");
    const auto& schemas = apps.at("components").at("schemas");
    const auto& spec = schemas.at("io.k8s.api.apps.v1.DeploymentSpec");
    CHECK(json::serialize(spec.at("required")) == R"(["selector","template"])");
    const auto& strategy = spec.at("properties").at("strategy");
    CHECK(text(strategy.at("allOf").at(0).at("$ref")) == "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy");
    CHECK(strategy.at("default") == json::object());
    CHECK(text(strategy.at("x-kubernetes-patch-strategy")) == "retainKeys");
    CHECK(text(spec.at("properties").at("replicas").at("format")) == "int32");
    const auto& containers = schemas.at("io.k8s.api.core.v1.PodSpec").at("properties").at("containers");
    CHECK(text(containers.at("x-kubernetes-patch-merge-key")) == "name");
    CHECK(text(containers.at("x-kubernetes-patch-strategy")) == "merge");
    CHECK(text(containers.at("x-kubernetes-list-type")) == "map");
    CHECK(json::serialize(containers.at("x-kubernetes-list-map-keys")) == R"(["name"])");
    CHECK(text(containers.at("items").at("allOf").at(0).at("$ref")) ==
          "#/components/schemas/io.k8s.api.core.v1.Container");
    const auto& either = schemas.at("io.k8s.apimachinery.pkg.util.intstr.IntOrString");
    CHECK(text(either.at("format")) == "int-or-string");
    CHECK(either.at("oneOf").as_array().size() == 2);
    CHECK(
        text(
            schemas.at("io.k8s.api.core.v1.PodSpec").at("properties").at("nodeSelector").at("x-kubernetes-map-type")) ==
        "atomic");

    const auto& path = apps.at("paths").at("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    CHECK(has_parameter(path.at("patch"), "fieldValidation"));
    CHECK(has_parameter(path.at("patch"), "force"));
    CHECK(text(path.at("get").at("x-kubernetes-action")) == "get");
    CHECK(kind_key(path.at("get").at("x-kubernetes-group-version-kind")) == "apps/v1/Deployment");
    const auto& scale = apps.at("paths").at("/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale");
    CHECK(kind_key(scale.at("put").at("x-kubernetes-group-version-kind")) == "autoscaling/v1/Scale");
    const auto& all = apps.at("paths").at("/apis/apps/v1/deployments");
    CHECK(text(all.at("get").at("x-kubernetes-action")) == "list");
    CHECK_FALSE(all.as_object().contains("post"));

    auto core = read(documents, "/openapi/v3/api/v1");
    const auto& binary =
        core.at("components").at("schemas").at("io.k8s.api.core.v1.Secret").at("properties").at("data");
    CHECK(text(binary.at("additionalProperties").at("format")) == "byte");
    for (const char* wanted : {"exec", "log", "proxy/{path}", "eviction"})
        CHECK_MESSAGE(
            core.at("paths").as_object().contains(std::string("/api/v1/namespaces/{namespace}/pods/{name}/") + wanted),
            wanted);
}

TEST_CASE("v3 and v2: a custom kind's schema is written in place") {
    WithCustom with;
    auto v3 = read(*with.documents, "/openapi/v3/apis/stable.example.com/v1");
    const auto& schemas = v3.at("components").at("schemas");
    const auto& type = schemas.at("com.example.stable.v1.CronTab");
    CHECK(kind_key(type.at("x-kubernetes-group-version-kind").at(0)) == "stable.example.com/v1/CronTab");
    CHECK(type.at("properties").as_object().contains("metadata"));
    const auto& spec = type.at("properties").at("spec").at("properties");
    CHECK(json::serialize(spec.at("cron")) == R"({"description":"When it runs","type":"string"})");
    CHECK(json::serialize(spec.at("free")) == R"({"x-kubernetes-preserve-unknown-fields":true})");
    CHECK(json::serialize(spec.at("note")) == R"({"nullable":true,"type":"string"})");
    CHECK(json::serialize(spec.at("port")) == R"({"x-kubernetes-int-or-string":true})");
    CHECK(json::serialize(spec.at("replicas")) == R"({"default":1,"type":"integer","format":"int64"})");
    CHECK(json::serialize(spec.at("tags")) ==
          R"({"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"set"})");
    CHECK(spec.at("pod").at("x-kubernetes-embedded-resource").as_bool());
    CHECK(spec.at("pod").as_object().contains("properties"));
    CHECK(schemas.as_object().contains("com.example.stable.v1.CronTabList"));
    CHECK(v3.at("components").at("requestBodies").at("patch").at("content").as_object().size() == 3);

    auto v2 = read(*with.documents, "/openapi/v2");
    const auto& old = v2.at("definitions").at("com.example.stable.v1.CronTab").at("properties").at("spec");
    CHECK(json::serialize(old.at("required")) == R"(["cron"])");
    CHECK_FALSE(old.at("properties").at("pod").as_object().contains("properties"));
    CHECK_FALSE(old.at("properties").at("replicas").as_object().contains("default"));
}

TEST_CASE("v2: references resolve, each kind is there once, a PATCH says what it takes") {
    WithCustom with;
    auto document = read(*with.documents, "/openapi/v2");
    std::size_t refs = 0;
    check_refs(document, document, refs);
    CHECK(refs > 3000);
    auto kinds = kinds_in(document.at("definitions"));
    for (const auto* kind : with.kinds)
        CHECK(kinds[kind->group_version.group + "/" + kind->group_version.version + "/" + kind->name] == 1);
    std::set<std::string> patched;
    for (const auto& path : document.at("paths").as_object())
        if (const auto* patch = path.value().as_object().if_contains("patch");
            patch && text(patch->at("x-kubernetes-action")) == "patch") {
            patched.insert(kind_key(patch->at("x-kubernetes-group-version-kind")));
            for (const char* name : {"fieldValidation", "dryRun", "fieldManager"})
                CHECK_MESSAGE(has_parameter(*patch, name), path.key());
        }
    for (const auto* kind : with.kinds)
        if (kind->has_verb("patch"))
            CHECK(patched.contains(kind->group_version.group + "/" + kind->group_version.version + "/" + kind->name));
}

TEST_CASE("v2 as protobuf says of definitions what the JSON says, and of paths what PATCH takes") {
    WithCustom with;
    auto wanted = read(*with.documents, "/openapi/v2");
    auto bytes = with.documents->at("/openapi/v2", Form::Protobuf);
    REQUIRE(bytes);
    CHECK(one_of(bytes->content, 1) == "2.0");
    CHECK(one_of(one_of(bytes->content, 2), 2) == "v1.33.0");

    const auto& definitions = wanted.at("definitions").as_object();
    std::size_t count = 0;
    for (auto named : all_of(one_of(bytes->content, 9), 1)) {
        ++count;
        auto name = one_of(named, 1);
        const auto* definition = definitions.if_contains(name);
        REQUIRE_MESSAGE(definition, name);
        CHECK_MESSAGE(schema_of(one_of(named, 2)) == *definition, name);
    }
    CHECK(count == definitions.size());

    std::set<std::string> patches;
    for (auto named : all_of(one_of(bytes->content, 8), 2)) {
        auto patch = one_of(one_of(named, 2), 8);
        auto path = std::string(one_of(named, 1));
        patches.insert(path);
        const auto& operation = wanted.at("paths").at(path).at("patch");
        CHECK(one_of(patch, 5) == text(operation.at("operationId")));
        auto extension = one_of(patch, 13);
        CHECK(pila::parse_json(one_of(one_of(extension, 2), 2)).take() ==
              operation.at("x-kubernetes-group-version-kind"));
        std::set<std::string_view> names;
        for (auto item : all_of(patch, 8)) names.insert(one_of(one_of(one_of(one_of(item, 1), 2), 3), 4));
        for (const char* name : {"fieldValidation", "dryRun", "fieldManager", "force"}) CHECK(names.contains(name));
    }
    for (const auto& path : wanted.at("paths").as_object())
        if (const auto* patch = path.value().as_object().if_contains("patch"))
            CHECK(patches.contains(std::string(path.key())) == (text(patch->at("x-kubernetes-action")) == "patch"));
}

TEST_CASE("documents are small and soon made") {
    Documents documents(builtin_kinds(), {});
    auto timed = [&](std::string_view path, Form form, std::size_t& bytes) {
        auto begin = std::chrono::steady_clock::now();
        bytes += documents.at(path, form)->content.size();
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    };
    std::size_t v3_bytes = 0;
    std::size_t v2_bytes = 0;
    std::size_t protobuf_bytes = 0;
    double v3_time = 0;
    for (const auto& path : documents.paths())
        if (path.starts_with("/openapi/v3/")) v3_time += timed(path, Form::Json, v3_bytes);
    auto v2_time = timed("/openapi/v2", Form::Json, v2_bytes);
    auto protobuf_time = timed("/openapi/v2", Form::Protobuf, protobuf_bytes);
    MESSAGE("v3: ", v3_bytes, " bytes in ", v3_time, " ms; v2: ", v2_bytes, " bytes in ", v2_time,
            " ms; protobuf: ", protobuf_bytes, " bytes in ", protobuf_time, " ms");
    CHECK(v3_bytes < 4'000'000);
    CHECK(v2_bytes < 1'500'000);
    CHECK(protobuf_bytes < 800'000);
}

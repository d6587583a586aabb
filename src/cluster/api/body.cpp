// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/body.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/api/negotiate.h"
#include "cluster/api/request.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::api {

namespace {

constexpr std::size_t max_body = 3U << 20;
constexpr std::string_view protobuf = "application/vnd.kubernetes.protobuf";
constexpr std::string_view known_forms = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
constexpr std::string_view known_patches =
    "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
    "application/apply-patch+yaml";

Outcome<std::string> bytes_of(http::Request& request) {
    auto bytes = request.body->read_all(max_body);
    if (!bytes && bytes.error().code() == Errc::Exhausted)
        return too_large(fmt::format("Request entity too large: limit is {}", max_body));
    if (!bytes) return bytes.error();
    return bytes.take();
}

Outcome<Body> parse(std::string_view type, const std::string& bytes, json::storage_ptr memory) {
    Body body;
    if (bytes.empty()) {
        body.is_empty = true;
        return body;
    }
    auto read = type == protobuf             ? codec::read_protobuf(bytes, memory)
                : type == "application/yaml" ? codec::read_yaml(bytes, memory, &body.faults)
                                             : codec::read_json(bytes, memory, &body.faults);
    if (!read && read.error().code() == Errc::Unsupported) return unsupported_media_type(type, known_forms);
    if (!read) return bad_request(read.error().message());
    body.tree = read.take();
    return body;
}

std::string type_of(const http::Request& request) {
    auto given = request.headers.get("Content-Type");
    return given.empty() ? "application/json" : read_media_type(given).type;
}

}  // namespace

Outcome<Body> read_body(http::Request& request, json::storage_ptr memory) {
    auto type = type_of(request);
    if (type != "application/json" && type != "application/yaml" && type != protobuf)
        return unsupported_media_type(type, known_forms);
    auto bytes = TRY(bytes_of(request));
    return parse(type, bytes, std::move(memory));
}

Outcome<PatchBody> read_patch(http::Request& request, json::storage_ptr memory) {
    auto type = type_of(request);
    PatchBody made;
    if (type == "application/json-patch+json")
        made.type = PatchType::Json;
    else if (type == "application/merge-patch+json")
        made.type = PatchType::Merge;
    else if (type == "application/strategic-merge-patch+json")
        made.type = PatchType::Strategic;
    else if (type == "application/apply-patch+yaml")
        made.type = PatchType::Apply;
    else
        return unsupported_media_type(type, known_patches);
    auto bytes = TRY(bytes_of(request));
    made.body = TRY(parse(made.type == PatchType::Apply ? "application/yaml" : "application/json", bytes, memory));
    if (made.body.is_empty) return bad_request("the patch is empty");
    return made;
}

Outcome<DeleteOptions> read_delete_options(http::Request& request, json::storage_ptr memory, bool& dry_run) {
    DeleteOptions options;
    const auto& query = request.query;
    auto grace = query.get("gracePeriodSeconds");
    if (!grace.empty()) {
        options.grace_seconds = parse_int(grace);
        if (!options.grace_seconds) return bad_request(fmt::format("invalid gracePeriodSeconds {}", json_quote(grace)));
    }
    options.propagation = query.get("propagationPolicy");
    auto body = TRY(read_body(request, std::move(memory)));
    if (!body.is_empty) {
        if (!body.tree.is_object()) return bad_request("DeleteOptions are an object");
        const auto& object = body.tree.get_object();
        if (auto seconds = kinds::integer_at(object, "gracePeriodSeconds")) options.grace_seconds = seconds;
        if (auto policy = kinds::text_at(object, "propagationPolicy"); !policy.empty()) options.propagation = policy;
        // The form of before 1.7, which Python clients still send.
        if (const auto* orphans = object.if_contains("orphanDependents"); orphans && orphans->is_bool())
            if (options.propagation.empty()) options.propagation = orphans->get_bool() ? "Orphan" : "Background";
        if (const auto* before = kinds::object_at(object, "preconditions")) {
            options.uid = kinds::text_at(*before, "uid");
            options.resource_version = kinds::text_at(*before, "resourceVersion");
        }
        dry_run = dry_run || kinds::has_items(object, "dryRun");
    }
    const auto& policy = options.propagation;
    if (!policy.empty() && policy != "Background" && policy != "Foreground" && policy != "Orphan")
        return bad_request(
            fmt::format("invalid propagationPolicy {}: it is Background, Foreground or Orphan", json_quote(policy)));
    return options;
}

}  // namespace pila::cluster::api

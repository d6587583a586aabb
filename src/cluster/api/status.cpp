// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/status.h"

#include <fmt/core.h>

#include "base/text.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::api {

namespace {

struct Meaning {
    Errc error;
    int code;
    std::string_view reason;
};

constexpr Meaning meanings[] = {
    {Errc::NotFound, 404, "NotFound"},
    {Errc::AlreadyExists, 409, "AlreadyExists"},
    {Errc::Conflict, 409, "Conflict"},
    {Errc::Invalid, 400, "BadRequest"},
    {Errc::Unauthenticated, 401, "Unauthorized"},
    {Errc::Denied, 403, "Forbidden"},
    {Errc::Unsupported, 405, "MethodNotAllowed"},
    {Errc::Exhausted, 500, "InternalError"},
    {Errc::Unavailable, 503, "ServiceUnavailable"},
    {Errc::Timeout, 504, "Timeout"},
    {Errc::Gone, 410, "Expired"},
    {Errc::Internal, 500, "InternalError"},
};

Meaning meaning_of(Errc error) {
    for (const auto& meaning : meanings)
        if (meaning.error == error) return meaning;
    return {error, 500, "InternalError"};
}

// "name":"value", with a comma before it unless it comes first in its object
void member(std::string& out, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    if (out.back() != '{') out += ',';
    append_json_quoted(out, name);
    out += ':';
    append_json_quoted(out, value);
}

Status about(int code, std::string_view reason, const schema::Kind& kind, std::string_view name, std::string message) {
    Status status(code, std::string(reason), std::move(message));
    status.name = name;
    status.group = kind.group_version.group;
    status.kind = kind.plural;
    return status;
}

}  // namespace

Status::Status(const Error& error)
    : code(meaning_of(error.code()).code), reason(meaning_of(error.code()).reason), message(error.message()) {}

std::string Status::json() const {
    std::string out = R"({"kind":"Status","apiVersion":"v1","metadata":{)";
    member(out, "continue", continue_token);
    out += R"(},"status":"Failure")";
    member(out, "message", message);
    member(out, "reason", reason);
    if (!name.empty() || !group.empty() || !kind.empty() || !uid.empty() || !causes.empty() || retry_after_seconds) {
        out += R"(,"details":{)";
        member(out, "name", name);
        member(out, "group", group);
        member(out, "kind", kind);
        member(out, "uid", uid);
        if (!causes.empty()) {
            if (out.back() != '{') out += ',';
            out += R"("causes":[)";
            for (const auto& cause : causes) {
                if (out.back() != '[') out += ',';
                out += '{';
                member(out, "reason", cause.reason);
                member(out, "message", cause.message);
                member(out, "field", cause.field);
                out += '}';
            }
            out += ']';
        }
        if (retry_after_seconds)
            out += fmt::format("{}\"retryAfterSeconds\":{}", out.back() == '{' ? "" : ",", retry_after_seconds);
        out += '}';
    }
    out += fmt::format(",\"code\":{}}}\n", code);
    return out;
}

std::string success_json(const schema::Kind& kind, std::string_view name, std::string_view uid) {
    std::string out = R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","details":{)";
    member(out, "name", name);
    member(out, "group", kind.group_version.group);
    member(out, "kind", kind.plural);
    member(out, "uid", uid);
    return out + "}}\n";
}

Status not_found(const schema::Kind& kind, std::string_view name) {
    return about(404, "NotFound", kind, name, fmt::format("{} \"{}\" not found", kind.resource(), name));
}

Status path_not_found() { return {404, "NotFound", "the server could not find the requested resource"}; }

Status already_exists(const schema::Kind& kind, std::string_view name) {
    return about(409, "AlreadyExists", kind, name, fmt::format("{} \"{}\" already exists", kind.resource(), name));
}

Status conflict(const schema::Kind& kind, std::string_view name, std::string_view why) {
    return about(409, "Conflict", kind, name,
                 fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", kind.resource(), name, why));
}

Status modified_meanwhile(const schema::Kind& kind, std::string_view name) {
    return conflict(kind, name,
                    "the object has been modified; please apply your changes to the latest version and try again");
}

Status invalid(const schema::Kind& kind, std::string_view name, std::vector<Cause> causes) {
    std::string list;
    for (const auto& cause : causes) {
        if (!list.empty()) list += ", ";
        list += cause.field.empty() ? cause.message : cause.field + ": " + cause.message;
    }
    if (causes.size() > 1) list = "[" + list + "]";
    auto text = kind.group_version.group.empty() ? kind.name : kind.name + "." + kind.group_version.group;
    auto status = about(422, "Invalid", kind, name, fmt::format("{} \"{}\" is invalid: {}", text, name, list));
    status.kind = kind.name;
    status.causes = std::move(causes);
    return status;
}

Status bad_request(std::string message) { return {400, "BadRequest", std::move(message)}; }

Status forbidden(const schema::Kind& kind, std::string_view name, std::string_view why) {
    auto what = name.empty() ? kind.resource() : fmt::format("{} \"{}\"", kind.resource(), name);
    return about(403, "Forbidden", kind, name, fmt::format("{} is forbidden: {}", what, why));
}

Status unauthorized() { return {401, "Unauthorized", "Unauthorized"}; }

Status method_not_allowed(const schema::Kind& kind, std::string_view verb) {
    return about(405, "MethodNotAllowed", kind, "",
                 fmt::format("{} is not supported on resources of kind \"{}\"", verb, kind.resource()));
}

Status not_acceptable(std::string_view accepted) {
    return {406, "NotAcceptable", fmt::format("only the following media types are accepted: {}", accepted)};
}

Status unsupported_media_type(std::string_view given, std::string_view supported) {
    return {415, "UnsupportedMediaType",
            fmt::format("the body of the request was in an unknown format ({}) - accepted media types include: {}",
                        given, supported)};
}

Status too_large(std::string message) { return {413, "RequestEntityTooLarge", std::move(message)}; }

Status expired(std::string message) { return {410, "Expired", std::move(message)}; }

Status from_the_future(std::string_view asked, std::string_view newest) {
    Status status(504, "Timeout", fmt::format("Too large resource version: {}, current: {}", asked, newest));
    status.causes.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
    status.retry_after_seconds = 1;
    return status;
}

}  // namespace pila::cluster::api

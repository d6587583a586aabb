// SPDX-License-Identifier: Apache-2.0
// Discovery and OpenAPI: which form a client takes, and whether it has it already.
#include <fmt/core.h>

#include "base/text.h"
#include "cluster/api/api.h"
#include "cluster/api/negotiate.h"

namespace pila::cluster::api {

namespace {

using discovery::Form;

bool is_aggregated(const MediaType& type, std::string_view version) {
    return type.parameter("as") == "APIGroupDiscoveryList" && type.parameter("g") == "apidiscovery.k8s.io" &&
           type.parameter("v") == version;
}

// In the client's order, what the path has.
discovery::DocumentPtr choose(const discovery::Documents& documents, std::string_view path, std::string_view accept) {
    bool asked_for_json = false;
    for (const auto& type : read_accept(accept)) {
        discovery::DocumentPtr found;
        if (type.type.find("protobuf") != type.type.npos)
            found = documents.at(path, Form::Protobuf);
        else if (is_aggregated(type, "v2"))
            found = documents.at(path, Form::AggregatedV2);
        else if (is_aggregated(type, "v2beta1"))
            found = documents.at(path, Form::AggregatedV2Beta1);
        else if (type.type == "application/json" || type.type == "*/*" || type.type == "application/*")
            found = type.parameter("as").empty() ? documents.at(path, Form::Json) : nullptr;
        asked_for_json = asked_for_json || found;
        if (found) return found;
    }
    return documents.at(path, Form::Json);
}

}  // namespace

Outcome<http::Response> Api::answer_document(http::Request& request) const {
    std::string_view path = request.path;
    if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    auto document = choose(*documents_, path, request.headers.get("Accept"));
    if (!document) return path_not_found();
    http::Response response;
    response.headers.set("Content-Type", std::string(document->content_type));
    response.headers.set("ETag", "\"" + document->etag + "\"");
    response.headers.set("Vary", "Accept");
    if (path.starts_with("/openapi/v3/")) {
        auto hash = request.query.get("hash");
        if (!hash.empty() && hash != document->etag) {
            response.status = 301;
            response.headers.set("Location", fmt::format("{}?hash={}", path, document->etag));
            return response;
        }
        if (!hash.empty()) response.headers.set("Cache-Control", "public, immutable, max-age=31536000");
    }
    auto known = request.headers.get("If-None-Match");
    if (!known.empty() && known.find(document->etag) != known.npos) {
        response.status = 304;
        return response;
    }
    response.headers.set("Content-Length", std::to_string(document->content.size()));
    response.produce = [document](http::BodyWriter& writer) { return writer.write(document->content); };
    return response;
}

}  // namespace pila::cluster::api

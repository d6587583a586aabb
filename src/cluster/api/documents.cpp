// SPDX-License-Identifier: Apache-2.0
// Discovery and OpenAPI: which form a client takes, and whether it has it already.
#include <fmt/core.h>

#include "cluster/api/api.h"

namespace pila::cluster::api {

Outcome<http::Response> Api::answer_document(http::Request& request) const {
    std::string_view path = request.path;
    if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    auto form = discovery::form_for(path, request.headers.get("Accept"));
    auto kinds = directory_.kinds();
    const auto& documents = kinds->documents();
    if (!form && documents.at(path)) return not_acceptable("application/json");
    auto document = form ? documents.at(path, *form) : nullptr;
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

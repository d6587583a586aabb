// SPDX-License-Identifier: Apache-2.0
#pragma once
// What clients ask before they ask for objects: which groups, kinds and subresources there are, and what objects look
// like (discovery, OpenAPI v2 and v3). Every document is made when it is first asked for and kept; nothing changes
// once it is made. When kinds come or go, make a new Documents from the old one: what did not change is taken over.
// Threads: any.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/schema/schema.h"

namespace pila::cluster::discovery {

struct Document {
    std::string content;
    std::string_view content_type;
    std::string etag;  // SHA-256 of the content in hex, without quotes; also the hash that /openapi/v3 names
};
using DocumentPtr = std::shared_ptr<const Document>;

// Which form of a document the client takes. Json: the old documents, and OpenAPI as JSON. The others exist only where
// their names say: /api and /apis as apidiscovery.k8s.io v2beta1 (kubectl 1.27 to 1.29) and v2, /openapi/v2 as
// protobuf.
enum class Form : std::uint8_t { Json, AggregatedV2Beta1, AggregatedV2, Protobuf };

// The form to answer with at `path`, which is the first of those that the client takes (its header Accept, weights
// heeded) and that the path has. Nothing: none of them (406).
std::optional<Form> form_for(std::string_view path, std::string_view accept);

struct About {
    std::string git_version = "v1.33.0";  // of /version; what helm charts and kubectl compare
    std::string git_commit, build_date, platform = "linux/amd64";
    std::string address;                   // HOST:PORT of the server, for old clients of /api
    std::vector<std::string> other_paths;  // that / should list, too: "/healthz"
};

class Documents {
public:
    // `owner` keeps the kinds alive as long as these documents (null: they live for ever). Kinds whose type has no full
    // name are custom: their schema is written inline. `previous` may be null.
    Documents(const std::vector<const schema::Kind*>& kinds, About about, std::shared_ptr<const void> owner = nullptr,
              const Documents* previous = nullptr);
    ~Documents();
    Documents(const Documents&) = delete;
    Documents& operator=(const Documents&) = delete;

    // The document at a path (no query; a slash at the end is none), in that form: /, /version, /api, /api/v1, /apis,
    // /apis/GROUP, /apis/GROUP/VERSION, /openapi/v2, /openapi/v3, /openapi/v3/api/v1, /openapi/v3/apis/GROUP/VERSION.
    // Null: no such path, or not in that form.
    DocumentPtr at(std::string_view path, Form form = Form::Json) const;

    std::vector<std::string> paths() const;  // all that have a Json form

private:
    class Maker;
    std::unique_ptr<Maker> maker_;
};

}  // namespace pila::cluster::discovery

// SPDX-License-Identifier: Apache-2.0
#include "registry/document.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "image/registry_manifest.h"

namespace pila::registry {

namespace {

namespace media = image::media;
constexpr std::size_t max_references = 10'000;

Error wrong(std::string_view what) { return Error(Errc::Invalid, std::string(what)); }

Result<std::string> text_of(const json::object& object, std::string_view key) {
    auto* value = object.if_contains(key);
    if (!value || value->is_null()) return std::string();
    if (!value->is_string()) return wrong(fmt::format("{} is not a string", key));
    return std::string(value->get_string());
}

Result<image::Digest> digest_of(const json::value& value) {
    if (!value.is_object()) return wrong("a descriptor that is not an object");
    auto text = TRY(text_of(value.get_object(), "digest"));
    auto* size = value.get_object().if_contains("size");
    if (!size || !size->is_int64() || size->get_int64() < 0) return wrong("a descriptor without a sensible size");
    return image::Digest::parse(text).in("descriptor");
}

// Layers that the manifest names for others to fetch somewhere else; OCI image-spec layer.md, "Non-Distributable".
bool is_elsewhere(const json::value& layer) {
    if (!layer.is_object()) return false;
    auto type = text_of(layer.get_object(), "mediaType");
    auto* urls = layer.get_object().if_contains("urls");
    return type &&
           (type->find("nondistributable") != std::string::npos || type->find("foreign") != std::string::npos) &&
           urls && urls->is_array() && !urls->get_array().empty();
}

bool is_index_type(std::string_view type) { return type == media::docker_list || type == media::oci_index; }
bool is_manifest_type(std::string_view type) { return type == media::docker_manifest || type == media::oci_manifest; }

Result<std::string> type_of(const json::object& object, std::string_view content_type) {
    auto* version = object.if_contains("schemaVersion");
    if (!version || !version->is_int64()) return wrong("no schemaVersion");
    if (version->get_int64() == 1)
        return Error(Errc::Unsupported, "Docker manifests of schema 1 are not supported: push schema 2 or OCI");
    if (version->get_int64() != 2) return wrong("schemaVersion is not 2");
    auto said = TRY(text_of(object, "mediaType"));
    auto sent = std::string(trim(content_type.substr(0, content_type.find(';'))));
    if (sent == "application/json") sent.clear();
    if (!said.empty() && !sent.empty() && said != sent)
        return wrong(fmt::format("mediaType {} does not match the Content-Type {}", said, sent));
    auto type = said.empty() ? sent : said;
    if (type.empty()) type = object.contains("manifests") ? media::oci_index : media::oci_manifest;
    if (!is_index_type(type) && !is_manifest_type(type))
        return Error(Errc::Unsupported, fmt::format("manifests of type {} are not supported", type));
    return type;
}

Result<void> read_references(const json::object& object, Document& document) {
    bool index = is_index_type(document.media_type);
    // OCI image-spec 1.1 "Media Type Conflicts": a document that is both could be read as either.
    if (object.contains("layers") && object.contains("manifests")) return wrong("both a manifest and an index");
    auto* list = object.if_contains(index ? "manifests" : "layers");
    if (!list || !list->is_array()) return wrong(index ? "no list of manifests" : "no list of layers");
    if (list->get_array().size() > max_references) return wrong("too many descriptors");
    if (!index) {
        auto* config = object.if_contains("config");
        if (!config) return wrong("no config");
        document.blobs.push_back(TRY(digest_of(*config)));
        if (document.artifact_type.empty()) document.artifact_type = TRY(text_of(config->get_object(), "mediaType"));
    }
    for (const auto& item : list->get_array()) {
        auto digest = TRY(digest_of(item));
        if (index)
            document.manifests.push_back(std::move(digest));
        else if (!is_elsewhere(item))
            document.blobs.push_back(std::move(digest));
    }
    return {};
}

void keep_annotations(const json::object& object, Document& document) {
    auto* annotations = object.if_contains("annotations");
    if (annotations && annotations->is_object() && !annotations->get_object().empty())
        document.annotations = to_json(*annotations);
}

}  // namespace

Result<Document> read_document(std::string_view text, std::string_view content_type) {
    auto parsed = TRY(parse_json(text, {.max_bytes = max_manifest_bytes}));
    if (!parsed.is_object()) return wrong("not a JSON object");
    const auto& object = parsed.get_object();
    Document document;
    document.media_type = TRY(type_of(object, content_type));
    document.artifact_type = TRY(text_of(object, "artifactType"));
    TRY(read_references(object, document));
    if (auto* subject = object.if_contains("subject"); subject && !subject->is_null())
        document.subject = TRY(digest_of(*subject));
    keep_annotations(object, document);
    return document;
}

Result<std::vector<std::string>> read_referrers(std::string_view text) {
    auto parsed = TRY(parse_json(text, {.max_bytes = max_manifest_bytes}));
    auto* list = parsed.is_object() ? parsed.get_object().if_contains("manifests") : nullptr;
    if (!list || !list->is_array()) return wrong("no list of manifests");
    if (list->get_array().size() > max_references) return wrong("too many descriptors");
    std::vector<std::string> found;
    for (const auto& item : list->get_array()) {
        auto digest = TRY(digest_of(item));
        const auto& object = item.get_object();
        Document document;
        document.media_type = TRY(text_of(object, "mediaType"));
        document.artifact_type = TRY(text_of(object, "artifactType"));
        keep_annotations(object, document);
        found.push_back(describe_referrer(document, digest, static_cast<std::size_t>(object.at("size").get_int64())));
    }
    return found;
}

std::string describe_referrer(const Document& document, const image::Digest& digest, std::size_t size) {
    auto text = fmt::format(R"({{"mediaType":{},"digest":"{}","size":{})", json_quote(document.media_type),
                            digest.text(), size);
    if (!document.artifact_type.empty()) text += R"(,"artifactType":)" + json_quote(document.artifact_type);
    if (!document.annotations.empty()) text += R"(,"annotations":)" + document.annotations;
    return text + "}";
}

}  // namespace pila::registry

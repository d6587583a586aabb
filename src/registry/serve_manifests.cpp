// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "base/text.h"
#include "image/registry_manifest.h"
#include "registry/service_internal.h"

namespace pila::registry {

using image::Digest;

namespace {

http::Response manifest_unknown(const std::string& reference) {
    return refuse(Problem::ManifestUnknown, {}, fmt::format(R"({{"reference":{}}})", json_quote(reference)));
}

http::Response blob_missing(const Digest& digest) {
    return refuse(Problem::ManifestBlobUnknown, {}, fmt::format(R"({{"digest":"{}"}})", digest.text()));
}

// Reads on for a while, so that a client that first sends all and then listens hears why it was refused.
http::Response too_large(http::BodyReader& body) {
    constexpr std::size_t piece = 64U << 10, most = 16U << 20;
    auto waste = std::make_unique_for_overwrite<char[]>(piece);
    for (std::size_t read = 0; read < most;) {
        auto got = body.read(waste.get(), piece);
        if (!got || *got == 0) break;
        read += *got;
    }
    return refuse(Problem::ManifestTooLarge);
}

Digest digest_as(std::string_view algorithm, std::string_view bytes) {
    image::Hasher hasher(algorithm);
    hasher.update(bytes);
    return hasher.finish();
}

}  // namespace

// What was pushed wins over local images of the same name.
Result<StoredManifest> Service::find_manifest(http::Request& request, const Route& route) {
    if (upstream_) return upstream_->manifest(request.context, route.name, route.reference);
    if (!repositories_->exists(route.name)) {
        if (local_)
            for (const auto& name : local_names(request, route.name))
                if (auto found = local_->manifest(name, route.reference))
                    return StoredManifest{found->media_type, std::move(found->bytes), std::move(found->digest)};
        return Error(Errc::NotFound, "no such repository");
    }
    auto digest = Digest::parse(route.reference);
    if (!digest) digest = TRY(repositories_->tag(route.name, route.reference));
    return repositories_->manifest(route.name, *digest);
}

Result<http::Response> Service::get_manifest(http::Request& request, const Route& route) {
    if (route.reference.find(':') != std::string::npos) {
        if (auto digest = Digest::parse(route.reference); !digest)
            return refuse(Problem::DigestInvalid, digest.error().message());
    } else if (!is_tag(route.reference)) {
        return manifest_unknown(route.reference);
    }
    auto found = find_manifest(request, route);
    if (!found && found.error().code() == Errc::NotFound) return manifest_unknown(route.reference);
    if (!found) return found.take_error();
    http::Response response;
    auto etag = '"' + found->digest.text() + '"';
    response.headers.add("ETag", etag);
    response.headers.add("Docker-Content-Digest", found->digest.text());
    if (request.headers.get("If-None-Match") == etag) {
        response.status = 304;
        return response;
    }
    response.headers.add("Content-Type", found->media_type);
    response.headers.add("Content-Length", std::to_string(found->bytes.size()));
    if (request.method == "GET") response.body = std::move(found->bytes);
    return response;
}

// In this repository, or in a local image of this name from where it is taken over.
Result<bool> Service::ensure_blob(http::Request& request, const std::string& name, const Digest& digest) {
    if (repositories_->has_blob(name, digest)) return true;
    auto adopted = adopt_local(request, name, digest);
    if (adopted) return true;
    if (adopted.error().code() == Errc::NotFound || adopted.error().code() == Errc::Invalid) return false;
    return adopted.take_error();
}

Result<http::Response> Service::put_manifest(http::Request& request, const Route& route) {
    auto by_digest = Digest::parse(route.reference);
    if (!by_digest && route.reference.find(':') != std::string::npos)
        return refuse(Problem::DigestInvalid, by_digest.error().message());
    if (!by_digest && !is_tag(route.reference)) return refuse(Problem::TagInvalid, "invalid tag");
    if (auto length = parse_uint(request.headers.get("Content-Length")); length && *length > max_manifest_bytes)
        return too_large(*request.body);
    auto bytes = request.body->read_all(max_manifest_bytes);
    if (!bytes && bytes.error().code() == Errc::Exhausted) return too_large(*request.body);
    if (!bytes) return bytes.take_error();

    StoredManifest manifest{"", bytes.take(), {}};
    manifest.digest = digest_as(by_digest ? by_digest->algorithm() : "sha256", manifest.bytes);
    if (by_digest && manifest.digest != *by_digest) return refuse(Problem::DigestInvalid);
    auto document = read_document(manifest.bytes, request.headers.get("Content-Type"));
    if (!document) return refuse(Problem::ManifestInvalid, "manifest invalid: " + document.error().message());
    manifest.media_type = document->media_type;

    std::vector<InFlight::Guard> guards;
    guards.push_back(repositories_->in_flight().keep(manifest.digest));
    for (const auto& blob : document->blobs) {
        guards.push_back(repositories_->in_flight().keep(blob));
        if (!TRY(ensure_blob(request, route.name, blob))) return blob_missing(blob);
    }
    for (const auto& child : document->manifests) {
        guards.push_back(repositories_->in_flight().keep(child));
        if (!repositories_->has_manifest(route.name, child)) return blob_missing(child);
    }
    TRY(repositories_->put_manifest(route.name, *document, manifest, by_digest ? "" : route.reference));
    auto response = http::Response::empty(201);
    response.headers.add("Location", fmt::format("/v2/{}/manifests/{}", route.name, manifest.digest.text()));
    response.headers.add("Docker-Content-Digest", manifest.digest.text());
    if (document->subject) response.headers.add("OCI-Subject", document->subject->text());
    return response;
}

Result<http::Response> Service::delete_manifest(http::Request& request, const Route& route) {
    auto digest = Digest::parse(route.reference);
    if (!digest && route.reference.find(':') != std::string::npos)
        return refuse(Problem::DigestInvalid, digest.error().message());
    if (!digest && !is_tag(route.reference)) return manifest_unknown(route.reference);
    if (!repositories_->exists(route.name)) {
        if (find_manifest(request, route))
            return refuse(Problem::Unsupported, "this is an image of the engine: remove it there (docker rmi)");
        return manifest_unknown(route.reference);
    }
    auto removed = digest ? repositories_->remove_manifest(route.name, *digest)
                          : repositories_->remove_tag(route.name, route.reference);
    if (!removed && removed.error().code() == Errc::NotFound) return manifest_unknown(route.reference);
    if (!removed) return removed.take_error();
    if (digest) collector_->hurry();
    return http::Response::empty(202);
}

Result<http::Response> Service::get_referrers(http::Request& request, const Route& route) {
    auto subject = Digest::parse(route.reference);
    if (!subject) return refuse(Problem::DigestInvalid, subject.error().message());
    auto wanted = request.query.get("artifactType");
    std::string list;
    auto known = upstream_ ? upstream_->referrers(request.context, route.name, *subject)
                           : repositories_->referrers(route.name, *subject);
    for (const auto& descriptor : TRY(std::move(known))) {
        if (!wanted.empty() && descriptor.find(R"("artifactType":)" + json_quote(wanted)) == std::string::npos)
            continue;
        if (!list.empty()) list += ',';
        list += descriptor;
    }
    auto response = http::Response::json(
        200, fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}})", image::media::oci_index, list));
    response.headers.set("Content-Type", image::media::oci_index);
    if (!wanted.empty()) response.headers.add("OCI-Filters-Applied", "artifactType");
    return response;
}

}  // namespace pila::registry

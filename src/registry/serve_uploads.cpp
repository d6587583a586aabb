// SPDX-License-Identifier: Apache-2.0
// OCI distribution specification 1.1, "Push": blobs in one request, in pieces, or from another repository.
#include <fmt/core.h>

#include "base/text.h"
#include "registry/service_internal.h"

namespace pila::registry {

using image::Digest;

namespace {

http::Response upload_state(int status, const std::string& name, const std::string& id, std::uint64_t size) {
    auto response = http::Response::empty(status);
    response.headers.add("Location", fmt::format("/v2/{}/blobs/uploads/{}", name, id));
    response.headers.add("Docker-Upload-UUID", id);
    // "0-0" is how registries say nothing.
    response.headers.add("Range", fmt::format("0-{}", size == 0 ? 0 : size - 1));
    return response;
}

http::Response created(const std::string& name, const Digest& digest) {
    auto response = http::Response::empty(201);
    response.headers.add("Location", location_of_blob(name, digest));
    response.headers.add("Docker-Content-Digest", digest.text());
    return response;
}

http::Response upload_refusal(const Error& error) {
    if (error.code() == Errc::NotFound) return refuse(Problem::BlobUploadUnknown);
    if (error.code() == Errc::Conflict) return refuse(Problem::BlobUploadInvalid, error.message());
    return failed(error);
}

// Where a piece says it belongs. An empty reason: it fits.
struct PieceVerdict {
    std::optional<http::Response> refusal;
};
PieceVerdict check_piece(const http::Request& request, const Route& route, std::uint64_t size) {
    if (!request.headers.has("Content-Range")) return {};
    auto part = read_content_range(request.headers.get("Content-Range"));
    if (!part || part->start != size) {
        auto refused = refuse(Problem::RangeInvalid,
                              part ? fmt::format("the next piece starts at {}", size) : "malformed Content-Range");
        auto state = upload_state(416, route.name, route.reference, size);
        for (const auto& [key, value] : state.headers.all()) refused.headers.add(key, value);
        return {std::move(refused)};
    }
    auto length = parse_uint(request.headers.get("Content-Length"));
    if (length && *length != part->count) return {refuse(Problem::SizeInvalid)};
    return {};
}

}  // namespace

Result<bool> Service::mount(http::Request& request, const std::string& name, const Digest& digest) {
    auto from = std::string(request.query.get("from"));
    // Who may not read it there shall not get it here by asking.
    if (!is_repository_name(from) || authority_->refusal(request, from, "pull")) return false;
    auto guard = repositories_->in_flight().keep(digest);
    if (repositories_->has_blob(from, digest)) {
        TRY(repositories_->add_blob(name, digest));
        return true;
    }
    auto adopted = [&] {
        auto local = local_blob(request, from, digest);
        if (!local || local->path.empty()) return Result<void>(Error(Errc::NotFound, ""));
        auto linked = repositories_->link_content(digest, local->path);
        return linked ? repositories_->add_blob(name, digest) : std::move(linked);
    }();
    return adopted.ok();
}

Result<http::Response> Service::begin_upload(http::Request& request, const Route& route) {
    if (request.query.has("mount")) {
        auto digest = Digest::parse(request.query.get("mount"));
        if (!digest) return refuse(Problem::DigestInvalid, digest.error().message());
        if (TRY(mount(request, route.name, *digest))) return created(route.name, *digest);
    }
    std::optional<Digest> whole;
    if (request.query.has("digest")) {
        auto digest = Digest::parse(request.query.get("digest"));
        if (!digest) return refuse(Problem::DigestInvalid, digest.error().message());
        whole = digest.take();
    }
    auto id = TRY(uploads_->begin(route.name));
    collector_->expect_upload();
    if (!whole) return upload_state(202, route.name, id, 0);
    auto session = uploads_->open(route.name, id);
    if (!session) return upload_refusal(session.error());
    if (auto appended = session->append(request.context, *request.body); !appended) {
        ignore(session->cancel(), "it expires otherwise");
        return failed(appended.error());
    }
    return finish(*session, route.name, *whole);
}

Result<http::Response> Service::patch_upload(http::Request& request, const Route& route) {
    auto session = uploads_->open(route.name, route.reference);
    if (!session) return upload_refusal(session.error());
    if (auto verdict = check_piece(request, route, session->size()); verdict.refusal)
        return std::move(*verdict.refusal);
    if (auto appended = session->append(request.context, *request.body); !appended) return failed(appended.error());
    return upload_state(202, route.name, route.reference, session->size());
}

Result<http::Response> Service::finish_upload(http::Request& request, const Route& route) {
    auto digest = Digest::parse(request.query.get("digest"));
    if (!digest) return refuse(Problem::DigestInvalid, digest.error().message());
    auto session = uploads_->open(route.name, route.reference);
    if (!session) return upload_refusal(session.error());
    if (auto verdict = check_piece(request, route, session->size()); verdict.refusal)
        return std::move(*verdict.refusal);
    if (auto appended = session->append(request.context, *request.body); !appended) return failed(appended.error());
    return finish(*session, route.name, *digest);
}

Result<http::Response> Service::finish(Uploads::Session& session, const std::string& name, const Digest& digest) {
    auto guard = repositories_->in_flight().keep(digest);
    if (!TRY(session.is(digest))) {
        ignore(session.cancel(), "it expires otherwise");
        return refuse(Problem::DigestInvalid);
    }
    // The engine may have the same bytes already: one copy on the disk is enough.
    auto twin = local_ ? local_->file_of(digest) : std::string();
    if (!twin.empty() && repositories_->link_content(digest, twin))
        ignore(session.cancel(), "it expires otherwise");
    else
        TRY(session.adopt(digest));
    TRY(repositories_->add_blob(name, digest));
    return created(name, digest);
}

Result<http::Response> Service::upload_status(http::Request&, const Route& route) {
    auto size = uploads_->size(route.name, route.reference);
    if (!size) return upload_refusal(size.error());
    return upload_state(204, route.name, route.reference, *size);
}

Result<http::Response> Service::cancel_upload(http::Request&, const Route& route) {
    auto session = uploads_->open(route.name, route.reference);
    if (!session) return upload_refusal(session.error());
    TRY(session->cancel());
    return http::Response::empty(204);
}

}  // namespace pila::registry

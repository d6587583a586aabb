// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <fmt/core.h>

#include "os/file.h"
#include "registry/service_internal.h"

namespace pila::registry {

using image::Digest;

Content content_of_file(Fd file, std::uint64_t size) {
    auto shared = std::make_shared<Fd>(std::move(file));
    return {size,
            [shared](http::BodyWriter& out, Part part) { return out.write_file(*shared, part.start, part.count); }};
}

namespace {

// A layer that is unpacked only: its tar from the start, of which the part is sent.
Result<void> send_part(http::BodyReader& tar, http::BodyWriter& out, Part part) {
    constexpr std::size_t piece = 256U << 10;
    auto buffer = std::make_unique_for_overwrite<char[]>(piece);
    auto skip = part.start;
    while (part.count > 0) {
        auto got = TRY(tar.read(buffer.get(), piece));
        if (got == 0) return Error(Errc::Internal, "a layer's tar is shorter than it was");
        auto skipped = std::min<std::uint64_t>(skip, got);
        skip -= skipped;
        auto count = std::min<std::uint64_t>(got - skipped, part.count);
        part.count -= count;
        // The last byte shows whether the whole has the right checksum: it is not sent before that is known.
        if (part.count == 0 && count > 0) {
            TRY(out.write({buffer.get() + skipped, count - 1}));
            char rest;
            if (got == skipped + count) TRY(tar.read(&rest, 1));
            TRY(out.write({buffer.get() + skipped + count - 1, 1}));
            return {};
        }
        TRY(out.write({buffer.get() + skipped, count}));
    }
    return {};
}

http::Response blob_head(const Content& content, const Digest& digest, const RangeAnswer& range) {
    http::Response response;
    bool part = range.verdict == RangeVerdict::Part;
    response.status = part ? 206 : 200;
    auto& headers = response.headers;
    headers.add("Content-Type", "application/octet-stream");
    headers.add("Content-Length", std::to_string(range.part.count));
    headers.add("Docker-Content-Digest", digest.text());
    headers.add("ETag", '"' + digest.text() + '"');
    headers.add("Accept-Ranges", "bytes");
    headers.add("Cache-Control", "max-age=31536000");
    if (part)
        headers.add("Content-Range", fmt::format("bytes {}-{}/{}", range.part.start,
                                                 range.part.start + range.part.count - 1, content.size));
    return response;
}

}  // namespace

std::string location_of_blob(const std::string& name, const Digest& digest) {
    return fmt::format("/v2/{}/blobs/{}", name, digest.text());
}

Result<image::LocalBlob> Service::local_blob(http::Request& request, const std::string& name, const Digest& digest) {
    if (local_)
        for (const auto& local : local_names(request, name))
            if (auto found = local_->blob(local, digest)) return found;
    return Error(Errc::NotFound, "no local image has this blob");
}

Result<Content> Service::find_blob(http::Request& request, const std::string& name, const Digest& digest) {
    auto guard = repositories_->in_flight().keep(digest);
    if (repositories_->has_blob(name, digest) || repositories_->has_manifest(name, digest)) {
        auto file = TRY(repositories_->blobs().open(digest));
        auto size = static_cast<std::uint64_t>(TRY(os::stat_of(file)).st_size);
        return content_of_file(std::move(file), size);
    }
    auto want = request.method == "HEAD" ? Upstream::Want::Size : Upstream::Want::Content;
    if (upstream_) return upstream_->blob(request.context, name, digest, want);
    auto local = TRY(local_blob(request, name, digest));
    if (!local.path.empty()) {
        auto file = TRY(os::open(local.path, O_RDONLY));
        return content_of_file(std::move(file), local.size);
    }
    return Content{local.size, [open = local.open](http::BodyWriter& out, Part part) -> Result<void> {
                       auto tar = TRY(open());
                       return send_part(*tar, out, part);
                   }};
}

Result<http::Response> Service::get_blob(http::Request& request, const Route& route) {
    auto digest = Digest::parse(route.reference);
    if (!digest) return refuse(Problem::DigestInvalid, digest.error().message());
    auto content = find_blob(request, route.name, *digest);
    if (!content && content.error().code() == Errc::NotFound)
        return refuse(Problem::BlobUnknown, {}, fmt::format(R"({{"digest":"{}"}})", digest->text()));
    if (!content) return content.take_error();
    if (request.headers.get("If-None-Match") == '"' + digest->text() + '"') {
        auto unchanged = http::Response::empty(304);
        unchanged.headers.add("ETag", '"' + digest->text() + '"');
        return unchanged;
    }
    RangeAnswer range{RangeVerdict::Whole, {0, content->size}};
    auto condition = request.headers.get("If-Range");
    if (condition.empty() || condition == '"' + digest->text() + '"')
        range = read_range(request.headers.get("Range"), content->size);
    if (range.verdict == RangeVerdict::Unsatisfiable) {
        auto refused = refuse(Problem::RangeInvalid, "there is no such range in the blob");
        refused.headers.add("Content-Range", fmt::format("bytes */{}", content->size));
        return refused;
    }
    auto response = blob_head(*content, *digest, range);
    if (request.method == "GET")
        response.produce = [send = content->send, part = range.part](http::BodyWriter& out) { return send(out, part); };
    return response;
}

Result<http::Response> Service::delete_blob(http::Request&, const Route& route) {
    auto digest = Digest::parse(route.reference);
    if (!digest) return refuse(Problem::DigestInvalid, digest.error().message());
    auto removed = repositories_->remove_blob(route.name, *digest);
    if (!removed && removed.error().code() == Errc::NotFound) return refuse(Problem::BlobUnknown);
    if (!removed) return removed.take_error();
    collector_->hurry();
    return http::Response::empty(202);
}

Result<void> Service::adopt_local(http::Request& request, const std::string& name, const Digest& digest) {
    auto blob = TRY(local_blob(request, name, digest));
    if (!blob.path.empty()) {
        TRY(repositories_->link_content(digest, blob.path));
    } else {
        // Only what was never compressed has no file of its own.
        auto source = TRY(blob.open());
        auto writer = TRY(repositories_->blobs().begin({digest, blob.size}));
        constexpr std::size_t piece = 256U << 10;
        auto buffer = std::make_unique_for_overwrite<char[]>(piece);
        while (auto got = TRY(source->read(buffer.get(), piece))) TRY(writer.write({buffer.get(), got}));
        TRY(writer.commit(os::Sync::Yes));
    }
    return repositories_->add_blob(name, digest);
}

}  // namespace pila::registry

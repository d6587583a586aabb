// SPDX-License-Identifier: Apache-2.0
// The pushing half of RegistryConnection (OCI distribution specification, "Push").
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "image/registry_client.h"

namespace pila::image {

// Larger blobs go in several requests, so that an interruption costs one piece at most.
static constexpr std::uint64_t piece_bytes = 64ULL << 20;

namespace {

class CountedBody : public http::BodyReader {
public:
    CountedBody(http::BodyReader& from, const RegistryConnection::Sent& sent) : from_(from), sent_(sent) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        auto got = TRY(from_.read(buffer, size));
        if (sent_) sent_(got);
        return got;
    }

private:
    http::BodyReader& from_;
    const RegistryConnection::Sent& sent_;
};

http::Endpoint with_digest(http::Endpoint upload, const Digest& digest) {
    upload.path_and_query += upload.path_and_query.find('?') == std::string::npos ? '?' : '&';
    upload.path_and_query += "digest=" + http::percent_encode(digest.text());
    return upload;
}

}  // namespace

Result<bool> RegistryConnection::has_blob(const Context& context, const Digest& digest, std::uint64_t size) {
    auto target = path("blobs/" + digest.text());
    auto response = TRY(get(context, target, {.method = "HEAD"}));
    if (response.status == 404) return false;
    if (response.status != 200) return registry_error(response.status, "", "look for " + target);
    auto length = response.headers.get("Content-Length");
    return length.empty() || parse_uint(length) == size;
}

Result<bool> RegistryConnection::mount(const Context& context, const Digest& digest,
                                       const std::string& from_repository) {
    auto to = at(path(fmt::format("blobs/uploads/?mount={}&from={}", http::percent_encode(digest.text()),
                                  http::percent_encode(from_repository))));
    auto response = TRY(send(context, to, {.method = "POST", .has_body = true}));
    if (response.status == 201) return true;
    if (response.status == 202) {
        // It began an upload instead, which nobody will finish.
        auto upload = to.resolve(response.headers.get("Location"));
        if (upload) ignore(send(context, *upload, {.method = "DELETE"}), "it times out by itself");
    }
    return false;
}

Result<http::Endpoint> RegistryConnection::begin_upload(const Context& context, const std::string& query) {
    auto to = at(path("blobs/uploads/" + query));
    auto response =
        TRY(expect(send(context, to, {.method = "POST", .has_body = true}), {202}, "begin upload to " + repository_));
    return to.resolve(response.headers.get("Location")).in("upload location");
}

Result<std::uint64_t> RegistryConnection::upload_piece(const Context& context, http::Endpoint& upload,
                                                       std::uint64_t start, std::uint64_t end, const OpenAt& open,
                                                       const Sent& sent) {
    auto source = TRY(open(start, end - start));
    CountedBody body(*source, sent);
    http::ClientRequest request{.method = "PATCH", .streamed_body = &body, .streamed_length = end - start};
    request.headers.add("Content-Type", "application/octet-stream");
    request.headers.add("Content-Range", fmt::format("{}-{}", start, end - 1));
    auto response = TRY(expect(send(context, upload, std::move(request)), {202, 204}, "upload to " + repository_));
    if (auto location = response.headers.get("Location"); !location.empty()) upload = TRY(upload.resolve(location));
    auto range = response.headers.get("Range");
    auto last = parse_uint(range.substr(range.find('-') + 1));
    return range.empty() || !last ? end : std::min(end, *last + 1);
}

// How much of an interrupted upload has arrived.
Result<std::uint64_t> RegistryConnection::uploaded(const Context& context, http::Endpoint& upload) {
    auto response = TRY(expect(send(context, upload, {.method = "GET"}), {204}, "status of upload to " + repository_));
    if (auto location = response.headers.get("Location"); !location.empty()) upload = TRY(upload.resolve(location));
    auto range = response.headers.get("Range");
    auto last = parse_uint(range.substr(range.find('-') + 1));
    return last && *last > 0 ? *last + 1 : 0;  // "0-0" is how registries write nothing
}

Result<void> RegistryConnection::upload_once(const Context& context, const Digest& digest, std::uint64_t size,
                                             const OpenAt& open, const Sent& sent) {
    auto upload = TRY(begin_upload(context, ""));
    std::uint64_t done = 0;
    unsigned failures = 0;
    while (size > piece_bytes && done < size) {
        auto end = std::min(size, done + piece_bytes);
        auto sent_to = upload_piece(context, upload, done, end, open, sent);
        if (sent_to && *sent_to > done) {
            done = *sent_to;
            failures = 0;
            continue;
        }
        auto error = sent_to ? Error(Errc::Unavailable, "upload makes no progress") : sent_to.take_error();
        if (!is_transient(error, context) || ++failures >= session_->options().attempts) return error;
        TRY(wait_for_retry(context, session_->options().retry_delay));
        auto arrived = uploaded(context, upload);
        if (!arrived || *arrived > end) return error;
        done = *arrived;
    }
    auto source = TRY(open(done, size - done));
    CountedBody body(*source, sent);
    http::ClientRequest request{.method = "PUT", .streamed_body = &body, .streamed_length = size - done};
    request.headers.add("Content-Type", "application/octet-stream");
    TRY(expect(send(context, with_digest(upload, digest), std::move(request)), {201, 204}, "upload to " + repository_));
    return {};
}

Result<void> RegistryConnection::upload(const Context& context, const Digest& digest, std::uint64_t size,
                                        const OpenAt& open, const Sent& sent) {
    const auto& options = session_->options();
    for (unsigned attempt = 1;; ++attempt) {
        auto done = upload_once(context, digest, size, open, sent);
        if (done) return done;
        // A token that expired on the way shows as a refusal of a body that cannot be sent again by itself.
        bool again =
            is_transient(done.error(), context) || (done.error().code() == Errc::Unauthenticated && attempt == 1);
        if (done.error().code() == Errc::Unauthenticated) session_->authorizer().rejected(scopes_);
        if (!again || attempt >= options.attempts) return done;
        TRY(wait_for_retry(context, options.retry_delay * (1U << (attempt - 1))));
    }
}

Result<void> RegistryConnection::put_manifest(const Context& context, const std::string& tag_or_digest,
                                              const std::string& bytes, const std::string& media_type,
                                              const Digest& digest) {
    auto target = path("manifests/" + tag_or_digest);
    http::ClientRequest request{.method = "PUT", .body = bytes, .has_body = true};
    request.headers.add("Content-Type", media_type);
    auto response = TRY(expect(send(context, at(target), std::move(request)), {200, 201, 202}, "put " + target));
    auto claimed = response.headers.get("Docker-Content-Digest");
    if (!claimed.empty() && claimed != digest.text())
        return Error(Errc::Invalid, fmt::format("put {}: the registry stored {} instead of {}", target,
                                                printable(claimed), digest.text()));
    return {};
}

}  // namespace pila::image

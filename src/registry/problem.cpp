// SPDX-License-Identifier: Apache-2.0
#include "registry/problem.h"

#include <cerrno>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"

namespace pila::registry {

namespace {

struct Row {
    Problem problem;
    int status;
    const char* code;
    const char* text;
};

constexpr Row rows[] = {
    {Problem::BlobUnknown, 404, "BLOB_UNKNOWN", "blob unknown to registry"},
    {Problem::BlobUploadInvalid, 400, "BLOB_UPLOAD_INVALID", "blob upload invalid"},
    {Problem::BlobUploadUnknown, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"},
    {Problem::DigestInvalid, 400, "DIGEST_INVALID", "provided digest did not match uploaded content"},
    {Problem::ManifestBlobUnknown, 400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"},
    {Problem::ManifestInvalid, 400, "MANIFEST_INVALID", "manifest invalid"},
    {Problem::ManifestTooLarge, 413, "MANIFEST_INVALID", "manifest of more than 4 MiB"},
    {Problem::ManifestUnknown, 404, "MANIFEST_UNKNOWN", "manifest unknown"},
    {Problem::NameInvalid, 400, "NAME_INVALID", "invalid repository name"},
    {Problem::NameUnknown, 404, "NAME_UNKNOWN", "repository name not known to registry"},
    {Problem::PaginationNumberInvalid, 400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested"},
    {Problem::RangeInvalid, 416, "RANGE_INVALID", "invalid content range"},
    {Problem::SizeInvalid, 400, "SIZE_INVALID", "provided length did not match content length"},
    {Problem::TagInvalid, 400, "TAG_INVALID", "manifest tag did not match URI"},
    {Problem::Unauthorized, 401, "UNAUTHORIZED", "authentication required"},
    {Problem::Denied, 403, "DENIED", "requested access to the resource is denied"},
    {Problem::Unsupported, 405, "UNSUPPORTED", "the operation is unsupported"},
    {Problem::Unavailable, 503, "UNAVAILABLE", "service unavailable"},
    {Problem::NoRoom, 507, "UNKNOWN", "no space left on the registry's disk"},
    {Problem::Unknown, 500, "UNKNOWN", "unknown error"},
};

}  // namespace

http::Response refuse(Problem problem, std::string_view reason, std::string_view detail) {
    const Row* row = rows;
    while (row->problem != problem) ++row;
    auto text = reason.empty() ? std::string_view(row->text) : reason;
    return http::Response::json(row->status,
                                fmt::format(R"({{"errors":[{{"code":"{}","message":{},"detail":{}}}]}})", row->code,
                                            json_quote(text), detail.empty() ? "null" : detail));
}

http::Response failed(const Error& error) {
    bool full = error.os_errno() == ENOSPC || error.os_errno() == EDQUOT || error.code() == Errc::Exhausted;
    bool ours = error.code() == Errc::Internal || full || error.os_errno() != 0;
    if (ours) log::warning("registry: {}", error.message());
    if (full) return refuse(Problem::NoRoom);
    switch (error.code()) {
        case Errc::Unauthenticated:
        case Errc::Denied:
            if (!ours) return refuse(Problem::Denied, error.message());
            break;
        case Errc::Unavailable:
        case Errc::Timeout: return refuse(Problem::Unavailable, error.message());
        case Errc::Unsupported: return refuse(Problem::Unsupported, error.message());
        default: break;
    }
    // Paths of the server are nobody's business.
    return refuse(Problem::Unknown, ours ? std::string_view("internal error; the registry's log says more")
                                         : std::string_view(error.message()));
}

http::Response error_body(int status, const std::string& message) {
    return http::Response::json(status, fmt::format(R"({{"errors":[{{"code":"{}","message":{},"detail":null}}]}})",
                                                    status >= 500 ? "UNKNOWN" : "UNSUPPORTED", json_quote(message)));
}

}  // namespace pila::registry

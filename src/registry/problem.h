// SPDX-License-Identifier: Apache-2.0
#pragma once
// Refusals in the protocol's own shape (OCI distribution specification, "Error Codes"): one table.

#include <string>
#include <string_view>

#include "http/message.h"

namespace pila::registry {

enum class Problem : std::uint8_t {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestTooLarge,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    PaginationNumberInvalid,
    RangeInvalid,
    SizeInvalid,
    TagInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    Unavailable,
    NoRoom,
    Unknown,
};

// `reason` stands for the table's text if it is not empty; `detail` is JSON.
http::Response refuse(Problem problem, std::string_view reason = {}, std::string_view detail = {});
// What went wrong here rather than with the request; logged where it is our fault.
http::Response failed(const Error& error);
// For requests that are no HTTP.
http::Response error_body(int status, const std::string& message);

}  // namespace pila::registry

// SPDX-License-Identifier: Apache-2.0
// What clients send to the registry: paths, Range and Content-Range, Authorization, scopes, files of users and rights,
// manifests, and lists of referrers of other registries.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/authority.h"
#include "registry/document.h"
#include "registry/names.h"
#include "registry/password_file.h"
#include "registry/ranges.h"
#include "registry/rights.h"

using namespace pila::registry;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    if (auto route = parse_route(text)) {
        // What becomes part of a path on the disk:
        if (is_repository_name(route->name) &&
            (route->name.starts_with("/") || route->name.find("..") != std::string::npos ||
             route->name.find('\0') != std::string::npos || route->name.starts_with("_")))
            std::abort();
        if (is_tag(route->reference) && route->reference.find('/') != std::string::npos) std::abort();
    }
    for (std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}, UINT64_MAX}) {
        auto range = read_range(text, length);
        if (range.verdict == RangeVerdict::Part &&
            (range.part.count == 0 || range.part.start >= length || range.part.count > length - range.part.start))
            std::abort();
    }
    if (auto part = read_content_range(text); part && part->count == 0) std::abort();
    auto credentials = Credentials::parse(text);
    if (credentials.kind == Credentials::Kind::Basic && credentials.user.find(':') != std::string::npos) std::abort();
    if (auto scope = Scope::parse(text); scope && scope->type == "repository" && !is_repository_name(scope->name))
        std::abort();
    (void)PasswordFile::parse(text);
    (void)read_referrers(text);
    if (auto rights = Rights::parse(text))
        for (const auto& right : *rights)
            if (matches_repository(right.pattern, "A") && !right.pattern.starts_with("*")) std::abort();
    if (auto document = read_document(text, "")) {
        auto again = read_document(text, document->media_type);
        if (!again || again->blobs != document->blobs || again->subject != document->subject) std::abort();
        (void)describe_referrer(*document, pila::image::Digest::of(text), size);
    }
    return 0;
}

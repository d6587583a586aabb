// SPDX-License-Identifier: Apache-2.0
#include "cli/reference.h"

#include <fmt/core.h>
#include <algorithm>

#include "base/text.h"

namespace pila::cli {

namespace {

Error malformed() { return Error(Errc::Invalid, "invalid reference format"); }

bool is_lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }

// Letters and digits, separated by one of . _ __ or any number of dashes.
bool is_component(std::string_view text) {
    if (text.empty() || !is_lower(text.front()) || !is_lower(text.back())) return false;
    for (std::size_t i = 0; i < text.size();) {
        if (is_lower(text[i])) {
            ++i;
            continue;
        }
        auto end = i;
        while (end < text.size() && !is_lower(text[end])) ++end;
        auto separator = text.substr(i, end - i);
        bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
        if (separator != "." && separator != "_" && separator != "__" && !dashes) return false;
        i = end;
    }
    return true;
}

bool is_domain(std::string_view text) {
    if (text.starts_with('[')) {
        auto end = text.find(']');
        if (end == std::string_view::npos) return false;
        auto rest = text.substr(end + 1);
        return rest.empty() || (rest[0] == ':' && parse_uint(rest.substr(1)));
    }
    auto colon = text.find(':');
    if (colon != std::string_view::npos && !parse_uint(text.substr(colon + 1))) return false;
    for (auto part : split(text.substr(0, colon), '.')) {
        if (part.empty() || !is_letter(part.front()) || !is_letter(part.back())) return false;
        if (!std::all_of(part.begin(), part.end(), [](char c) { return is_letter(c) || c == '-'; })) return false;
    }
    return true;
}

bool is_tag(std::string_view text) {
    if (text.empty() || text.size() > 128 || text[0] == '.' || text[0] == '-') return false;
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return is_letter(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_digest(std::string_view text) {
    auto colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    auto digits = text.substr(colon + 1);
    auto name = text.substr(0, colon);
    std::size_t wanted = name == "sha256" ? 64 : name == "sha384" ? 96 : name == "sha512" ? 128 : 0;
    return is_hex(digits) && (wanted == 0 ? digits.size() >= 32 : digits.size() == wanted);
}

}  // namespace

bool is_image_id(std::string_view text) {
    if (text.starts_with("sha256:")) text.remove_prefix(7);
    return text.size() == 64 && is_hex(text);
}

std::string Reference::familiar_name() const {
    if (domain != "docker.io") return name();
    return path.starts_with("library/") && path.find('/', 8) == std::string::npos ? path.substr(8) : path;
}

std::string Reference::familiar() const {
    return familiar_name() + (tag.empty() ? "" : ":" + tag) + (digest.empty() ? "" : "@" + digest);
}

std::string Reference::full() const {
    return name() + (tag.empty() ? "" : ":" + tag) + (digest.empty() ? "" : "@" + digest);
}

Result<Reference> parse_reference(std::string_view text) {
    if (is_image_id(text) && !text.starts_with("sha256:"))
        return Error(Errc::Invalid,
                     fmt::format("invalid repository name ({}), cannot specify 64-byte hexadecimal strings", text));
    Reference reference;
    if (auto at = text.find('@'); at != std::string_view::npos) {
        reference.digest = text.substr(at + 1);
        if (!is_digest(reference.digest)) return malformed();
        text = text.substr(0, at);
    }
    auto slash = text.find('/');
    auto first = text.substr(0, slash);
    bool has_domain = slash != std::string_view::npos && (first.find_first_of(".:") != std::string_view::npos ||
                                                          first == "localhost" || to_lower(first) != first);
    reference.domain = has_domain ? first : "docker.io";
    if (reference.domain == "index.docker.io") reference.domain = "docker.io";
    auto rest = has_domain ? text.substr(slash + 1) : text;
    if (auto colon = rest.find(':'); colon != std::string_view::npos) {
        reference.tag = rest.substr(colon + 1);
        if (!is_tag(reference.tag)) return malformed();
        rest = rest.substr(0, colon);
    }
    reference.path = rest;
    if (reference.domain == "docker.io" && reference.path.find('/') == std::string::npos)
        reference.path = "library/" + reference.path;
    if (rest.empty()) return malformed();
    if (to_lower(reference.path) != reference.path)
        return Error(Errc::Invalid,
                     fmt::format("invalid reference format: repository name ({}) must be lowercase", reference.path));
    for (auto part : split(reference.path, '/'))
        if (!is_component(part)) return malformed();
    if (!is_domain(reference.domain)) return malformed();
    if (reference.name().size() > 255)
        return Error(Errc::Invalid, "repository name must not be more than 255 characters");
    return reference;
}

}  // namespace pila::cli

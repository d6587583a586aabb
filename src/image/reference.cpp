// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "image/image_store.h"

// The grammar of github.com/distribution/reference and the rules by which Docker completes a short name.
namespace pila::image {

namespace {

constexpr std::string_view default_domain = "docker.io";
constexpr std::string_view official_path = "library/";
constexpr std::size_t max_name = 255;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alphanumeric(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }
bool is_hex_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool all_of(std::string_view text, bool (*what)(char)) { return std::all_of(text.begin(), text.end(), what); }

// [a-z0-9]+ joined by ".", "_", "__" or any number of "-".
bool is_path_component(std::string_view text) {
    if (text.empty() || !is_lower_or_digit(text.front()) || !is_lower_or_digit(text.back())) return false;
    for (std::size_t at = 0; at < text.size();) {
        if (is_lower_or_digit(text[at])) {
            ++at;
            continue;
        }
        auto end = at;
        while (end < text.size() && !is_lower_or_digit(text[end])) ++end;
        auto separator = text.substr(at, end - at);
        bool good = separator == "." || separator == "_" || separator == "__" ||
                    all_of(separator, [](char c) { return c == '-'; });
        if (!good) return false;
        at = end;
    }
    return true;
}

bool is_domain(std::string_view text) {
    auto host = text, port = std::string_view();
    if (text.starts_with('[')) {
        auto close = text.find(']');
        if (close == std::string_view::npos || close < 3) return false;
        auto address = text.substr(1, close - 1);
        if (!all_of(address, [](char c) { return is_hex_digit(c) || c == ':'; })) return false;
        auto rest = text.substr(close + 1);
        if (rest.empty()) return true;
        return rest.size() > 1 && rest[0] == ':' && parse_uint(rest.substr(1)).has_value();
    }
    if (auto colon = text.find(':'); colon != std::string_view::npos) {
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        if (port.empty() || !all_of(port, [](char c) { return c >= '0' && c <= '9'; })) return false;
    }
    for (auto label : split(host, '.')) {
        if (label.empty() || label.front() == '-' || label.back() == '-') return false;
        if (!all_of(label, [](char c) { return is_alphanumeric(c) || c == '-'; })) return false;
    }
    return true;
}

bool is_tag(std::string_view text) {
    if (text.empty() || text.size() > 128 || text.front() == '.' || text.front() == '-') return false;
    return all_of(text, [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

Error invalid(std::string_view why = "") {
    return Error(Errc::Invalid, "invalid reference format" + (why.empty() ? std::string() : ": " + std::string(why)));
}

}  // namespace

Result<Reference> Reference::parse(std::string_view text) {
    if (text.empty()) return invalid();
    if (text.size() == 64 && is_hex(text))
        return Error(Errc::Invalid,
                     fmt::format("invalid repository name ({}), cannot specify 64-byte hexadecimal strings", text));
    Reference reference;
    auto slash = text.find('/');
    auto first = text.substr(0, slash);
    std::string_view rest = text;
    reference.domain = default_domain;
    if (slash != std::string_view::npos &&
        (first.find_first_of(".:") != std::string_view::npos || first == "localhost" ||
         std::any_of(first.begin(), first.end(), [](char c) { return c >= 'A' && c <= 'Z'; }))) {
        reference.domain = first == "index.docker.io" ? default_domain : first;
        rest = text.substr(slash + 1);
    }
    auto at = rest.find('@');
    if (at != std::string_view::npos) {
        auto digest = Digest::parse(rest.substr(at + 1));
        if (!digest) return invalid();
        reference.digest = digest->text();
        rest = rest.substr(0, at);
    }
    auto colon = rest.find(':');
    auto path = rest.substr(0, colon);
    if (to_lower(path) != path) return invalid("repository name must be lowercase");
    if (colon != std::string_view::npos) {
        reference.tag = rest.substr(colon + 1);
        if (!is_tag(reference.tag)) return invalid();
    } else if (reference.digest.empty()) {
        reference.tag = "latest";
    }
    for (auto component : split(path, '/'))
        if (!is_path_component(component)) return invalid();
    if (!is_domain(reference.domain)) return invalid();
    if (reference.domain == default_domain && path.find('/') == std::string_view::npos) reference.path = official_path;
    reference.path += path;
    if (reference.domain.size() + 1 + reference.path.size() > max_name)
        return Error(Errc::Invalid, "repository name must not be more than 255 characters");
    return reference;
}

std::string Reference::familiar_name() const {
    if (domain != default_domain) return domain + "/" + path;
    if (path.starts_with(official_path) && path.find('/', official_path.size()) == std::string::npos)
        return path.substr(official_path.size());
    return path;
}

std::string Reference::familiar() const {
    auto name = familiar_name();
    if (!tag.empty()) name += ":" + tag;
    if (!digest.empty()) name += "@" + digest;
    return name;
}

}  // namespace pila::image

// SPDX-License-Identifier: Apache-2.0
#include "registry/names.h"

#include <utility>

#include "base/text.h"

namespace pila::registry {

static bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// [a-z0-9]+ with ".", "_", "__" or any number of "-" between
static bool is_component(std::string_view text) {
    if (text.empty() || !is_lower_or_digit(text.front()) || !is_lower_or_digit(text.back())) return false;
    for (std::size_t i = 0; i < text.size();) {
        if (is_lower_or_digit(text[i])) {
            ++i;
            continue;
        }
        auto end = text.find_first_not_of(text[i], i);
        auto length = (end == std::string_view::npos ? text.size() : end) - i;
        bool fine = text[i] == '-' || (text[i] == '.' && length == 1) || (text[i] == '_' && length <= 2);
        if (!fine || end == std::string_view::npos || !is_lower_or_digit(text[end])) return false;
        i = end;
    }
    return true;
}

bool is_repository_name(std::string_view name) {
    if (name.empty() || name.size() > 255) return false;
    for (auto component : split(name, '/'))
        if (!is_component(component)) return false;
    return true;
}

bool is_tag(std::string_view tag) {
    if (tag.empty() || tag.size() > 128 || tag[0] == '.' || tag[0] == '-') return false;
    for (char c : tag) {
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '_' && c != '.' && c != '-') return false;
    }
    return true;
}

std::optional<Route> parse_route(std::string_view path) {
    if (path == "/token") return Route{Resource::Token, "", ""};
    if (path == "/v2") path = "/v2/";
    if (!path.starts_with("/v2/")) return std::nullopt;
    path.remove_prefix(4);
    if (path.empty()) return Route{Resource::Base, "", ""};
    if (path == "_catalog") return Route{Resource::Catalog, "", ""};

    // A name has slashes, too: what is meant shows at the end.
    if (path.ends_with('/')) path.remove_suffix(1);
    auto cut = [&path]() -> std::string_view {
        auto slash = path.rfind('/');
        if (slash == std::string_view::npos) return std::exchange(path, {});
        auto last = path.substr(slash + 1);
        path = path.substr(0, slash);
        return last;
    };
    auto last = cut();
    auto kind = cut();
    auto route = [&](Resource resource, std::string_view reference) -> std::optional<Route> {
        if (path.empty()) return std::nullopt;
        return Route{resource, std::string(path), std::string(reference)};
    };
    if (kind == "blobs" && last == "uploads") return route(Resource::Uploads, "");
    if (kind == "blobs") return route(Resource::Blob, last);
    if (kind == "manifests") return route(Resource::Manifest, last);
    if (kind == "referrers") return route(Resource::Referrers, last);
    if (kind == "tags" && last == "list") return route(Resource::Tags, "");
    if (kind == "uploads" && cut() == "blobs") return route(Resource::Upload, last);
    return std::nullopt;
}

}  // namespace pila::registry

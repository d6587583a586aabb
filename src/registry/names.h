// SPDX-License-Identifier: Apache-2.0
#pragma once
// The grammar of what clients ask for (OCI distribution specification 1.1, "Pulling manifests" and "API endpoints").

#include <optional>
#include <string>
#include <string_view>

namespace pila::registry {

bool is_repository_name(std::string_view name);  // at most 255 bytes
bool is_tag(std::string_view tag);

enum class Resource : std::uint8_t { Base, Catalog, Tags, Manifest, Blob, Uploads, Upload, Referrers, Token };

struct Route {
    Resource resource = Resource::Base;
    std::string name;       // of the repository, not checked
    std::string reference;  // tag, digest or upload
};
std::optional<Route> parse_route(std::string_view path);  // a decoded path; nullopt: no such resource

}  // namespace pila::registry

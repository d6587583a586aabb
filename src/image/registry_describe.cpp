// SPDX-License-Identifier: Apache-2.0
#include "image/registry_describe.h"

#include <fmt/core.h>

#include "base/json_reader.h"
#include "image/registry_client.h"

namespace pila::image {

static constexpr std::uint64_t max_config_bytes = 4U << 20;

// Of a single manifest: its configuration says what it runs on.
static Result<RemoteImage::Platform> platform_of(const Context& context, RegistryConnection& connection,
                                                 const ManifestDescriptor& config) {
    if (config.size > max_config_bytes)
        return Error(Errc::Exhausted, fmt::format("image configuration of {} bytes", config.size));
    auto opened = TRY(connection.blob(context, config.digest, 0));
    auto text = TRY(opened.body->read_all(config.size));
    auto value = TRY(parse_json(text).in("image configuration"));
    if (!value.is_object()) return Error(Errc::Invalid, "image configuration is not an object");
    JsonReader in(value.get_object());
    RemoteImage::Platform platform{in.text("os"), in.text("architecture"), in.text("variant")};
    TRY(in.check());
    return platform;
}

Result<RemoteImage> describe_remote(const Context& context, const std::string& name, const RegistryAuth& auth,
                                    const RegistryOptions& options) {
    auto reference = TRY(Reference::parse(name));
    auto session = TRY(RegistrySession::open(context, places_of(reference.domain, options, false), auth, options));
    RegistryConnection connection(std::move(session), reference.path,
                                  fmt::format("repository:{}:pull", reference.path));
    auto fetched = TRY(connection.manifest(context, reference.digest.empty() ? reference.tag : reference.digest));
    auto parsed = TRY(parse_manifest(fetched.bytes, fetched.content_type));
    RemoteImage remote{parsed.media_type, fetched.digest, fetched.bytes.size(), {}};
    for (const auto& entry : parsed.manifests)
        if (entry.platform)
            remote.platforms.push_back({entry.platform->os, entry.platform->architecture, entry.platform->variant});
    if (parsed.manifest) remote.platforms.push_back(TRY(platform_of(context, connection, parsed.manifest->config)));
    return remote;
}

}  // namespace pila::image

// SPDX-License-Identifier: Apache-2.0
#include "image/registry_pull.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"
#include "image/compression.h"
#include "image/image_config.h"
#include "image/registry_download.h"
#include "image/registry_workers.h"

namespace pila::image {

namespace {

std::string tag_or_digest(const Reference& reference) {
    return reference.digest.empty() ? reference.tag : reference.digest;
}

// Docker's words, which scripts and other programs look for.
Error translate(Error error, const Reference& reference) {
    auto name = reference.familiar_name();
    if (error.code() == Errc::Denied || error.code() == Errc::Unauthenticated) {
        bool wrong_password = error.message().find("incorrect username or password") != std::string::npos;
        if (wrong_password || error.message().find("no basic auth credentials") != std::string::npos) return error;
        return Error(
            Errc::NotFound,
            fmt::format("pull access denied for {}, repository does not exist or may require 'docker login': {}", name,
                        error.message()));
    }
    if (error.code() == Errc::NotFound && error.message().starts_with("manifest unknown"))
        return Error(Errc::NotFound,
                     fmt::format("manifest for {} not found: {}", reference.familiar(), error.message()));
    if (error.code() == Errc::NotFound && error.message().starts_with("name unknown"))
        return Error(Errc::NotFound, fmt::format("repository {} not found: {}", name, error.message()));
    return error;
}

bool is_known_config(const std::string& media_type) {
    // Old builders wrote the last one.
    return media_type.empty() || media_type == media::docker_config || media_type == media::oci_config ||
           media_type == "application/octet-stream";
}

}  // namespace

Result<PullResult> Puller::run(const Context& context, const Reference& reference) {
    auto places = places_of(reference.domain, options_, false);
    for (;;) {
        auto session = RegistrySession::open(context, places, request_.auth, options_);
        if (!session) return translate(session.take_error(), reference);
        auto used = (*session)->place();
        auto result = pull_from(context, session.take(), reference);
        if (result || !used.mirror || !context.check()) return result;
        log::warning("mirror {}: {}; trying the next", used.endpoint.host_header(), result.error().message());
        auto same = [&](const RegistryPlace& place) {
            return place.endpoint.same_server(used.endpoint) && place.mirror;
        };
        places.erase(places.begin(), std::next(std::find_if(places.begin(), places.end(), same)));
    }
}

Result<PullResult> Puller::pull_from(const Context& context, std::shared_ptr<RegistrySession> session,
                                     const Reference& reference) {
    RegistryConnection connection(std::move(session), reference.path, scopes(reference));
    if (!request_.all_tags) return pull_name(context, connection, reference);
    auto tags = connection.tags(context);
    if (!tags) return translate(tags.take_error(), reference);
    PullResult last;
    bool newer = false;
    for (const auto& tag : *tags) {
        auto tagged = reference;
        tagged.tag = tag;
        last = TRY(pull_name(context, connection, tagged));
        newer = newer || last.newer;
    }
    if (!last.image) return Error(Errc::NotFound, fmt::format("repository {} has no tags", reference.familiar_name()));
    last.newer = newer;
    lines_.say("", fmt::format("Status: {} for {}", newer ? "Downloaded newer image" : "Image is up to date",
                               reference.familiar_name()));
    return last;
}

ImagePointer Puller::existing(const Digest& id) {
    auto found = images_.find(id.text());
    if (!found) return nullptr;
    for (const auto& layer : (*found)->layers) {
        pins_.push_back(images_.layers().pin(layer));
        if (!images_.layers().has(layer)) return nullptr;
    }
    return found.take();
}

Result<PullResult> Puller::pull_name(const Context& context, RegistryConnection& connection,
                                     const Reference& reference) {
    auto found = find_manifest(context, connection, reference);
    if (!found) return translate(found.take_error(), reference);
    // Not before: what is not there can still be answered with a status of its own.
    lines_.say(tag_or_digest(reference), "Pulling from " + reference.path);
    Image image;
    if (auto known = existing(found->manifest.config.digest)) {
        image = *known;
        TRY(check_config(image, *found, reference));
    } else {
        image = TRY(fetch_config(context, connection, *found));
        TRY(check_config(image, *found, reference));
        TRY(fetch_layers(context, connection, image, *found, reference.path));
    }
    // Kept so that a push gives back the same bytes; recover() keeps what a digest reference of an image leads to.
    TRY(images_.blobs().put(found->manifest_bytes));
    if (!found->index_bytes.empty()) TRY(images_.blobs().put(found->index_bytes));

    auto name = reference.digest.empty() ? reference.familiar() : reference.familiar_name() + "@" + reference.digest;
    auto before = images_.find(name);
    PullResult result;
    result.newer = !before || (*before)->id != image.id;
    Images::Names names;
    if (reference.digest.empty()) names.tags.push_back(reference.familiar());
    names.repo_digests.push_back(reference.familiar_name() + "@" + found->digest.text());
    result.digest = found->digest;
    result.image = TRY(images_.add(std::move(image), names)).image;
    lines_.say("", "Digest: " + found->digest.text());
    if (!request_.all_tags)
        lines_.say("", fmt::format("Status: {} for {}", result.newer ? "Downloaded newer image" : "Image is up to date",
                                   name));
    return result;
}

Result<Puller::Found> Puller::find_manifest(const Context& context, RegistryConnection& connection,
                                            const Reference& reference) {
    auto fetch = [&](const std::string& what) {
        return with_retries(context, options_, [&] { return connection.manifest(context, what); });
    };
    auto fetched = TRY(fetch(tag_or_digest(reference)));
    Found found;
    found.digest = fetched.digest;
    auto parsed = TRY(parse_manifest(fetched.bytes, fetched.content_type));
    if (!parsed.manifest) {
        auto platform = TRY(Platform::parse(request_.platform));
        auto chosen = TRY(choose_platform(parsed.manifests, platform));
        found.index_bytes = std::move(fetched.bytes);
        fetched = TRY(fetch(chosen.digest.text()));
        if (fetched.bytes.size() != chosen.size)
            return Error(Errc::Invalid, fmt::format("manifest {}: {} bytes instead of {}", chosen.digest.text(),
                                                    fetched.bytes.size(), chosen.size));
        parsed = TRY(parse_manifest(fetched.bytes, chosen.media_type));
        if (!parsed.manifest)
            return Error(Errc::Invalid, fmt::format("manifest {}: an index within an index", chosen.digest.text()));
    }
    found.manifest = std::move(*parsed.manifest);
    found.manifest_bytes = std::move(fetched.bytes);
    if (!is_known_config(found.manifest.config.media_type))
        return Error(Errc::Unsupported, "unsupported media type " + printable(found.manifest.config.media_type));
    return found;
}

Result<Image> Puller::fetch_config(const Context& context, RegistryConnection& connection, const Found& found) {
    const auto& config = found.manifest.config;
    if (config.size > max_config_bytes)
        return Error(Errc::Exhausted, fmt::format("image configuration of {} bytes", config.size));
    auto fetched = with_retries(context, options_, [&]() -> Result<std::string> {
        auto opened = TRY(connection.blob(context, config.digest, 0));
        return opened.body->read_all(config.size);
    });
    auto bytes = TRY(std::move(fetched).in("image configuration " + config.digest.text()));
    Hasher hasher(config.digest.algorithm());
    hasher.update(bytes);
    auto actual = hasher.finish();
    if (bytes.size() != config.size || actual != config.digest)
        return Error(Errc::Invalid,
                     fmt::format("image configuration {}: its content is {}", config.digest.text(), actual.text()));
    return parse_image_config(std::move(bytes));
}

Result<void> Puller::check_config(const Image& image, const Found& found, const Reference& reference) const {
    if (image.config.os != "linux")
        return Error(Errc::Unsupported, fmt::format("image operating system \"{}\" cannot be used on this platform",
                                                    printable(image.config.os)));
    if (image.layers.size() != found.manifest.layers.size())
        return Error(Errc::Invalid, fmt::format("manifest and configuration do not belong together: {} and {} layers",
                                                found.manifest.layers.size(), image.layers.size()));
    if (request_.platform.empty()) return {};
    auto wanted = TRY(Platform::parse(request_.platform));
    if (wanted.architecture == image.config.architecture && wanted.os == image.config.os) return {};
    Platform actual{image.config.os, image.config.architecture, image.config.variant};
    return Error(
        Errc::NotFound,
        fmt::format("image with reference {} was found but does not provide the specified platform ({}): it is for {}",
                    reference.familiar(), wanted.text(), actual.text()));
}

Result<void> Puller::fetch_layers(const Context& context, RegistryConnection& connection, const Image& image,
                                  const Found& found, const std::string& repository) {
    std::vector<Layer> wanted;
    std::set<Digest> seen;
    for (std::size_t i = 0; i < image.layers.size(); ++i) {
        const auto& blob = found.manifest.layers[i];
        Layer layer{blob, image.layers[i], short_id(blob.digest.text())};
        pins_.push_back(images_.layers().pin(layer.diff_id));
        if (!seen.insert(layer.diff_id).second || images_.layers().has(layer.diff_id)) {
            lines_.say(layer.id, "Already exists");
            continue;
        }
        lines_.say(layer.id, "Pulling fs layer");
        wanted.push_back(std::move(layer));
    }
    for (std::size_t i = options_.parallel_downloads; i < wanted.size(); ++i) lines_.say(wanted[i].id, "Waiting");
    std::shared_ptr<RegistrySession> session = connection.shared_session();
    return run_in_parallel(context, wanted.size(), options_.parallel_downloads, "image-pull",
                           [&](const Context& inner, std::size_t index) {
                               RegistryConnection own(session, repository, connection.scopes());
                               return fetch_layer(inner, own, wanted[index]);
                           });
}

// Downloaded, verified and unpacked in one pass; it becomes a layer only if both digests are what they should be.
Result<void> Puller::fetch_layer(const Context& context, RegistryConnection& connection, const Layer& layer) {
    auto guard = layer_locks_.lock(layer.diff_id.text());
    auto& layers = images_.layers();
    if (layers.has(layer.diff_id)) {  // by another pull, meanwhile
        lines_.say(layer.id, "Already exists");
        return {};
    }
    auto doing = "layer " + layer.blob.digest.text();
    auto writer = TRY(images_.blobs().begin({.digest = layer.blob.digest, .size = layer.blob.size}));
    BlobDownload download(context, connection, layer.blob, layer.id, writer, lines_);
    Decompressed plain(download);
    auto unpacked = TRY(layers.unpack(context, plain, LayerStore::KeepTar::No).in(doing));
    for (;;)
        if (auto rest = TRY(download.next().in(doing)); rest.bytes.empty()) break;
    lines_.say(layer.id, "Extracting", layer.blob.size, layer.blob.size);
    auto kept = TRY(writer.commit().in("filesystem layer verification failed"));
    if (unpacked.diff_id != layer.diff_id) {
        if (!layers.layer_of_blob(kept)) ignore(images_.blobs().remove(kept), "recover() removes it");
        return Error(Errc::Invalid, fmt::format("{}: it unpacks to {}, the configuration says {}", doing,
                                                unpacked.diff_id.text(), layer.diff_id.text()));
    }
    unpacked.blobs.push_back(layer.blob);
    TRY(layers.commit(std::move(unpacked)));
    lines_.say(layer.id, "Pull complete");
    return {};
}

}  // namespace pila::image

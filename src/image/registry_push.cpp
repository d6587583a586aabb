// SPDX-License-Identifier: Apache-2.0
#include "image/registry_push.h"

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "base/text.h"
#include "image/compression.h"
#include "image/registry_workers.h"
#include "image/text_reader.h"

namespace pila::image {

namespace {

// A piece of a blob's file.
class FilePiece : public http::BodyReader {
public:
    FilePiece(Fd file, std::uint64_t offset, std::uint64_t count)
        : file_(std::move(file)), offset_(offset), left_(count) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        size = std::min<std::uint64_t>(size, left_);
        for (;;) {
            auto got = ::pread(file_.get(), buffer, size, static_cast<off_t>(offset_));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return Error::from_errno(errno, "read blob");
            offset_ += static_cast<std::uint64_t>(got);
            left_ -= static_cast<std::uint64_t>(got);
            return static_cast<std::size_t>(got);
        }
    }

private:
    Fd file_;
    std::uint64_t offset_, left_;
};

bool is_docker_layer(const LayerBlob& blob) { return blob.media_type == media::docker_layer; }

std::string oci_type(const std::string& media_type) {
    return media_type == media::docker_layer ? media::oci_layer_gzip : media_type;
}

Result<bool> look_for(const Context& context, RegistryConnection& connection, const Digest& digest,
                      std::uint64_t size) {
    return with_retries(context, connection.session().options(),
                        [&] { return connection.has_blob(context, digest, size); });
}

Error push_error(Error error, const Reference& reference) {
    if (error.code() != Errc::Unauthenticated && error.code() != Errc::Denied) return error;
    if (error.message().starts_with("denied") || error.message().starts_with("unauthorized") ||
        error.message().find("no basic auth") != std::string::npos)
        return error;
    return std::move(error).in("push access denied for " + reference.familiar_name());
}

}  // namespace

Result<PushResult> Pusher::run(const Context& context, const Reference& reference, const ImagePointer& image) {
    lines_.say("", fmt::format("The push refers to repository [{}/{}]", reference.domain, reference.path));
    auto session = RegistrySession::open(context, places_of(reference.domain, options_, true), auth_, options_);
    if (!session) return push_error(session.take_error(), reference);
    mount_from_ = mount_sources(*image, reference);
    auto scopes = fmt::format("repository:{}:pull,push", reference.path);
    for (const auto& source : mount_from_) scopes += fmt::format(" repository:{}:pull", source);
    RegistryConnection connection(session.take(), reference.path, scopes);

    std::vector<LayerPin> pins;
    for (auto layer = image->layers.rbegin(); layer != image->layers.rend(); ++layer) {
        pins.push_back(images_.layers().pin(*layer));
        lines_.say(short_id(layer->text()), "Preparing");
    }
    auto known = original(context, connection, *image, reference.familiar_name());
    auto plan = known ? std::move(*known) : TRY(compose(context, *image));
    auto pushed = push_layers(context, connection, *image, plan);
    if (pushed) pushed = push_config(context, connection, *image, plan);
    auto put = [&] {
        return connection.put_manifest(context, reference.tag, plan.bytes, plan.manifest.media_type, plan.digest);
    };
    if (pushed) pushed = with_retries(context, options_, put);
    if (!pushed) return push_error(pushed.take_error(), reference);

    TRY(images_.blobs().put(plan.bytes));
    TRY(images_.add(*image, {.tags = {}, .repo_digests = {reference.familiar_name() + "@" + plan.digest.text()}}));
    lines_.say("", fmt::format("{}: digest: {} size: {}", reference.tag, plan.digest.text(), plan.bytes.size()));
    return PushResult{reference.tag, plan.digest, plan.bytes.size()};
}

// Repositories of the same registry that have this image: the registry can copy from there.
std::vector<std::string> Pusher::mount_sources(const Image& image, const Reference& reference) const {
    std::vector<std::string> sources;
    for (const auto& name : image.repo_digests) {
        auto other = Reference::parse(name);
        if (!other || other->domain != reference.domain || other->path == reference.path) continue;
        if (std::find(sources.begin(), sources.end(), other->path) == sources.end() && sources.size() < 4)
            sources.push_back(other->path);
    }
    return sources;
}

// The manifest it came with, if every blob in it is here or there.
std::optional<Pusher::Plan> Pusher::original(const Context& context, RegistryConnection& connection, const Image& image,
                                             const std::string& repository) {
    for (const auto& bytes : images_.manifests_of(image, repository)) {
        auto parsed = parse_manifest(bytes, "");
        if (!parsed || !parsed->manifest || parsed->media_type.empty()) continue;
        const auto& layers = parsed->manifest->layers;
        bool complete = std::all_of(layers.begin(), layers.end(), [&](const LayerBlob& blob) {
            return images_.blobs().has(blob.digest) ||
                   look_for(context, connection, blob.digest, blob.size).value_or(false);
        });
        if (complete) return Plan{std::move(*parsed->manifest), bytes, Digest::of(bytes)};
    }
    return std::nullopt;
}

Result<Pusher::Plan> Pusher::compose(const Context& context, const Image& image) {
    Plan plan;
    auto& layers = plan.manifest.layers;
    layers.resize(image.layers.size());
    auto done = run_in_parallel(
        context, layers.size(), 2, "image-compress", [&](const Context& inner, std::size_t index) -> Result<void> {
            auto forms = images_.layers().blobs(image.layers[index]);
            auto usable = std::find_if(forms.begin(), forms.end(),
                                       [&](const auto& form) { return images_.blobs().has(form.digest); });
            if (usable != forms.end())
                layers[index] = *usable;
            else
                layers[index] = TRY(compress(inner, image.layers[index]));
            return {};
        });
    TRY(std::move(done));
    bool docker = std::all_of(layers.begin(), layers.end(), is_docker_layer);
    for (auto& layer : layers)
        if (!docker) layer.media_type = oci_type(layer.media_type);
    plan.manifest.media_type = docker ? media::docker_manifest : media::oci_manifest;
    plan.manifest.config = {image.id, image.config_json.size(), docker ? media::docker_config : media::oci_config,
                            std::nullopt};
    plan.bytes = write_manifest(plan.manifest);
    plan.digest = Digest::of(plan.bytes);
    return plan;
}

// Once: the next push finds the same bytes.
Result<LayerBlob> Pusher::compress(const Context& context, const Digest& diff_id) {
    auto tar = TRY(images_.layers().open_tar(diff_id));
    auto writer = TRY(images_.blobs().begin());
    auto gzip = gzip_compressor([&](std::string_view bytes) { return writer.write(bytes); });
    auto buffer = std::make_unique_for_overwrite<char[]>(chunk_bytes);
    while (auto got = TRY(tar->read(buffer.get(), chunk_bytes))) {
        TRY(context.check());
        TRY(gzip->write({buffer.get(), got}));
    }
    TRY(gzip->finish());
    LayerBlob blob;
    blob.size = writer.size();
    blob.digest = TRY(writer.commit());
    blob.media_type = media::docker_layer;
    TRY(images_.layers().add_blob(diff_id, blob));
    return blob;
}

Result<void> Pusher::push_layers(const Context& context, RegistryConnection& connection, const Image& image,
                                 const Plan& plan) {
    struct Item {
        LayerBlob blob;
        std::string id;
    };
    std::vector<Item> items;
    std::set<Digest> seen;
    for (std::size_t i = plan.manifest.layers.size(); i-- > 0;)
        if (seen.insert(plan.manifest.layers[i].digest).second)
            items.push_back({plan.manifest.layers[i], short_id(image.layers[i].text())});
    for (std::size_t i = options_.parallel_uploads; i < items.size(); ++i) lines_.say(items[i].id, "Waiting");
    auto session = connection.shared_session();
    auto repository = connection.repository();
    return run_in_parallel(context, items.size(), options_.parallel_uploads, "image-push",
                           [&](const Context& inner, std::size_t index) {
                               RegistryConnection own(session, repository, connection.scopes());
                               return push_layer(inner, own, items[index].blob, items[index].id, mount_from_);
                           });
}

Result<void> Pusher::push_layer(const Context& context, RegistryConnection& connection, const LayerBlob& blob,
                                const std::string& id, const std::vector<std::string>& mount_from) {
    bool there = TRY(look_for(context, connection, blob.digest, blob.size));
    if (there) {
        lines_.say(id, "Layer already exists");
        return {};
    }
    for (const auto& source : mount_from) {
        bool mounted = TRY(connection.mount(context, blob.digest, source));
        if (!mounted) continue;
        lines_.say(id, "Mounted from " + source);
        return {};
    }
    TransferBar bar(lines_, id, "Pushing", blob.size);
    auto open = [&](std::uint64_t offset, std::uint64_t count) -> Result<std::unique_ptr<http::BodyReader>> {
        return std::unique_ptr<http::BodyReader>(
            std::make_unique<FilePiece>(TRY(images_.blobs().open(blob.digest)), offset, count));
    };
    TRY(connection.upload(context, blob.digest, blob.size, open, [&](std::uint64_t bytes) { bar.add(bytes); }));
    lines_.say(id, "Pushed");
    return {};
}

Result<void> Pusher::push_config(const Context& context, RegistryConnection& connection, const Image& image,
                                 const Plan& plan) {
    const auto& config = plan.manifest.config;
    bool there = TRY(look_for(context, connection, config.digest, config.size));
    if (there) return {};
    auto open = [&](std::uint64_t offset, std::uint64_t count) -> Result<std::unique_ptr<http::BodyReader>> {
        return std::unique_ptr<http::BodyReader>(
            std::make_unique<TextReader>(std::string_view(image.config_json).substr(offset, count)));
    };
    return connection.upload(context, config.digest, config.size, open, nullptr);
}

}  // namespace pila::image

// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "base/text.h"
#include "image/compression.h"
#include "image/image_config.h"
#include "image/image_store_internal.h"

namespace pila::image {

namespace {

// Passes on what it reads as long as somebody waits for it.
class CheckedChunks final : public ChunkReader {
public:
    CheckedChunks(const Context& context, ChunkReader& from) : context_(context), from_(from) {}
    Result<Chunk> next() override {
        TRY(context_.check());
        return from_.next();
    }

private:
    const Context& context_;
    ChunkReader& from_;
};

// "linux/arm64/v8"
Result<void> set_platform(ImageConfig& config, std::string_view platform) {
    config.os = "linux";
    config.architecture = machine_architecture();
    if (platform.empty()) return {};
    auto parts = split(platform, '/');
    if (parts.size() > 3)
        return Error(Errc::Invalid, fmt::format("\"{}\" is an invalid component of a platform", printable(platform)));
    config.os = to_lower(parts[0]);
    if (parts.size() > 1) config.architecture = parts[1];
    if (parts.size() > 2) config.variant = parts[2];
    if (config.os != "linux")
        return Error(Errc::Invalid, fmt::format("operating system is not supported: {}", config.os));
    return {};
}

}  // namespace

Result<ImagePointer> Images::import(const Context& context, http::BodyReader& tar, const ImportRequest& request) {
    NewImage image;
    TRY(set_platform(image.config, request.platform));
    TRY(apply_changes(image.config, request.changes));
    Names names;
    if (!request.reference.empty()) {
        auto reference = TRY(Reference::parse(request.reference));
        if (!reference.digest.empty()) return Error(Errc::Invalid, "cannot import digest reference");
        names.tags.push_back(reference.familiar());
    }
    BodyChunks body(tar);
    CheckedChunks checked(context, body);
    Decompressed plain(checked);
    auto layer = TRY(layers_->unpack(context, plain, LayerStore::KeepTar::Recipe).in("import"));
    auto pin = layers_->pin(layer.diff_id);
    image.layers.push_back(layer.diff_id);
    TRY(layers_->commit(std::move(layer)));
    image.config.created = rfc3339_nano(now_wall());
    image.config.comment = request.message.empty() ? "Imported from -" : request.message;
    HistoryEntry entry;
    entry.created = image.config.created;
    entry.comment = image.config.comment;
    image.history.push_back(std::move(entry));
    auto parsed = TRY(parse_image_config(write_image_config(image)));
    return TRY(add(std::move(parsed), names)).image;
}

}  // namespace pila::image

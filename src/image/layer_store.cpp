// SPDX-License-Identifier: Apache-2.0
#include "image/layer_store.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>
#include <exception>
#include <thread>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "image/compression.h"
#include "image/layer_extractor.h"
#include "os/file.h"

namespace pila::image {

UnpackedLayer::UnpackedLayer(UnpackedLayer&& other) noexcept
    : diff_id(std::move(other.diff_id)),
      size(other.size),
      tar_size(other.tar_size),
      blobs(std::move(other.blobs)),
      path_(std::exchange(other.path_, {})) {}

UnpackedLayer& UnpackedLayer::operator=(UnpackedLayer&& other) noexcept {
    std::swap(diff_id, other.diff_id);
    std::swap(size, other.size);
    std::swap(tar_size, other.tar_size);
    std::swap(blobs, other.blobs);
    std::swap(path_, other.path_);
    return *this;
}

UnpackedLayer::~UnpackedLayer() {
    if (!path_.empty()) ignore(os::remove_tree(path_), "recover() empties tmp/");
}

LayerPin::~LayerPin() {
    if (store_) store_->unpin(diff_id_);
}

Result<std::unique_ptr<LayerStore>> LayerStore::create(const std::string& data_directory, BlobStore& blobs) {
    TRY(os::make_directories(data_directory + "/layers", 0711));
    TRY(os::make_directories(data_directory + "/tmp", 0700));
    std::unique_ptr<LayerStore> store(new LayerStore(data_directory, blobs));
    TRY(store->read_all());
    return store;
}

std::string LayerStore::path(const Digest& diff_id) const {
    return fmt::format("{}/layers/{}", data_directory_, diff_id.hex());
}
std::string LayerStore::tree(const Digest& diff_id) const { return path(diff_id) + "/tree"; }

Result<void> LayerStore::read_all() {
    auto names = TRY(os::list_directory(data_directory_ + "/layers"));
    Lock lock(mutex_);
    for (const auto& name : names) {
        auto diff_id = Digest::parse("sha256:" + name);
        if (!diff_id) continue;
        auto layer = read_layer(path(*diff_id));
        if (layer)
            layers_.emplace(diff_id.take(), layer.take());
        else
            log::warning("layer {} is damaged and will not be used: {}", name, layer.error().message());
    }
    return {};
}

Result<LayerStore::Layer> LayerStore::read_layer(const std::string& path) const {
    Layer layer;
    auto text = TRY(os::read_file(path + "/size", 64));
    auto numbers = split(trim(text), ' ');
    auto size = parse_uint(numbers.front()), tar_size = parse_uint(numbers.back());
    if (numbers.size() != 2 || !size || !tar_size) return Error(Errc::Internal, "its size is not two numbers");
    layer.size = *size;
    layer.tar_size = *tar_size;
    auto blobs = os::read_file(path + "/blobs", 1 << 20);
    if (!blobs) return layer;
    for (auto line : split(*blobs, '\n')) {
        auto parts = split(line, ' ');
        if (parts.size() != 3) continue;
        auto digest = Digest::parse(parts[0]);
        auto bytes = parse_uint(parts[1]);
        if (digest && bytes && blobs_.has(*digest))
            layer.blobs.push_back({digest.take(), *bytes, std::string(parts[2])});
    }
    return layer;
}

static std::string blobs_text(const std::vector<LayerBlob>& blobs) {
    std::string text;
    for (const auto& blob : blobs) text += fmt::format("{} {} {}\n", blob.digest.text(), blob.size, blob.media_type);
    return text;
}

bool LayerStore::has(const Digest& diff_id) const {
    Lock lock(mutex_);
    return layers_.contains(diff_id);
}

std::optional<std::uint64_t> LayerStore::size(const Digest& diff_id) const {
    Lock lock(mutex_);
    auto found = layers_.find(diff_id);
    return found == layers_.end() ? std::nullopt : std::optional(found->second.size);
}

std::optional<std::uint64_t> LayerStore::tar_size(const Digest& diff_id) const {
    Lock lock(mutex_);
    auto found = layers_.find(diff_id);
    return found == layers_.end() ? std::nullopt : std::optional(found->second.tar_size);
}

std::vector<Digest> LayerStore::all() const {
    Lock lock(mutex_);
    std::vector<Digest> digests;
    for (const auto& [digest, layer] : layers_) digests.push_back(digest);
    return digests;
}

LayerPin LayerStore::pin(const Digest& diff_id) {
    Lock lock(mutex_);
    ++pins_[diff_id];
    return LayerPin(this, diff_id);
}

void LayerStore::unpin(const Digest& diff_id) {
    Lock lock(mutex_);
    auto found = pins_.find(diff_id);
    if (--found->second == 0) pins_.erase(found);
}

Result<UnpackedLayer> LayerStore::begin() {
    UnpackedLayer layer(fmt::format("{}/tmp/layer-{}", data_directory_, random_hex(16)));
    TRY(os::make_directory(layer.path(), 0711));
    TRY(os::make_directory(layer.path() + "/tree"));
    return layer;
}

static Result<std::uint64_t> extract_all(ChunkReader& chunks, const std::string& path, RecipeWriter* recipe,
                                         const Context& context) {
    // A thread's own umask: modes are then right from the start and need no call of their own.
    bool own = ::unshare(CLONE_FS) == 0;
    if (own) ::umask(0);
    ::pthread_setname_np(::pthread_self(), "image-unpack");
    auto extractor = TRY(LayerExtractor::create(
        path + "/tree", {.recipe = recipe, .kept_directory = path + "/kept", .own_umask = own, .context = &context}));
    TarReader reader(chunks, recipe);
    TarEntry entry;
    for (;;) {
        bool more = TRY(reader.next(entry));
        if (!more) break;
        TRY(extractor->extract(entry, reader));
    }
    TRY(reader.drain());
    TRY(extractor->finish());
    if (recipe) TRY(recipe->finish());
    return extractor->size();
}

Result<UnpackedLayer> LayerStore::unpack(const Context& context, ChunkReader& tar, KeepTar keep) {
    auto layer = TRY(begin());
    std::unique_ptr<RecipeWriter> recipe;
    if (keep == KeepTar::Recipe) recipe = TRY(RecipeWriter::create(layer.path() + "/recipe.zst"));
    ChunkQueue queue;
    Result<std::uint64_t> extracted = Error(Errc::Internal, "unpack: nothing was done");
    std::thread worker([&] {
        try {
            extracted = extract_all(queue, layer.path(), recipe.get(), context);
        } catch (const std::exception& exception) {
            extracted = Error(Errc::Internal, fmt::format("unpack: {}", exception.what()));
        }
        if (!extracted) queue.abandon(extracted.error());
    });
    HashingChunks hashing(tar);
    for (;;) {
        auto chunk = hashing.next();
        if (!chunk) {
            queue.finish(chunk.take_error());
            break;
        }
        if (chunk->bytes.empty()) {
            queue.finish();
            break;
        }
        if (!queue.push(chunk.take())) break;
    }
    worker.join();
    layer.size = TRY(std::move(extracted));
    layer.diff_id = hashing.finish();
    layer.tar_size = hashing.count();
    return layer;
}

Result<void> LayerStore::commit(UnpackedLayer layer) {
    if (has(layer.diff_id)) {
        for (const auto& blob : layer.blobs) TRY(add_blob(layer.diff_id, blob));
        return {};
    }
    TRY(os::replace_file(layer.path() + "/size", fmt::format("{} {}\n", layer.size, layer.tar_size), 0600,
                         os::Sync::No));
    if (!layer.blobs.empty())
        TRY(os::replace_file(layer.path() + "/blobs", blobs_text(layer.blobs), 0600, os::Sync::No));
    TRY(os::replace_file(layer.path() + "/unsynced", boot_id(), 0600, os::Sync::No));
    PILA_FAILPOINT("image.layer.before-rename");
    Lock lock(mutex_);
    auto place = path(layer.diff_id);
    if (::rename(layer.path().c_str(), place.c_str()) < 0) {
        // Another operation was first; or a damaged layer is in the way, which nothing can be using.
        if (layers_.contains(layer.diff_id)) return {};
        if (errno != ENOTEMPTY && errno != EEXIST) return Error::from_errno(errno, "rename to " + place);
        TRY(os::rename(place, fmt::format("{}/tmp/damaged-{}", data_directory_, random_hex(16))));
        TRY(os::rename(layer.path(), place));
    }
    janitor_.sync_then_unlink(place + "/unsynced");
    layers_[layer.diff_id] = {layer.size, layer.tar_size, layer.blobs};
    layer.path_.clear();
    return {};
}

namespace {

// Fails at the end if what passed is not what it should be.
class VerifyingReader final : public http::BodyReader {
public:
    VerifyingReader(std::unique_ptr<http::BodyReader> from, Digest expected)
        : from_(std::move(from)), expected_(std::move(expected)) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        if (verified_) return std::size_t{0};
        auto got = TRY(from_->read(buffer, size));
        hasher_.update({buffer, got});
        if (got > 0 || size == 0) return got;
        verified_ = true;
        if (hasher_.finish() == expected_) return got;
        return Error(Errc::Internal, fmt::format("layer {} was changed on disk", expected_.text()));
    }

private:
    std::unique_ptr<http::BodyReader> from_;
    Digest expected_;
    Hasher hasher_;
    bool verified_ = false;
};

class DecompressingReader final : public http::BodyReader {
public:
    explicit DecompressingReader(Fd file) : file_(std::move(file)) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        if (current_.bytes.empty()) current_ = TRY(plain_.next());
        auto part = std::min(size, current_.bytes.size());
        current_.bytes.copy(buffer, part);
        current_.bytes.remove_prefix(part);
        return part;
    }

private:
    Fd file_;
    FileChunks compressed_{file_};
    Decompressed plain_{compressed_};
    Chunk current_;
};

}  // namespace

Result<std::unique_ptr<http::BodyReader>> LayerStore::open_tar(const Digest& diff_id) const {
    if (!has(diff_id)) return Error(Errc::NotFound, fmt::format("layer {} is not there", diff_id.text()));
    auto base = path(diff_id);
    std::unique_ptr<http::BodyReader> reader;
    if (os::exists(base + "/recipe.zst")) {
        reader = TRY(open_recipe(base + "/recipe.zst", base + "/tree", base + "/kept"));
    } else {
        auto forms = blobs(diff_id);
        if (forms.empty())
            return Error(Errc::Internal, fmt::format("layer {}: nothing gives its tar back", diff_id.text()));
        reader = std::make_unique<DecompressingReader>(TRY(blobs_.open(forms.front().digest)));
    }
    return std::unique_ptr<http::BodyReader>(std::make_unique<VerifyingReader>(std::move(reader), diff_id));
}

bool LayerStore::has_recipe(const Digest& diff_id) const { return os::exists(path(diff_id) + "/recipe.zst"); }

std::vector<LayerBlob> LayerStore::blobs(const Digest& diff_id) const {
    Lock lock(mutex_);
    auto found = layers_.find(diff_id);
    return found == layers_.end() ? std::vector<LayerBlob>() : found->second.blobs;
}

Result<void> LayerStore::add_blob(const Digest& diff_id, const LayerBlob& blob) {
    Lock lock(mutex_);
    auto found = layers_.find(diff_id);
    if (found == layers_.end()) return Error(Errc::NotFound, fmt::format("layer {} is not there", diff_id.text()));
    for (const auto& known : found->second.blobs)
        if (known.digest == blob.digest) return {};
    auto blobs = found->second.blobs;
    blobs.push_back(blob);
    TRY(os::replace_file(path(diff_id) + "/blobs", blobs_text(blobs), 0600, os::Sync::No));
    found->second.blobs = std::move(blobs);
    return {};
}

std::optional<Digest> LayerStore::layer_of_blob(const Digest& blob) const {
    Lock lock(mutex_);
    for (const auto& [diff_id, layer] : layers_)
        for (const auto& form : layer.blobs)
            if (form.digest == blob) return diff_id;
    return std::nullopt;
}

Result<bool> LayerStore::remove(const Digest& diff_id) {
    auto grave = fmt::format("{}/tmp/removed-{}", data_directory_, random_hex(16));
    Layer layer;
    {
        Lock lock(mutex_);
        auto found = layers_.find(diff_id);
        if (found == layers_.end() || pins_.contains(diff_id)) return false;
        TRY(os::rename(path(diff_id), grave));
        layer = std::move(found->second);
        layers_.erase(found);
    }
    PILA_FAILPOINT("image.layer.removed");
    for (const auto& blob : layer.blobs) TRY(blobs_.remove(blob.digest));
    janitor_.remove(std::move(grave));
    return true;
}

}  // namespace pila::image

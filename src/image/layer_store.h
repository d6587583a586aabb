// SPDX-License-Identifier: Apache-2.0
#pragma once
// Layers by the digest of their uncompressed tar (diff id), each unpacked once for all images.
//
// Files: DATA_DIR/layers/HEX/ with tree/ (overlay's form), size (bytes of all files, decimal), and what gives the tar
// back: recipe.zst (and kept/, see recipe.h), or blobs (lines "digest size media-type"), compressed forms in the blob
// store. A layer is made below DATA_DIR/tmp and appears by one rename. Threads: any.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/mutex.h"
#include "image/blob_store.h"
#include "image/chunk.h"
#include "image/janitor.h"

namespace pila::image {

// A compressed form of a layer's tar as a registry has it.
struct LayerBlob {
    Digest digest;
    std::uint64_t size = 0;
    std::string media_type;
};

// Half-made: goes away with this object unless it is committed.
class UnpackedLayer {
public:
    UnpackedLayer() = default;
    explicit UnpackedLayer(std::string path) : path_(std::move(path)) {}
    UnpackedLayer(UnpackedLayer&& other) noexcept;
    UnpackedLayer& operator=(UnpackedLayer&& other) noexcept;
    ~UnpackedLayer();

    Digest diff_id;
    std::uint64_t size = 0;      // of all files' contents
    std::uint64_t tar_size = 0;  // of the uncompressed tar
    std::vector<LayerBlob> blobs;
    const std::string& path() const { return path_; }

private:
    friend class LayerStore;
    std::string path_;
};

// Keeps a layer from being removed while some operation counts on it.
class LayerPin {
public:
    LayerPin(class LayerStore* store, Digest diff_id) : store_(store), diff_id_(std::move(diff_id)) {}
    LayerPin(LayerPin&& other) noexcept
        : store_(std::exchange(other.store_, nullptr)), diff_id_(std::move(other.diff_id_)) {}
    LayerPin& operator=(LayerPin&&) = delete;
    ~LayerPin();

private:
    LayerStore* store_;
    Digest diff_id_;
};

class LayerStore {
public:
    static Result<std::unique_ptr<LayerStore>> create(const std::string& data_directory, BlobStore& blobs);

    bool has(const Digest& diff_id) const;
    std::optional<std::uint64_t> size(const Digest& diff_id) const;
    std::optional<std::uint64_t> tar_size(const Digest& diff_id) const;
    std::vector<Digest> all() const;
    std::string tree(const Digest& diff_id) const;
    bool has_recipe(const Digest& diff_id) const;  // otherwise a blob gives its tar back
    [[nodiscard]] LayerPin pin(const Digest& diff_id);

    enum class KeepTar : std::uint8_t { Recipe, No };  // No: a compressed blob is kept instead
    // Reads an uncompressed tar to its end. Uses one more thread.
    Result<UnpackedLayer> unpack(const Context& context, ChunkReader& tar, KeepTar keep);
    // A directory below tmp/ for a layer that is made some other way.
    Result<UnpackedLayer> begin();
    // Makes it a layer; one that is there already stays. Its blobs must be in the blob store.
    Result<void> commit(UnpackedLayer layer);

    // The uncompressed tar, byte for byte; the last read fails if it no longer has the diff id.
    Result<std::unique_ptr<http::BodyReader>> open_tar(const Digest& diff_id) const;
    std::vector<LayerBlob> blobs(const Digest& diff_id) const;
    // Remembers a compressed form that is in the blob store.
    Result<void> add_blob(const Digest& diff_id, const LayerBlob& blob);
    std::optional<Digest> layer_of_blob(const Digest& blob) const;

    // false: pinned or not there. Its name is gone when this returns, its files soon after.
    Result<bool> remove(const Digest& diff_id);

    // After a start: layers that may not have reached the disk are checked, repaired or dropped. Before anything uses
    // them.
    Result<void> recover();
    Janitor& janitor() { return janitor_; }

private:
    friend class LayerPin;
    struct Layer {
        std::uint64_t size = 0, tar_size = 0;
        std::vector<LayerBlob> blobs;
    };
    LayerStore(std::string data_directory, BlobStore& blobs)
        : data_directory_(std::move(data_directory)), blobs_(blobs), janitor_(data_directory_) {}
    Result<void> read_all();
    Result<Layer> read_layer(const std::string& path) const;
    void unpin(const Digest& diff_id);
    Result<void> check_or_repair(const Digest& diff_id);
    Result<void> drop(const Digest& diff_id);
    std::string path(const Digest& diff_id) const;

    std::string data_directory_;
    BlobStore& blobs_;
    mutable Mutex mutex_;
    std::map<Digest, Layer> layers_ GUARDED_BY(mutex_);
    std::map<Digest, int> pins_ GUARDED_BY(mutex_);
    Janitor janitor_;
};

}  // namespace pila::image

// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one ImageStore, for the files of this room: names and records in memory, each change one transaction of the node
// store ("image/HEX": a line of JSON, then the configuration's bytes). Lock order: writes_, then state_.

#include <list>
#include <map>
#include <set>

#include "base/mutex.h"
#include "image/blob_store.h"
#include "image/image_store.h"
#include "image/layer_store.h"

namespace pila::image {

class Images final : public ImageStore {
public:
    static Result<std::unique_ptr<Images>> create(const std::string& data_directory, store::Store& store);

    Result<void> recover() override;
    Result<std::vector<std::string>> load(const Context& context, http::BodyReader& archive,
                                          const ProgressSink& progress) override;
    Result<ImagePointer> import(const Context& context, http::BodyReader& tar, const ImportRequest& request) override;
    Result<void> save(const Context& context, const std::vector<std::string>& names, http::BodyWriter& out) override;
    Result<ImagePointer> commit(const Context& context, const CommitRequest& request) override;
    Result<ImagePointer> find(std::string_view reference) override;
    std::vector<ImagePointer> list() override;
    Result<void> tag(std::string_view source, std::string_view target) override;
    Result<Removed> remove(std::string_view reference, bool force, bool prune_parents, const InUse& in_use) override;
    Result<void> collect(const InUse& in_use) override;
    Result<std::vector<std::string>> layer_directories(const Image& image) override;
    Result<ImagePointer> add_step(const Context& context, StepRequest request) override;  // image_steps.cpp
    Result<ImagePointer> finish_steps(const Digest& id, const std::vector<std::string>& tags) override;
    std::vector<ImagePointer> steps() override;
    Result<Removed> remove_steps(const std::vector<Digest>& ids) override;
    std::string work_directory() const override { return data_directory_ + "/tmp"; }
    std::uint64_t layer_size(const Digest& layer) override { return layers_->size(layer).value_or(0); }
    std::shared_ptr<void> pin(const ImagePointer& image) override;

    BlobStore& blobs() { return *blobs_; }
    LayerStore& layers() { return *layers_; }

    // A new image, or more names for one that is there. All its layers must be there, pinned by the caller.
    struct Names {
        std::vector<std::string> tags;          // "busybox:latest"
        std::vector<std::string> repo_digests;  // "busybox@sha256:..."
    };
    struct Added {
        ImagePointer image;
        std::map<std::string, Digest> renamed;  // names that another image had before
    };
    Result<Added> add(Image image, const Names& names);

    // Manifests that this image came with or was pushed as, as far as their bytes are still here, those of `repository`
    // ("localhost:5000/name") first (registry_manifests.cpp).
    std::vector<std::string> manifests_of(const Image& image, const std::string& repository) const;

    // Archives of docker before 25 name layers by something else than content. What a name turned out to be is
    // remembered, so that loading the same archive again need not unpack it all again.
    void remember_archived(const std::string& key, const Digest& diff_id);
    void forget_archived(const std::string& key);
    std::optional<Digest> archived(const std::string& key) const;

private:
    // The work of remove(), under writes_.
    struct Removal;
    friend struct Removal;

    Images(store::Store& store) : store_(store) {}
    Result<void> read_records();
    Result<void> forget_unused(Removed* removed, const Image& image);
    ImagePointer by_id(const Digest& id) const;
    ImagePointer by_name(const std::string& familiar) const;
    ImagePointer by_prefix(std::string_view prefix) const;
    std::vector<ImagePointer> children(const Digest& id) const;
    bool is_hidden(const Digest& id) const;
    bool is_pinned(const Digest& id) const;
    struct Pin;
    std::set<Digest> manifest_blobs(const std::vector<ImagePointer>& images) const;
    Result<void> forget_manifests(std::set<Digest> candidates);  // unless an image still has them

    // One transaction, then the same in memory.
    struct Update {
        std::vector<std::shared_ptr<const Image>> changed;
        std::vector<Digest> deleted;
        std::set<Digest> hide;
    };
    Result<void> apply(const Update& update);

    std::string data_directory_;
    store::Store& store_;
    std::unique_ptr<BlobStore> blobs_;
    std::unique_ptr<LayerStore> layers_;
    Mutex writes_;
    mutable Mutex state_;
    std::map<Digest, ImagePointer> images_ GUARDED_BY(state_);
    std::map<std::string, Digest> names_ GUARDED_BY(state_);
    std::map<std::string, Digest> archived_ GUARDED_BY(state_);
    std::map<Digest, int> pins_ GUARDED_BY(state_);
    std::set<Digest> hidden_ GUARDED_BY(state_);  // deleted by force while containers use them: their layers stay
};

// First twelve digits, as people see ids.
std::string short_id(std::string_view id);
// Of the layers up to each one, as Docker names them when it deletes (image-spec config.md, "Layer ChainID").
std::vector<Digest> chain_ids(const std::vector<Digest>& diff_ids);

}  // namespace pila::image

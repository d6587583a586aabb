// SPDX-License-Identifier: Apache-2.0
#pragma once
// What was pushed. Files below ROOT (DATA_DIR/registry):
//
//   blobs/ALGORITHM/HEX                              contents, manifests too
//   repositories/NAME/_layers/ALGORITHM/HEX          empty: this repository has that blob; its time is that of its last
//   use repositories/NAME/_manifests/ALGORITHM/HEX       the media type repositories/NAME/_tags/TAG a digest
//   repositories/NAME/_referrers/SUBJECT/HEX         a descriptor of a manifest with that subject
//
// Every change is one rename or unlink, on the disk before the call returns, in an order that never leaves a reference
// to what is not there. Readers take no lock; changes to one repository's manifests and tags are serialised by its
// name. Threads: any.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/keyed_lock.h"
#include "image/blob_store.h"
#include "registry/document.h"
#include "registry/durable_tree.h"
#include "registry/in_flight.h"

namespace pila::registry {

struct StoredManifest {
    std::string media_type, bytes;
    image::Digest digest;
};

class Repositories {
public:
    static Result<std::unique_ptr<Repositories>> create(const std::string& root);

    image::BlobStore& blobs() { return *blobs_; }
    const DurableTree& tree() const { return tree_; }
    InFlight& in_flight() { return in_flight_; }

    Result<std::vector<std::string>> names() const;                               // with a manifest, sorted
    bool exists(const std::string& name) const;                                   // has a manifest
    bool has_blob(const std::string& name, const image::Digest& digest) const;    // counts as a use of it
    Result<void> add_blob(const std::string& name, const image::Digest& digest);  // its content is there
    Result<void> remove_blob(const std::string& name, const image::Digest& digest);

    Result<StoredManifest> manifest(const std::string& name, const image::Digest& digest) const;
    void touch_manifest(const std::string& name, const image::Digest& digest) const;  // it was used now
    bool has_manifest(const std::string& name, const image::Digest& digest) const;
    // The content and what it refers to are there. `tag` may be "".
    Result<void> put_manifest(const std::string& name, const Document& document, const StoredManifest& manifest,
                              const std::string& tag);
    Result<void> remove_manifest(const std::string& name, const image::Digest& digest);  // and the tags that name it
    Result<std::vector<image::Digest>> manifests(const std::string& name) const;

    Result<image::Digest> tag(const std::string& name, const std::string& tag) const;
    Result<void> remove_tag(const std::string& name, const std::string& tag);
    Result<std::vector<std::string>> tags(const std::string& name) const;  // sorted

    Result<std::vector<std::string>> referrers(const std::string& name, const image::Digest& subject) const;

    // Makes `bytes` content; a file becomes content by a link, or by a copy if it must be. Invalid: it is something
    // else.
    Result<void> put_content(const image::Digest& digest, std::string_view bytes);
    Result<void> link_content(const image::Digest& digest, const std::string& file);
    // Content that `file` has too becomes another name of it.
    Result<void> share_content(const image::Digest& digest, const std::string& file);

    // For the collector:
    void forget_blob(const std::string& name, const image::Digest& digest);  // need not outlast a power cut
    struct Use {
        image::Digest digest;
        std::int64_t seconds = 0;  // of its last use
    };
    Result<std::vector<Use>> layer_uses(const std::string& name) const { return uses(name, "_layers"); }
    Result<std::vector<Use>> manifest_uses(const std::string& name) const { return uses(name, "_manifests"); }
    Result<std::vector<std::string>> all_names() const;  // without manifests, too

private:
    explicit Repositories(DurableTree tree) : tree_(std::move(tree)) {}
    std::string place(const std::string& name, std::string_view kind, const image::Digest& digest) const;
    Result<std::vector<Use>> uses(const std::string& name, const char* kind) const;
    std::string directory(const std::string& name) const { return tree_.root() + "/repositories/" + name; }

    DurableTree tree_;
    std::unique_ptr<image::BlobStore> blobs_;
    InFlight in_flight_;
    KeyedLock changes_;
};

}  // namespace pila::registry

// SPDX-License-Identifier: Apache-2.0
#pragma once
// An image archive read once, front to back, in whatever order its entries come: small files are kept in memory, layers
// are unpacked while they stream by, before it is known which image wants them. What is not taken in the end goes away.

#include <list>
#include <map>
#include <thread>

#include "image/image_store_internal.h"
#include "image/tar.h"

namespace pila::image {

struct ArchiveItem {
    enum class Kind : std::uint8_t { Text, Layer, Link } kind = Kind::Text;
    std::string text;  // content, or the path a link leads to
    Digest digest;     // of the bytes in the archive; empty for a layer that was skipped because it is there already
    std::uint64_t size = 0;
    Digest diff_id;  // of a layer
    std::optional<UnpackedLayer> layer;
    std::optional<BlobWriter> blob;  // its compressed form
    std::string media_type;
    std::string seen_key;
};

class ArchiveItems {
public:
    ArchiveItems(Images& images, const Context& context, const ProgressSink& progress);
    ~ArchiveItems();

    Result<void> read(http::BodyReader& archive);
    // Follows links. The path is the archive's (as manifest.json writes it) and cleaned here.
    Result<ArchiveItem*> find(std::string_view path);
    // Makes a layer permanent and keeps it so until this object ends.
    Result<void> take_layer(ArchiveItem& item);
    void pin(const Digest& diff_id) { pins_.push_back(images_.layers().pin(diff_id)); }

private:
    struct Job;
    Result<void> read_entry(const TarEntry& entry, TarReader& reader);
    Result<void> read_file(const std::string& path, const TarEntry& entry, TarReader& reader);
    Result<void> read_text(const std::string& path, std::string head, TarReader& reader);
    Result<void> read_layer(const std::string& path, const TarEntry& entry, std::string head, TarReader& reader);
    Result<bool> skip_known_layer(const std::string& path, const TarEntry& entry);
    Result<bool> skip_seen_layer(const std::string& path, const TarEntry& entry, std::string_view head,
                                 TarReader& reader);
    Result<void> finish_job(Job& job);
    Result<void> finish_jobs(std::size_t leave);

    Images& images_;
    const Context& context_;
    const ProgressSink& progress_;
    std::map<std::string, ArchiveItem> items_;
    std::list<Job> jobs_;
    std::list<LayerPin> pins_;
    std::uint64_t text_bytes_ = 0;
};

}  // namespace pila::image

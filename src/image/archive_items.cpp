// SPDX-License-Identifier: Apache-2.0
#include "image/archive_items.h"

#include <algorithm>
#include <exception>

#include <fmt/core.h>

#include "base/text.h"
#include "image/compression.h"
#include "image/layer_extractor.h"

namespace pila::image {

namespace {

constexpr std::uint64_t max_text_file = 8U << 20;
constexpr std::uint64_t max_text_total = 64U << 20;
constexpr std::size_t max_items = 100'000;
constexpr int max_links = 16;
constexpr std::size_t jobs_at_once = 2;
constexpr std::size_t head_bytes = 64U << 10;  // read before it is decided what to do with a file

bool looks_like_tar(std::string_view head) {
    if (head.size() < 512) return false;
    if (std::all_of(head.begin(), head.begin() + 512, [](char c) { return c == 0; })) return true;  // an empty layer
    return head.substr(257, 5) == "ustar";
}

std::string_view media_type_of(Compression compression) {
    if (compression == Compression::Gzip) return "application/vnd.docker.image.rootfs.diff.tar.gzip";
    if (compression == Compression::Zstd) return "application/vnd.oci.image.layer.v1.tar+zstd";
    return "";  // no registry takes the others
}

// "blobs/sha256/HEX" of an OCI layout; empty for other paths.
Digest digest_of_path(const std::string& path) {
    auto parts = split(path, '/');
    if (parts.size() != 3 || parts[0] != "blobs") return {};
    auto digest = Digest::parse(fmt::format("{}:{}", parts[1], parts[2]));
    return digest ? digest.take() : Digest();
}

}  // namespace

// Decompresses and unpacks on threads of its own what the reader of the archive pushes.
struct ArchiveItems::Job {
    std::string path;
    ChunkQueue queue;
    Result<UnpackedLayer> unpacked = Error(Errc::Internal, "unpack: nothing was done");
    std::thread thread;

    void start(LayerStore& layers, const Context& context, LayerStore::KeepTar keep) {
        thread = std::thread([this, &layers, &context, keep] {
            ::pthread_setname_np(::pthread_self(), "image-load");
            try {
                Decompressed plain(queue);
                unpacked = layers.unpack(context, plain, keep);
            } catch (const std::exception& exception) {
                unpacked = Error(Errc::Internal, fmt::format("unpack: {}", exception.what()));
            }
            if (!unpacked) queue.abandon(unpacked.error());
        });
    }
    ~Job() {
        if (!thread.joinable()) return;
        queue.finish(Error(Errc::Unavailable, "cancelled"));
        thread.join();
    }
};

ArchiveItems::ArchiveItems(Images& images, const Context& context, const ProgressSink& progress)
    : images_(images), context_(context), progress_(progress) {}
ArchiveItems::~ArchiveItems() = default;

Result<void> ArchiveItems::read(http::BodyReader& archive) {
    BodyChunks body(archive);
    Decompressed plain(body);
    TarReader reader(plain);
    TarEntry entry;
    for (;;) {
        bool more = TRY(reader.next(entry));
        if (!more) break;
        TRY(context_.check());
        TRY(read_entry(entry, reader));
    }
    TRY(reader.drain());
    return finish_jobs(0);
}

Result<void> ArchiveItems::read_entry(const TarEntry& entry, TarReader& reader) {
    if (entry.type == TarType::Directory) return {};
    if (items_.size() >= max_items)
        return Error(Errc::Exhausted, fmt::format("archive: more than {} files", max_items));
    auto path = TRY(clean_path(entry.path).in("archive"));
    if (path.empty()) return {};
    if (entry.type == TarType::File) return read_file(path, entry, reader);
    if (entry.type != TarType::SymbolicLink && entry.type != TarType::HardLink) return {};
    auto slash = path.rfind('/');
    bool relative = entry.type == TarType::SymbolicLink && !entry.link.starts_with('/') && slash != std::string::npos;
    auto target = TRY(clean_path(relative ? path.substr(0, slash + 1) + entry.link : entry.link).in("archive"));
    ArchiveItem item;
    item.kind = ArchiveItem::Kind::Link;
    item.text = std::move(target);
    items_[path] = std::move(item);
    return {};
}

Result<void> ArchiveItems::read_file(const std::string& path, const TarEntry& entry, TarReader& reader) {
    bool skipped = TRY(skip_known_layer(path, entry));
    if (skipped) return {};
    std::string head;
    while (head.size() < head_bytes) {
        auto chunk = TRY(reader.content());
        if (chunk.bytes.empty()) break;
        head += chunk.bytes;
    }
    skipped = TRY(skip_seen_layer(path, entry, head, reader));
    if (skipped) return {};
    if (compression_of(head) != Compression::None || looks_like_tar(head))
        return read_layer(path, entry, std::move(head), reader);
    if (entry.size > max_text_file) return {};  // nothing an image has is like this: left to whoever wanted it to miss
    return read_text(path, std::move(head), reader);
}

Result<void> ArchiveItems::read_text(const std::string& path, std::string head, TarReader& reader) {
    ArchiveItem item;
    item.text = std::move(head);
    for (;;) {
        auto chunk = TRY(reader.content());
        if (chunk.bytes.empty()) break;
        item.text += chunk.bytes;
    }
    text_bytes_ += item.text.size();
    if (text_bytes_ > max_text_total) return Error(Errc::Exhausted, "archive: too much that is no layer");
    item.size = item.text.size();
    item.digest = Digest::of(item.text);
    auto named = digest_of_path(path);
    if (!named.empty() && named.algorithm() == "sha256" && named != item.digest)
        return Error(Errc::Invalid, fmt::format("archive: the content of {} is {}", path, item.digest.text()));
    items_[path] = std::move(item);
    return {};
}

// An OCI layout names layers by content: what we have need not be looked at.
Result<bool> ArchiveItems::skip_known_layer(const std::string& path, const TarEntry& entry) {
    auto named = digest_of_path(path);
    if (named.empty()) return false;
    auto& layers = images_.layers();
    auto diff_id = layers.has(named) ? std::optional(named) : layers.layer_of_blob(named);
    if (!diff_id) return false;
    pin(*diff_id);
    if (!layers.has(*diff_id)) return false;  // removed this very moment
    ArchiveItem item;
    item.kind = ArchiveItem::Kind::Layer;
    item.diff_id = *diff_id;
    item.digest = named;
    item.size = entry.size;
    items_[path] = std::move(item);
    return true;
}

// The key of an uncompressed layer that only its path names: path, size, and how it begins.
static std::string seen_key_of(const std::string& path, std::uint64_t size, std::string_view head) {
    return fmt::format("{} {} {}", path, size, Digest::of(head.substr(0, head_bytes)).text());
}

// Only hashed, if it was unpacked from an archive before. Should it turn out to be something else after all, that is an
// error (its bytes are gone), and the next try unpacks it.
Result<bool> ArchiveItems::skip_seen_layer(const std::string& path, const TarEntry& entry, std::string_view head,
                                           TarReader& reader) {
    if (!looks_like_tar(head)) return false;
    auto key = seen_key_of(path, entry.size, head);
    auto diff_id = images_.archived(key);
    if (!diff_id) return false;
    pin(*diff_id);
    if (!images_.layers().has(*diff_id)) return false;
    Hasher hasher;
    for (Chunk chunk{head, nullptr}; !chunk.bytes.empty(); chunk = TRY(reader.content())) {
        hasher.update(chunk.bytes);
        TRY(context_.check());
    }
    if (hasher.finish() != *diff_id) {
        images_.forget_archived(key);
        return Error(Errc::Invalid, fmt::format("archive: {} is not what it was when it was loaded last; load it again",
                                                printable(path)));
    }
    ArchiveItem item;
    item.kind = ArchiveItem::Kind::Layer;
    item.diff_id = *diff_id;
    item.digest = *diff_id;
    item.size = entry.size;
    items_[path] = std::move(item);
    return true;
}

Result<void> ArchiveItems::read_layer(const std::string& path, const TarEntry& entry, std::string head,
                                      TarReader& reader) {
    TRY(finish_jobs(jobs_at_once - 1));
    auto named = digest_of_path(path);
    ArchiveItem item;
    item.kind = ArchiveItem::Kind::Layer;
    item.size = entry.size;
    if (compression_of(head) == Compression::None) item.seen_key = seen_key_of(path, entry.size, head);
    item.media_type = media_type_of(compression_of(head));
    bool keep_blob = !item.media_type.empty();
    if (keep_blob) item.blob = TRY(images_.blobs().begin({.digest = named, .size = entry.size}));
    items_[path] = std::move(item);
    auto& job = jobs_.emplace_back();
    job.path = path;
    job.start(images_.layers(), context_, keep_blob ? LayerStore::KeepTar::No : LayerStore::KeepTar::Recipe);

    Progress progress{.id = named.empty() ? short_id(path) : short_id(named.text()), .status = "Loading layer"};
    progress.total = entry.size;
    auto& blob = items_[path].blob;
    for (Chunk chunk{head, nullptr}; !chunk.bytes.empty();) {
        if (blob) TRY(blob->write(chunk.bytes));
        progress.current += chunk.bytes.size();
        // A reader that has failed says why when it is finished below.
        if (!job.queue.push(std::move(chunk))) break;
        if (progress_) progress_(progress);
        TRY(context_.check());
        chunk = TRY(reader.content());
    }
    job.queue.finish();
    return {};
}

Result<void> ArchiveItems::finish_jobs(std::size_t leave) {
    while (jobs_.size() > leave) {
        TRY(finish_job(jobs_.front()));
        jobs_.pop_front();
    }
    return {};
}

Result<void> ArchiveItems::finish_job(Job& job) {
    job.thread.join();
    auto& item = items_[job.path];
    auto unpacked = std::move(job.unpacked);
    if (!unpacked) return unpacked.take_error().in("archive: " + printable(job.path));
    item.diff_id = unpacked->diff_id;
    item.layer = unpacked.take();
    return {};
}

Result<ArchiveItem*> ArchiveItems::find(std::string_view path) {
    auto name = TRY(clean_path(path).in("archive"));
    for (int links = 0; links < max_links; ++links) {
        auto found = items_.find(name);
        if (found == items_.end()) break;
        if (found->second.kind != ArchiveItem::Kind::Link) return &found->second;
        name = found->second.text;
    }
    return Error(Errc::NotFound, fmt::format("archive: no {} in it", printable(path)));
}

Result<void> ArchiveItems::take_layer(ArchiveItem& item) {
    pin(item.diff_id);
    if (!item.layer) return {};  // taken before, or never unpacked because it was there
    if (item.blob) {
        auto size = item.blob->size();
        auto digest = TRY(item.blob->commit().in("archive"));
        item.blob.reset();
        item.digest = digest;
        item.layer->blobs.push_back({digest, size, item.media_type});
    }
    auto layer = std::move(*item.layer);
    item.layer.reset();
    TRY(images_.layers().commit(std::move(layer)));
    if (!item.seen_key.empty()) images_.remember_archived(item.seen_key, item.diff_id);
    return {};
}

}  // namespace pila::image

// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "image/compression.h"
#include "image/layer_store.h"
#include "os/file.h"

// After a power cut, files of a layer may be empty although their names survived. Layers that were not known to be on
// the disk carry a mark with the boot they were made in; those of an earlier boot are looked at before anybody uses
// them.
namespace pila::image {

static Result<void> read_through(http::BodyReader& reader) {
    std::vector<char> buffer(chunk_bytes);
    for (;;) {
        auto got = TRY(reader.read(buffer.data(), buffer.size()));
        if (got == 0) return {};
    }
}

Result<void> LayerStore::recover() {
    auto boot = boot_id();
    for (const auto& diff_id : all()) {
        auto mark = path(diff_id) + "/unsynced";
        auto made_in = os::read_file(mark, 128);
        if (!made_in) continue;
        if (trim(*made_in) == boot) {  // the daemon was killed, the machine was not
            janitor_.sync_then_unlink(mark);
            continue;
        }
        auto checked = check_or_repair(diff_id);
        if (checked) {
            janitor_.sync_then_unlink(mark);
            continue;
        }
        log::warning(
            "layer {} did not survive the crash of the machine and is dropped; load or pull its images again: {}",
            diff_id.text(), checked.error().message());
        TRY(drop(diff_id));
    }
    return {};
}

Result<void> LayerStore::check_or_repair(const Digest& diff_id) {
    if (os::exists(path(diff_id) + "/recipe.zst")) {
        auto reader = TRY(open_tar(diff_id));
        return read_through(*reader);
    }
    // The blob proves itself, the tree cannot: it is unpacked again.
    auto forms = blobs(diff_id);
    if (forms.empty()) return Error(Errc::Internal, "nothing gives its tar back");
    auto file = TRY(blobs_.open(forms.front().digest));
    FileChunks compressed(file);
    Decompressed plain(compressed);
    auto layer = TRY(unpack({}, plain, KeepTar::No));
    if (layer.diff_id != diff_id) return Error(Errc::Internal, "its blob was damaged");
    auto grave = fmt::format("{}/tmp/damaged-{}", data_directory_, random_hex(16));
    TRY(os::rename(path(diff_id) + "/tree", grave));
    TRY(os::rename(layer.path() + "/tree", path(diff_id) + "/tree"));
    janitor_.remove(grave);
    return {};
}

Result<void> LayerStore::drop(const Digest& diff_id) {
    auto grave = fmt::format("{}/tmp/damaged-{}", data_directory_, random_hex(16));
    Lock lock(mutex_);
    TRY(os::rename(path(diff_id), grave));
    layers_.erase(diff_id);
    janitor_.remove(grave);
    return {};
}

}  // namespace pila::image

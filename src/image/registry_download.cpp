// SPDX-License-Identifier: Apache-2.0
#include "image/registry_download.h"

#include <fmt/core.h>

namespace pila::image {

BlobDownload::BlobDownload(const Context& context, RegistryConnection& connection, const LayerBlob& blob,
                           std::string id, BlobWriter& writer, ProgressLines& lines)
    : context_(context),
      connection_(connection),
      blob_(blob),
      id_(std::move(id)),
      writer_(writer),
      lines_(lines),
      bar_(lines, id_, "Downloading", blob.size) {}

Result<void> BlobDownload::open() {
    auto opened = TRY(connection_.blob(context_, blob_.digest, offset_));
    body_ = std::move(opened.body);
    // No ranges there: pass over what we have.
    for (auto skip = offset_ - opened.start; skip > 0;) {
        auto got = TRY(body_->read(buffer_.get(), std::min<std::uint64_t>(skip, chunk_bytes)));
        if (got == 0) return Error(Errc::Unavailable, fmt::format("blob {} ended early", blob_.digest.text()));
        skip -= got;
    }
    return {};
}

Result<std::size_t> BlobDownload::read() {
    if (!body_) TRY(open());
    auto got = TRY(body_->read(buffer_.get(), chunk_bytes));
    if (got == 0 && offset_ < blob_.size)
        return Error(Errc::Unavailable,
                     fmt::format("blob {} ended after {} of {} bytes", blob_.digest.text(), offset_, blob_.size));
    return got;
}

Result<void> BlobDownload::pause(const Error& error) {
    const auto& options = connection_.session().options();
    body_.reset();
    if (!is_transient(error, context_) || ++failures_ >= options.attempts) return error;
    auto delay = options.retry_delay * (1U << (failures_ - 1));
    auto seconds = std::chrono::ceil<std::chrono::seconds>(delay).count();
    lines_.say(id_, fmt::format("Retrying in {} second{}", seconds, seconds == 1 ? "" : "s"));
    return wait_for_retry(context_, delay);
}

Result<Chunk> BlobDownload::next() {
    while (!done_) {
        auto got = read();
        if (!got) {
            TRY(pause(got.error()));
            continue;
        }
        if (*got == 0) {
            done_ = true;
            body_.reset();
            lines_.say(id_, "Verifying Checksum");
            lines_.say(id_, "Download complete");
            break;
        }
        std::string_view bytes(buffer_.get(), *got);
        TRY(writer_.write(bytes));
        offset_ += bytes.size();
        failures_ = 0;
        bar_.add(bytes.size());
        return Chunk{bytes, nullptr};
    }
    return Chunk{};
}

}  // namespace pila::image

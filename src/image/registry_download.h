// SPDX-License-Identifier: Apache-2.0
#pragma once
// A blob as it comes from a registry, copied to the blob store on its way. A transfer that breaks goes on where it was.

#include "image/blob_store.h"
#include "image/chunk.h"
#include "image/registry_client.h"
#include "image/registry_progress.h"

namespace pila::image {

class BlobDownload final : public ChunkReader {
public:
    BlobDownload(const Context& context, RegistryConnection& connection, const LayerBlob& blob, std::string id,
                 BlobWriter& writer, ProgressLines& lines);
    Result<Chunk> next() override;

private:
    Result<void> open();
    Result<std::size_t> read();
    Result<void> pause(const Error& error);  // before another attempt, or says that there is none
    const Context& context_;
    RegistryConnection& connection_;
    const LayerBlob& blob_;
    const std::string id_;
    BlobWriter& writer_;
    ProgressLines& lines_;
    TransferBar bar_;
    std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(chunk_bytes);
    std::unique_ptr<http::BodyReader> body_;
    std::uint64_t offset_ = 0;
    unsigned failures_ = 0;
    bool done_ = false;
};

}  // namespace pila::image

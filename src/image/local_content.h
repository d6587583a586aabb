// SPDX-License-Identifier: Apache-2.0
#pragma once
// The images that are here as a registry would serve them, without a copy of anything: manifests and compressed layers
// byte for byte as they came; layers that exist only unpacked as the uncompressed tar that their recipe gives back.
// A manifest that has to be made is the same for the same image every time. Threads: any.

#include <functional>

#include "image/image_store.h"

namespace pila::image {

struct LocalManifest {
    std::string media_type, bytes;
    Digest digest;
};

struct LocalBlob {
    std::uint64_t size = 0;
    std::string path;                                                 // of the file with these bytes; "": `open`
    std::function<Result<std::unique_ptr<http::BodyReader>>()> open;  // keeps the layer from being removed meanwhile
};

class LocalContent {
public:
    static std::unique_ptr<LocalContent> create(ImageStore& images);
    virtual ~LocalContent() = default;

    // Repositories are named as people see them: "busybox", "quay.io/some/thing".
    virtual std::vector<std::string> repositories() = 0;
    virtual std::vector<std::string> tags(const std::string& repository) = 0;  // sorted
    virtual Result<LocalManifest> manifest(const std::string& repository, const std::string& tag_or_digest) = 0;
    virtual Result<LocalBlob> blob(const std::string& repository, const Digest& digest) = 0;
    // A file with this content, to link to; "" if there is none.
    virtual std::string file_of(const Digest& digest) const = 0;
};

}  // namespace pila::image

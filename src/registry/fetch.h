// SPDX-License-Identifier: Apache-2.0
#pragma once
// One blob on its way from another registry to our disk, and to every client that wants it meanwhile: they read the
// file as it grows. No client gets the last byte before the checksum is known to be right.

#include <functional>

#include "base/mutex.h"
#include "image/registry_client.h"
#include "registry/repositories.h"

namespace pila::registry {

class Fetch {
public:
    Fetch(image::Digest digest, std::uint64_t size) : digest_(std::move(digest)), size_(size) {}
    ~Fetch();

    Result<void> open(const DurableTree& tree);  // before the others
    // The fetching thread: gets it, and makes it content of the repository.
    void run(const Context& context, image::RegistryConnection& from, Repositories& into, const std::string& name);
    // A client's thread. `context`: the client's.
    Result<void> send(const Context& context, http::BodyWriter& out, std::uint64_t start, std::uint64_t count);
    std::uint64_t size() const { return size_; }

private:
    Result<void> receive(const Context& context, image::RegistryConnection& from, unsigned attempts);
    Result<void> receive_rest(const Context& context, image::RegistryConnection& from, image::Hasher& hasher);
    Result<void> write(std::string_view bytes);

    const image::Digest digest_;
    const std::uint64_t size_;
    std::string path_;
    Fd file_;

    Mutex mutex_;
    Condition changed_;
    std::uint64_t arrived_ GUARDED_BY(mutex_) = 0;
    std::optional<Result<void>> ended_ GUARDED_BY(mutex_);
};

}  // namespace pila::registry

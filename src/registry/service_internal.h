// SPDX-License-Identifier: Apache-2.0
#pragma once
// The routes, for the files of this room.

#include "image/local_content.h"
#include "registry/authority.h"
#include "registry/collector.h"
#include "registry/problem.h"
#include "registry/ranges.h"
#include "registry/repositories.h"
#include "registry/uploads.h"
#include "registry/upstream.h"

namespace pila::registry {

// A blob, wherever it is.
struct Content {
    std::uint64_t size = 0;
    std::function<Result<void>(http::BodyWriter&, Part)> send;
};
Content content_of_file(Fd file, std::uint64_t size);

class Service final : public Server {
public:
    static Result<std::unique_ptr<Service>> create(Options options, image::ImageStore* images);
    http::Response handle(http::Request& request) override;
    void collect() override { collector_->run(); }

private:
    using Answer = Result<http::Response>;
    explicit Service(Options options) : options_(std::move(options)) {}
    Answer answer(http::Request& request, const Route& route);
    Answer dispatch(http::Request& request, const Route& route);

    // serve_manifests.cpp
    Answer get_manifest(http::Request& request, const Route& route);
    Answer put_manifest(http::Request& request, const Route& route);
    Answer delete_manifest(http::Request& request, const Route& route);
    Answer get_referrers(http::Request& request, const Route& route);
    Result<StoredManifest> find_manifest(http::Request& request, const Route& route);
    Result<bool> ensure_blob(http::Request& request, const std::string& name, const image::Digest& digest);

    // serve_blobs.cpp
    Answer get_blob(http::Request& request, const Route& route);
    Answer delete_blob(http::Request& request, const Route& route);
    Result<Content> find_blob(http::Request& request, const std::string& name, const image::Digest& digest);
    Result<image::LocalBlob> local_blob(http::Request& request, const std::string& name, const image::Digest& digest);
    // A local image's blob becomes one of what was pushed: by a link where it is a file.
    Result<void> adopt_local(http::Request& request, const std::string& name, const image::Digest& digest);

    // serve_uploads.cpp
    Answer begin_upload(http::Request& request, const Route& route);
    Answer patch_upload(http::Request& request, const Route& route);
    Answer finish_upload(http::Request& request, const Route& route);
    Answer upload_status(http::Request& request, const Route& route);
    Answer cancel_upload(http::Request& request, const Route& route);
    Answer finish(Uploads::Session& session, const std::string& name, const image::Digest& digest);
    Result<bool> mount(http::Request& request, const std::string& name, const image::Digest& digest);

    // serve_lists.cpp
    Answer get_tags(http::Request& request, const Route& route);
    Answer get_catalog(http::Request& request, const Route& route);

    // The names under which a local image may be what a client calls `name` here.
    static std::vector<std::string> local_names(const http::Request& request, const std::string& name);

    const Options options_;
    std::unique_ptr<Repositories> repositories_;
    std::unique_ptr<Uploads> uploads_;
    std::unique_ptr<Authority> authority_;
    std::unique_ptr<image::LocalContent> local_;  // null: none, or this is a cache
    std::unique_ptr<Upstream> upstream_;          // null: this is no cache
    std::unique_ptr<Collector> collector_;        // last: its thread uses the others
};

std::string location_of_blob(const std::string& name, const image::Digest& digest);

}  // namespace pila::registry

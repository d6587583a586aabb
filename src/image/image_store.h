// SPDX-License-Identifier: Apache-2.0
#pragma once
// Images of the engine: configurations, layers, names. Layers are unpacked directories shared by all images and named
// by the digest of their uncompressed tar (diff id), in overlay's own form (whiteouts are 0/0 character devices, opaque
// directories carry trusted.overlay.opaque), so that a container mounts them as they are.
//
// Files below DATA_DIR: blobs/sha256/HEX (manifests and compressed layers as they came), layers/HEX/ (see
// layer_store.h), tmp/ (half-made and condemned things, emptied by recover()). Names, records and configurations: node
// store under "image/". Nothing becomes visible before all of it is verified and in place. Threads: any.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/context.h"
#include "base/time.h"
#include "http/message.h"
#include "image/digest.h"
#include "store/store.h"

namespace pila::image {

struct ImageConfig {
    std::string architecture, os = "linux", variant;
    std::string author, created, comment;
    std::string user, working_directory, stop_signal, hostname, domainname;
    std::vector<std::string> environment, entrypoint, command, shell, on_build;
    std::vector<std::string> exposed_ports, volumes;  // "80/tcp", "/data"
    std::map<std::string, std::string> labels;
    std::string healthcheck_json;  // "" or Docker's form
    bool has_command = false, has_entrypoint = false;
};

struct HistoryEntry {
    std::string created, created_by, author, comment;
    bool empty_layer = false;
};

struct Image {
    Digest id;                // of the configuration's bytes
    std::string config_json;  // exactly those bytes
    ImageConfig config;
    std::vector<HistoryEntry> history;
    std::vector<Digest> layers;  // diff ids, lowest first
    std::uint64_t size = 0;      // bytes of all layers unpacked
    WallTime created, last_tagged;
    std::vector<std::string> tags;          // "docker.io/library/busybox:latest" is kept as "busybox:latest"
    std::vector<std::string> repo_digests;  // "busybox@sha256:..."
    Digest parent;                          // set for committed and built images
    bool step = false;                      // of a build: not listed, no names, found by its id
};
using ImagePointer = std::shared_ptr<const Image>;

// What a long operation tells its user, in the shape of Docker's progress lines.
struct Progress {
    std::string id, status;  // "a3ed95caeb02", "Extracting"
    std::uint64_t current = 0, total = 0;
    std::string aux_digest;  // of a manifest that was pushed as `id`, of `total` bytes
    std::string aux_image;   // the id of what was built
    int error_code = 0;      // the end: `status` says why, and this is the exit code
    std::string stream;      // a line for `load`: "Loaded image: busybox:latest\n"
};
using ProgressSink = std::function<void(const Progress&)>;

struct ImportRequest {
    std::string reference;  // "" or "name[:tag]"
    std::string message;
    std::vector<std::string> changes;  // Dockerfile instructions: CMD, ENV, WORKDIR, ...
    std::string platform;              // "os/arch[/variant]"; "": this machine's
};

struct CommitRequest {
    ImagePointer parent;
    std::string upper_directory;  // overlay's upper directory of the container
    std::string reference, author, message, container_id;
    std::vector<std::string> changes;
    ImageConfig config;  // of the container, before `changes`
};

// One step of a build, as an image of its own.
struct StepRequest {
    ImagePointer parent;  // none: FROM scratch
    ImageConfig config;   // config.created is that of the step
    std::vector<HistoryEntry> history;
    std::string layer_directory;      // becomes a layer and is gone then, in overlay's form; "": none
    bool keep_directory = false;      // the layer is a copy
    std::optional<Digest> layer;      // or one that is there already
    std::vector<Digest> base_layers;  // without a parent record: what is below the layer
    std::optional<WallTime> newest;   // no file of the layer is later
};

struct Removed {
    std::vector<std::string> untagged, deleted;  // names; "sha256:..."
};

// A container that uses an image, "" for none. A plain id stands for one that does not run; "ID (running)" for one that
// does.
struct ImageUse {
    std::string container;
    bool running = false;
    ImageUse() = default;
    template <typename Text>
    requires std::is_convertible_v<Text, std::string> ImageUse(Text id, bool is_running = false)
        : container(std::move(id)), running(is_running) {
        constexpr std::string_view suffix = " (running)";
        if (!container.ends_with(suffix)) return;
        container.resize(container.size() - suffix.size());
        running = true;
    }
};
using InUse = std::function<ImageUse(const Digest& id)>;

class ImageStore {
public:
    static Result<std::unique_ptr<ImageStore>> create(const std::string& data_directory, store::Store& store);
    virtual ~ImageStore() = default;
    virtual Result<void> recover() = 0;

    // Docker's and OCI's archive forms, plain or gzip, bzip2, xz, zstd. Returns what was loaded ("name:tag" or id).
    virtual Result<std::vector<std::string>> load(const Context& context, http::BodyReader& archive,
                                                  const ProgressSink& progress) = 0;
    // A root file system as tar, any of those compressions.
    virtual Result<ImagePointer> import(const Context& context, http::BodyReader& tar,
                                        const ImportRequest& request) = 0;
    // OCI layout with Docker's manifest.json beside it (what docker 25+ writes), as a tar.
    virtual Result<void> save(const Context& context, const std::vector<std::string>& names, http::BodyWriter& out) = 0;
    virtual Result<ImagePointer> commit(const Context& context, const CommitRequest& request) = 0;

    // By name, name@digest, id or unique prefix of one. NotFound: "No such image: NAME:TAG".
    virtual Result<ImagePointer> find(std::string_view reference) = 0;
    virtual std::vector<ImagePointer> list() = 0;
    virtual Result<void> tag(std::string_view source, std::string_view target) = 0;
    // `in_use(id)` names a container that uses the image, or "": Docker's rules of untagging, force, and deletion.
    // What is deleted by force while a container uses it stays on disk, found by its full id only, until collect().
    virtual Result<Removed> remove(std::string_view reference, bool force, bool prune_parents, const InUse& in_use) = 0;
    // Deletes what such containers no longer need. remove() does it too; call it when a container has been removed.
    virtual Result<void> collect(const InUse& in_use) = 0;

    // Steps of builds. One goes with the last image that was built over it, like Docker's intermediate images, or by
    // remove_steps(). `work`: a directory for half-made layers, on the same file system, emptied by recover().
    virtual Result<ImagePointer> add_step(const Context& context, StepRequest request) = 0;
    virtual Result<ImagePointer> finish_steps(const Digest& id, const std::vector<std::string>& tags) = 0;
    virtual std::vector<ImagePointer> steps() = 0;
    virtual Result<Removed> remove_steps(const std::vector<Digest>& ids) = 0;  // those that nobody has pinned
    virtual std::string work_directory() const = 0;
    virtual std::uint64_t layer_size(const Digest& layer) = 0;
    // Neither the image nor its layers go while this lives.
    virtual std::shared_ptr<void> pin(const ImagePointer& image) = 0;

    // Directories for overlay, uppermost first.
    virtual Result<std::vector<std::string>> layer_directories(const Image& image) = 0;
};

// "busybox" -> "docker.io/library/busybox:latest"; the short form people see is familiar().
struct Reference {
    std::string domain, path, tag;  // tag "" when a digest alone is given
    std::string digest;
    static Result<Reference> parse(
        std::string_view text);         // Docker's grammar and messages ("invalid reference format")
    std::string familiar() const;       // "busybox:latest"
    std::string familiar_name() const;  // "busybox"
};

// Dockerfile instructions as `commit -c` and `import -c` allow them, applied to a configuration.
Result<void> apply_changes(ImageConfig& config, const std::vector<std::string>& changes);

}  // namespace pila::image

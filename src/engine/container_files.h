// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files in and out of containers, running or not: docker cp and docker export. What a container holds is read and
// written through a FileView only. Everything streams; nothing is held of a file but the piece that is on its way.
// Threads: any. Nothing on disk, nothing to recover.

#include <sys/stat.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/container.h"
#include "engine/file_access.h"
#include "engine/file_view.h"
#include "engine/users.h"
#include "http/message.h"
#include "image/layer_extractor.h"
#include "os/user_namespace.h"

namespace pila::engine {

class Engine;

struct PathStat {
    std::string name;  // last part of the path that was asked for
    struct stat info {};
    std::string link_target;  // of a link: where it leads in the end, absolute
};

// One object below a container's root and, while this lives, the right to read it.
class FileArchive {
public:
    const PathStat& stat() const { return stat_; }
    Result<void> write(const Context& context, http::BodyWriter& writer) const;

private:
    friend class ContainerFiles;
    FileArchive(FileAccess::Hold hold, FileView view) : hold_(std::move(hold)), view_(std::move(view)) {}
    FileAccess::Hold hold_;
    FileView view_;
    os::IdMap ids_;  // of the container; the view has the host's
    Fd object_;      // none: everything below the root
    PathStat stat_;
};

struct ExtractOptions {
    bool keep_kinds = false;   // noOverwriteDirNonDir
    bool own_as_user = false;  // copyUIDGID: everything belongs to the container's user
};

class ContainerFiles {
public:
    explicit ContainerFiles(Engine& engine) : engine_(engine) {}

    // Paths need not begin with a slash; a trailing slash follows a link.
    Result<PathStat> stat(const Context& context, std::string_view reference, const std::string& path);
    Result<std::shared_ptr<FileArchive>> archive(const Context& context, std::string_view reference,
                                                 const std::string& path);
    // The root without what is mounted into it.
    Result<std::shared_ptr<FileArchive>> everything(const Context& context, std::string_view reference);
    // A tar, compressed or not, into the directory `path`.
    Result<void> extract(const Context& context, std::string_view reference, const std::string& path,
                         const ExtractOptions& options, http::BodyReader* body);

    FileAccess& access() { return access_; }

private:
    enum class Purpose : std::uint8_t { Read, Write, Export };
    struct Opened {
        ContainerPointer container;
        FileAccess::Hold hold;
        FileView view;
        os::IdMap ids;
    };
    Result<Opened> open(const Context& context, std::string_view reference, Purpose purpose);
    Result<FileView> view_of_running(const Container& container, Purpose purpose, os::IdMap& ids);
    Result<FileView> view_of_stopped(const Container& container, Purpose purpose, os::IdMap& ids);
    std::vector<ViewMount> mounts_of(const Container& container) const;
    Result<Fd> stat_in(const Opened& opened, std::string_view reference, const std::string& path, PathStat& stat);
    static Result<void> unpack(const Context& context, const Opened& opened, image::LayerExtractor::Options how,
                               const std::optional<ResolvedUser>& owner, http::BodyReader& body);
    void publish(const Context& context, const Container& container, const char* action);

    Engine& engine_;
    FileAccess access_;
};

}  // namespace pila::engine

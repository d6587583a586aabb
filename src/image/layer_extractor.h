// SPDX-License-Identifier: Apache-2.0
#pragma once
// A layer's tar to a directory in overlay's form. The archive is hostile: every path is cleaned and resolved below the
// root by the kernel (openat2 RESOLVE_IN_ROOT), nothing is reached by a string out of the archive; what would fill the
// disk is refused before it does. One thread each; it should have umask 0 and not share it (see unshare(CLONE_FS)).

#include <memory>
#include <string>
#include <unordered_map>

#include "base/context.h"
#include "image/recipe.h"
#include "image/tar.h"

namespace pila::image {

// What of the disk an unpacking may still take.
class DiskBudget {
public:
    explicit DiskBudget(FdView directory) : directory_(directory) {}
    Result<void> take(std::uint64_t bytes);

private:
    Result<void> look();
    FdView directory_;
    std::uint64_t left_ = 0;
    std::uint64_t calls_ = 0;
};

// "./a//b/../c/" -> "a/c", "/" -> ""; Invalid if it leads out of the root.
Result<std::string> clean_path(std::string_view path);

class LayerExtractor {
public:
    // Files: a tree that is in use, maybe by somebody hostile, gets what the archive holds. Names of whiteouts are
    // names, nothing says how full the disk may get, and an entry for the place itself is left out.
    enum class Form : std::uint8_t { Layer, Files };
    struct Options {
        Form form = Form::Layer;
        std::string below;               // where below the root the archive's names begin; clean, no link on the way
        bool keep_kinds = false;         // refuse to put a directory in the place of something else, and the reverse
        RecipeWriter* recipe = nullptr;  // told how to get the tar back
        std::string kept_directory;      // for contents that later entries replace; made when needed
        bool own_umask = false;          // the thread's umask is 0
        const Context* context = nullptr;
    };
    static Result<std::unique_ptr<LayerExtractor>> create(const std::string& root, Options options);
    static std::unique_ptr<LayerExtractor> create_in(Fd root, Options options) {
        return std::unique_ptr<LayerExtractor>(new LayerExtractor(std::move(root), std::move(options)));
    }

    Result<void> extract(const TarEntry& entry, TarReader& reader);
    // Attributes of directories, which could not be set while files were made in them.
    Result<void> finish();
    std::uint64_t size() const { return size_; }  // of all files' contents

private:
    struct DirectoryAttributes {
        std::uint32_t mode, uid, gid;
        timespec accessed, modified;
        std::map<std::string, std::string> xattrs;
        bool chmod, opaque;
        dev_t device = 0;  // Form::Files: which directory this was
        ino_t inode = 0;
    };
    struct Place {
        std::shared_ptr<const Fd> parent;
        std::string name;
        int directory() const { return parent->get(); }
    };

    LayerExtractor(Fd root, Options options) : root_(std::move(root)), budget_(root_), options_(std::move(options)) {}

    bool is_files() const { return options_.form == Form::Files; }
    Result<std::string> path_of(std::string_view name) const;
    bool gives_away(std::uint32_t uid, std::uint32_t gid) const;
    Error wrong_kind(const std::string& name, bool is_directory) const;
    Result<void> take_room(std::uint64_t bytes) { return is_files() ? Result<void>() : budget_.take(bytes); }
    Result<Place> place_of(const std::string& path);
    Result<std::shared_ptr<const Fd>> directory_of(const std::string& path);
    Result<Fd> open_or_make_directory(const std::string& path, int depth);
    Result<void> extract_whiteout(const TarEntry& entry, const Place& place, const std::string& directory);
    Result<void> extract_file(const TarEntry& entry, const std::string& path, const Place& place, TarReader& reader);
    Result<void> write_content(const TarEntry& entry, FdView file, TarReader& reader);
    Result<void> write_sparse(const TarEntry& entry, FdView file, TarReader& reader);
    Result<void> extract_directory(const TarEntry& entry, const std::string& path, const Place& place);
    Result<void> extract_link(const TarEntry& entry, const std::string& path, const Place& place);
    Result<void> extract_special(const TarEntry& entry, const Place& place);
    Result<void> set_attributes(const TarEntry& entry, const Place& place);
    Result<void> finish_directory(const std::string& path, const DirectoryAttributes& attributes);

    // Runs `call` (a descriptor, 0, or -1 with errno); what is in its way goes, as Docker has it.
    template <typename Call>
    Result<int> make(const TarEntry& entry, const Place& place, Call call);
    Result<void> clear(const Place& place);
    Result<void> keep_contents(FdView parent, const std::string& name, int depth);
    Result<void> index_contents();

    Fd root_;
    DiskBudget budget_;
    Options options_;
    std::uint64_t size_ = 0, entries_ = 0;
    std::unordered_map<std::string, std::shared_ptr<const Fd>> parents_;
    std::map<std::string, DirectoryAttributes> directories_;
    std::vector<std::string> content_paths_;  // by ordinal in the recipe
    std::unordered_map<ino_t, std::uint64_t> content_of_inode_;
    bool indexed_ = false;
};

}  // namespace pila::image

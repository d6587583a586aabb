// SPDX-License-Identifier: Apache-2.0
#pragma once
// Trees that steps take files from (the context, another stage, an image) and the tree they put them into. Every path
// is resolved by the kernel below the tree's own root. Threads: one per object.

#include <sys/stat.h>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/fd.h"
#include "base/path_patterns.h"
#include "image/digest.h"

namespace pila::build {

struct SourceTree {
    Fd root;
    std::shared_ptr<void> keeps;  // what must stay for as long
};

// One thing that is to be copied.
struct Source {
    std::string path;  // clean, relative to the tree
    std::string base;  // of --parents: how much of the path stays behind
    Fd object;         // O_PATH
    struct stat info {};
};

// What a pattern of COPY names, sorted; more than one or none only if it has wildcards. NotFound.
Result<std::vector<Source>> find_sources(FdView root, const std::string& pattern);

// Names, kinds, modes, owners, contents of a source and all below it; no times.
Result<void> digest_source(const Context& context, const Source& source, const IgnorePatterns& excluded,
                           image::Hasher& hasher);

struct Ownership {
    std::uint32_t uid = 0, gid = 0;
};

// Sets permission bits: octal, or "u=rwX,go-w".
class ModeChange {
public:
    static Result<ModeChange> parse(std::string_view text);
    mode_t apply(mode_t mode, bool directory) const;

private:
    struct Clause {
        mode_t who = 0;
        char operation = '=';
        mode_t bits = 0;
        bool conditional_execute = false;
    };
    std::optional<mode_t> absolute_;
    std::vector<Clause> clauses_;
};

struct CopyOptions {
    Ownership owner;
    std::optional<ModeChange> mode;
    const IgnorePatterns* excluded = nullptr;
    bool keep_owner = false;
    bool skip_whiteouts = false;  // the source is a layer as it lies on the disk
};

class Copier {
public:
    Copier(const Context& context, FdView root, CopyOptions options)
        : context_(context), root_(root), options_(std::move(options)) {}

    // The directory itself, made with its parents if missing; `path` is absolute.
    Result<Fd> directory(const std::string& path);
    bool is_directory(const std::string& path) const;
    // `path`: where the file, or the content of the directory, goes.
    Result<void> copy(const Source& source, const std::string& path);
    Result<void> write_file(const std::string& path, std::string_view content, mode_t mode,
                            std::optional<timespec> modified);
    // Whether the file is an archive; unpacks it into the directory `path` if so.
    Result<bool> unpack(FdView file, const std::string& path);

private:
    struct Place {
        FdView parent;
        std::string name;
        Fd holder;  // of `parent`, unless somebody else has it
    };
    Result<Place> place_of(const std::string& path);
    Result<void> clear(const Place& place);
    Result<void> copy_into(FdView source, FdView target, const std::string& relative, const std::string& path,
                           int depth);
    Result<void> copy_object(FdView object, const struct stat& info, const Place& place, const std::string& path);
    Result<void> copy_content(FdView from, FdView to, std::uint64_t size);
    Result<void> set_attributes(FdView object, const struct stat& info, const Place& place);
    Result<void> own(FdView parent, const std::string& name, const struct stat* info);

    const Context& context_;
    FdView root_;
    CopyOptions options_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_;  // files with several names: where the first one is
};

}  // namespace pila::build

// SPDX-License-Identifier: Apache-2.0
#pragma once
// A tree of files as a tar stream, as it is read: names sorted, one read buffer, no copy of anything. What the tree's
// owner does meanwhile (it may be a hostile container) can change what is read, not where: every object is opened once
// below its parent's descriptor, without following links, and looked at by its own descriptor from then on.

#include <sys/stat.h>
#include <map>
#include <string>
#include <utility>

#include "base/context.h"
#include "image/compression.h"
#include "image/tar.h"
#include "os/user_namespace.h"

namespace pila::image {

class TreeTar {
public:
    // `ids`: owners are told as they are inside of this map.
    TreeTar(const Context& context, ByteSink sink, const os::IdMap* ids = nullptr)
        : context_(context), sink_(std::move(sink)), ids_(ids) {}

    // `object` (O_PATH will do) under `name`, a directory with everything below: "d" gives "d/", "d/file"; "/" gives
    // "/", "/file"; "." gives "./", "./file".
    Result<void> add(FdView object, const std::string& name);
    // What is in a directory, each under `prefix` + its name.
    Result<void> add_children(FdView directory, const std::string& prefix) { return walk(directory, prefix, 0); }
    Result<void> finish();

private:
    struct Object {
        FdView fd;
        std::string name;
        struct stat info {};
    };
    Result<void> add_object(const Object& object, int depth);
    Result<void> add_directory(const Object& object, int depth);
    Result<void> add_file(const Object& object);
    Result<void> add_special(const Object& object);
    Result<void> walk(FdView directory, const std::string& prefix, int depth);
    Result<void> header(TarEntry entry, const Object& object);
    Result<void> write(std::string_view bytes);
    Result<void> flush();

    const Context& context_;
    ByteSink sink_;
    const os::IdMap* const ids_;
    std::string gathered_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_;  // files with several names: what the first was
};

}  // namespace pila::image

// SPDX-License-Identifier: Apache-2.0
#include "registry/durable_tree.h"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>

#include "base/random.h"
#include "os/file.h"

namespace pila::registry {

namespace {

Result<void> sync_directory(const std::string& path) {
    auto directory = TRY(os::open(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(directory.get()) < 0) return Error::from_errno(errno, "fsync " + path);
    return {};
}

Result<void> sync_file(const std::string& path) {
    auto file = TRY(os::open(path, O_RDONLY));
    if (::fsync(file.get()) < 0) return Error::from_errno(errno, "fsync " + path);
    return {};
}

}  // namespace

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

Result<DurableTree> DurableTree::create(const std::string& root) {
    TRY(os::make_directories(root, 0700));
    TRY(os::remove_tree(root + "/tmp"));
    TRY(os::make_directories(root + "/tmp", 0700));
    return DurableTree(root);
}

std::string DurableTree::temporary() const { return root_ + "/tmp/" + random_hex(16); }

Result<void> DurableTree::put(const std::string& path, std::string_view bytes) const {
    auto name = temporary();
    auto written = [&]() -> Result<void> {
        auto file = TRY(os::open(name, O_WRONLY | O_CREAT | O_EXCL, 0600));
        TRY(os::write_all(file, bytes).in(name));
        if (::fsync(file.get()) < 0) return Error::from_errno(errno, "fsync " + name);
        return rename(name, path);
    }();
    if (!written) ignore(os::remove_file(name), "may not have come to exist");
    return written;
}

Result<void> DurableTree::adopt(const std::string& temporary, const std::string& path) const {
    TRY(sync_file(temporary));
    return rename(temporary, path);
}

Result<void> DurableTree::rename(const std::string& temporary, const std::string& path) const {
    TRY(make_directories(parent_of(path)));
    TRY(os::rename(temporary, path));
    return sync_directory(parent_of(path));
}

Result<void> DurableTree::remove(const std::string& path) const {
    TRY(os::remove_file(path));
    return sync_directory(parent_of(path));
}

// A new directory is there after a power cut only once its parent has reached the disk.
Result<void> DurableTree::make_directories(const std::string& path) const {
    if (path.size() <= root_.size() || os::exists(path)) return {};
    TRY(make_directories(parent_of(path)));
    auto made = os::make_directory(path, 0700);
    if (!made && made.error().code() != Errc::AlreadyExists) return made;
    return sync_directory(parent_of(path));
}

}  // namespace pila::registry

// SPDX-License-Identifier: Apache-2.0
#include "registry/changing_file.h"

#include <fcntl.h>

#include <fmt/core.h>

#include "os/file.h"

namespace pila::registry {

Result<std::optional<std::string>> ChangingFile::changed() {
    auto file = TRY(os::open(path_, O_RDONLY));
    auto info = TRY(os::stat_of(file));
    if (info.st_ino == inode_ && info.st_mtim.tv_sec == time_.tv_sec && info.st_mtim.tv_nsec == time_.tv_nsec)
        return std::optional<std::string>();
    auto text = TRY(os::read_all(file, 4U << 20));
    inode_ = info.st_ino;
    time_ = info.st_mtim;
    return std::optional(std::move(text));
}

std::string ChangingFile::version() const { return fmt::format("{}.{}.{}", inode_, time_.tv_sec, time_.tv_nsec); }

}  // namespace pila::registry

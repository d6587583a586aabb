// SPDX-License-Identifier: Apache-2.0
#pragma once
// A settings file that is read again when it changes: by its inode and time, at the next use. Threads: one at a time.

#include <sys/stat.h>
#include <optional>
#include <string>

#include "base/result.h"

namespace pila::registry {

class ChangingFile {
public:
    explicit ChangingFile(std::string path) : path_(std::move(path)) {}
    // The whole text, if it is not what the last call saw; a file that is wrong is complained of once.
    Result<std::optional<std::string>> changed();
    std::string version() const;  // another one for another text
    const std::string& path() const { return path_; }

private:
    const std::string path_;
    timespec time_{};
    ino_t inode_ = 0;
};

}  // namespace pila::registry

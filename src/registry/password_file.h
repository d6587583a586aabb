// SPDX-License-Identifier: Apache-2.0
#pragma once
// An htpasswd file: lines "user:hash" with what crypt(3) knows; bcrypt is what `htpasswd -B` makes. Read again when it
// changes. Threads: any.

#include <sys/stat.h>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/result.h"

namespace pila::registry {

class PasswordFile {
public:
    static Result<std::unique_ptr<PasswordFile>> open(const std::string& path);
    bool verify(const std::string& user, const std::string& password) const;  // takes as long for unknown users
    // Changes whenever the file does.
    std::string version() const;

    // Invalid says which line.
    static Result<std::map<std::string, std::string>> parse(std::string_view text);

private:
    explicit PasswordFile(std::string path) : path_(std::move(path)) {}
    Result<void> refresh() const;
    const std::string path_;
    mutable Mutex mutex_;
    mutable std::map<std::string, std::string> hashes_ GUARDED_BY(mutex_);
    mutable struct timespec changed_ GUARDED_BY(mutex_) {};
    mutable ino_t inode_ GUARDED_BY(mutex_) = 0;
};

}  // namespace pila::registry

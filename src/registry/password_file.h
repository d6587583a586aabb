// SPDX-License-Identifier: Apache-2.0
#pragma once
// An htpasswd file: lines "user:hash" with what crypt(3) knows; bcrypt is what `htpasswd -B` makes. Read again when it
// changes. Threads: any.

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "base/result.h"
#include "registry/changing_file.h"

namespace pila::registry {

class PasswordFile {
public:
    static Result<std::unique_ptr<PasswordFile>> open(const std::string& path);
    bool verify(const std::string& user, const std::string& password) const;  // takes as long for unknown users
    std::optional<std::string> hash_of(const std::string& user) const;
    // Changes whenever the file does.
    std::string version() const;

    // Invalid says which line.
    static Result<std::map<std::string, std::string>> parse(std::string_view text);

private:
    explicit PasswordFile(const std::string& path) : file_(path) {}
    Result<void> refresh() const REQUIRES(mutex_);
    void refresh_or_warn() const REQUIRES(mutex_);
    mutable Mutex mutex_;
    mutable ChangingFile file_ GUARDED_BY(mutex_);
    mutable std::map<std::string, std::string> hashes_ GUARDED_BY(mutex_);
};

}  // namespace pila::registry

// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file of rights, one a line, read again when it changes:
//
//   WHO REPOSITORIES ACTIONS       alice team/* pull,push
//
// WHO: a user of the htpasswd file, "*" for each of them, "-" for who says nothing. REPOSITORIES: a name where "*" is
// any part of one component and "**" anything. ACTIONS: pull, push (and pull), delete, or all. Rights add up; what no
// line gives nobody has. Threads: any.

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "registry/changing_file.h"

namespace pila::registry {

struct Right {
    std::string who, pattern;
    std::set<std::string> actions;
};

bool matches_repository(std::string_view pattern, std::string_view name);

class Rights {
public:
    static Result<std::unique_ptr<Rights>> open(const std::string& path);
    // `user`: "" for who says nothing.
    std::set<std::string> of(const std::string& user, const std::string& repository) const;
    bool has_anonymous() const;

    // Invalid says which line.
    static Result<std::vector<Right>> parse(std::string_view text);

private:
    explicit Rights(const std::string& path) : file_(path) {}
    Result<void> refresh() const REQUIRES(mutex_);
    mutable Mutex mutex_;
    mutable ChangingFile file_ GUARDED_BY(mutex_);
    mutable std::vector<Right> rights_ GUARDED_BY(mutex_);
};

}  // namespace pila::registry

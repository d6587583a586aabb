// SPDX-License-Identifier: Apache-2.0
#pragma once
// Changes to the files below one directory that are whole or not there, and on the disk when the call returns.

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace pila::registry {

class DurableTree {
public:
    // Makes ROOT/tmp and empties it: it holds what a killed process was writing.
    static Result<DurableTree> create(const std::string& root);

    const std::string& root() const { return root_; }
    std::string temporary() const;  // a fresh name below ROOT/tmp

    // Paths are absolute, below the root; directories on the way are made.
    Result<void> put(const std::string& path, std::string_view bytes) const;
    Result<void> adopt(const std::string& temporary, const std::string& path) const;  // synced and renamed
    Result<void> remove(const std::string& path) const;                               // NotFound: was not there
    Result<void> make_directories(const std::string& path) const;

private:
    explicit DurableTree(std::string root) : root_(std::move(root)) {}
    Result<void> rename(const std::string& temporary, const std::string& path) const;
    std::string root_;
};

std::string parent_of(const std::string& path);

}  // namespace pila::registry

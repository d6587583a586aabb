// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where in an object a rule stands: a chain on the stack of the walk, written out only if there is something to say.

#include <cstddef>
#include <string>
#include <string_view>

namespace pila::cluster::kinds {

// Each step points to the one before, which must outlive it: steps are named, or temporaries of the same expression.
class Path {
public:
    Path() = default;
    explicit Path(std::string_view dotted) : name_(dotted) {}

    Path field(std::string_view dotted) const& { return {this, dotted, Suffix::None, 0, {}}; }
    Path item(std::size_t index) const& { return {this, {}, Suffix::Index, index, {}}; }
    Path item(std::string_view dotted, std::size_t index) const& { return {this, dotted, Suffix::Index, index, {}}; }
    Path key(std::string_view key) const& { return {this, {}, Suffix::Key, 0, key}; }
    Path key(std::string_view dotted, std::string_view key) const& { return {this, dotted, Suffix::Key, 0, key}; }
    Path field(std::string_view) const&& = delete;
    Path item(std::size_t) const&& = delete;
    Path item(std::string_view, std::size_t) const&& = delete;
    Path key(std::string_view) const&& = delete;
    Path key(std::string_view, std::string_view) const&& = delete;

    std::string text() const;  // spec.containers[0].image, metadata.labels[app]

private:
    enum class Suffix : unsigned char { None, Index, Key };
    Path(const Path* parent, std::string_view name, Suffix suffix, std::size_t index, std::string_view key)
        : parent_(parent), name_(name), key_(key), index_(index), suffix_(suffix) {}

    const Path* parent_ = nullptr;
    std::string_view name_, key_;
    std::size_t index_ = 0;
    Suffix suffix_ = Suffix::None;
};

}  // namespace pila::cluster::kinds

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a walk stands in a tree: a chain on the stack, made text only when there is something to tell.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "cluster/codec/codec.h"

namespace pila::cluster::codec {

struct Path {
    enum class Step : std::uint8_t { Root, Field, Key, Index };

    const Path* parent = nullptr;
    Step step = Step::Root;
    std::string_view name;  // Field, Key
    std::size_t index = 0;

    Path field(std::string_view field_name) const { return {this, Step::Field, field_name, 0}; }
    Path key(std::string_view key_name) const { return {this, Step::Key, key_name, 0}; }
    Path item(std::size_t at) const { return {this, Step::Index, {}, at}; }

    // spec.containers[0].image, metadata.labels.app: as strict decoding names places
    std::string text() const {
        if (step == Step::Root) return {};
        auto before = parent->text();
        if (step == Step::Index) return fmt::format("{}[{}]", before, index);
        return before.empty() ? std::string(name) : fmt::format("{}.{}", before, name);
    }
    // spec.containers.image: as Go's decoding of JSON names them, fields only
    std::string fields() const {
        if (step == Step::Root) return {};
        auto before = parent->fields();
        if (step != Step::Field) return before;
        return before.empty() ? std::string(name) : fmt::format("{}.{}", before, name);
    }
};

constexpr std::size_t max_faults = 100;

inline void add_fault(std::vector<std::string>& faults, std::string path) {
    if (faults.size() < max_faults && std::find(faults.begin(), faults.end(), path) == faults.end())
        faults.push_back(std::move(path));
}

}  // namespace pila::cluster::codec

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where one is within a tree: schema and steps.

#include <optional>

#include "cluster/patch/tree.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::patch {

struct KeyPart {
    std::string_view name;
    std::string value;  // scalar_text
};

// `k:{"a":1,"b":"x"}`, names sorted.
std::string key_step(std::vector<KeyPart> parts);
std::string value_step(const json::value& scalar);
// A step as people read it: `.name`, `[name="c"]`, `[="x"]`, `[3]`.
void append_readable(std::string& text, std::string_view step);

// The schema of a value; nullptr where nothing is known. `field` is that of the member it is, for its merge rules.
struct Place {
    const schema::Node* node = nullptr;
    const schema::Field* field = nullptr;

    // `is_declared`: a field of a message, not an item of a map.
    Place member(std::string_view name) const;
    Place item() const;
    bool is_declared() const { return field != nullptr; }
    bool is_always_there() const { return field && field->default_json == "{}"; }
};

// How apply sees a value: as one thing, or by its members or items.
enum class Shape : std::uint8_t { Leaf, Map, List };
// By schema, and by values where it leaves that open; a value (or nullptr) that does not fit makes it a leaf.
Shape shape_of(const Place& place, const json::value* left, const json::value* right = nullptr);

// The step of an item of a list that merges by item; nullopt: it has no key, is no scalar.
std::optional<std::string> item_step(const Place& list, const json::value& item);
// The same, or `i:index`.
std::string item_step(const Place& list, const json::value& item, std::size_t index);

}  // namespace pila::cluster::patch

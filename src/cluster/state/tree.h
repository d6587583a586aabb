// SPDX-License-Identifier: Apache-2.0
#pragma once
// The objects of one collection in order of their keys: a B+ tree whose copies cost one pointer. A change copies the
// few nodes on its path, so that whoever holds an earlier copy reads on undisturbed; nodes that the same edit made
// already are changed in place. Threads: a Tree belongs to one; copies of it are independent.

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "cluster/state/state.h"

namespace pila::cluster::state {

class Tree {
public:
    static Tree of(const std::vector<ObjectPointer>& sorted);  // by key, each once

    std::size_t size() const;
    ObjectPointer find(std::string_view key) const;
    std::size_t rank(std::string_view key) const;  // how many keys come before it

    // `edit`: a number of its own for all changes between two copies. Both return what was there before.
    ObjectPointer put(ObjectPointer object, std::uint64_t edit);
    ObjectPointer remove(std::string_view key, std::uint64_t edit);

    class Cursor;

private:
    static constexpr std::size_t capacity = 32;
    static constexpr std::size_t max_depth = 16;  // nodes hold 8 at least when there are many

    struct Node {
        explicit Node(bool leaf) : is_leaf(leaf) {}
        std::uint64_t edit = 0;
        std::uint32_t used = 0;
        bool is_leaf;
    };
    using NodePointer = std::shared_ptr<Node>;
    struct Leaf : Node {
        Leaf() : Node(true) {}
        std::array<ObjectPointer, capacity> objects;
    };
    struct Child {
        NodePointer node;
        const Object* first = nullptr;  // of what is below: alive as long as `node` is
        std::size_t count = 0;
    };
    struct Inner : Node {
        Inner() : Node(false) {}
        std::array<Child, capacity> children;
    };
    struct Change;

    static std::size_t count_of(const Node& node);
    static Child child_of(NodePointer node);
    static std::size_t position(const Leaf& leaf, std::string_view key);
    static std::size_t position(const Inner& inner, std::string_view key);
    template <typename Kind>
    static Kind& own(NodePointer& node, std::uint64_t edit);
    template <typename Kind>
    static NodePointer split(Kind& node, std::size_t at, std::uint64_t edit);
    static NodePointer put_below(NodePointer& node, Change& change);
    static NodePointer put_child(Inner& inner, std::size_t index, NodePointer node, std::uint64_t edit);
    static void remove_below(NodePointer& node, Change& change);
    static void merge_children(Inner& inner, std::size_t index, std::uint64_t edit);

    NodePointer root_;
};

// Goes through a tree in order of keys, from the first that is not before `from`. The tree must outlive it.
class Tree::Cursor {
public:
    Cursor(const Tree& tree, std::string_view from);
    const ObjectPointer* get() const { return leaf_ ? &leaf_->objects[index_] : nullptr; }  // null: the end
    void next();

private:
    void descend(const Node* node);

    struct Step {
        const Inner* inner = nullptr;
        std::uint32_t index = 0;
    };
    std::array<Step, max_depth> path_;
    std::size_t depth_ = 0;
    const Leaf* leaf_ = nullptr;
    std::uint32_t index_ = 0;
};

}  // namespace pila::cluster::state

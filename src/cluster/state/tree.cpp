// SPDX-License-Identifier: Apache-2.0
#include "cluster/state/tree.h"

#include <algorithm>

namespace pila::cluster::state {

namespace {

// Room is left for what comes between: a tree that was just loaded would otherwise split a node at each new key.
constexpr std::size_t filled_at_load = 28;

template <typename Array>
void insert_at(Array& array, std::uint32_t& used, std::size_t index, typename Array::value_type value) {
    std::move_backward(array.begin() + static_cast<std::ptrdiff_t>(index), array.begin() + used,
                       array.begin() + used + 1);
    array[index] = std::move(value);
    ++used;
}

template <typename Array>
void erase_at(Array& array, std::uint32_t& used, std::size_t index) {
    std::move(array.begin() + static_cast<std::ptrdiff_t>(index) + 1, array.begin() + used,
              array.begin() + static_cast<std::ptrdiff_t>(index));
    array[--used] = {};
}

auto& items(auto& node) {
    if constexpr (requires { node.objects; })
        return node.objects;
    else
        return node.children;
}

}  // namespace

struct Tree::Change {
    std::string_view key;
    std::uint64_t edit;
    ObjectPointer object;  // to put in; then what was there before
};

std::size_t Tree::count_of(const Node& node) {
    if (node.is_leaf) return node.used;
    const auto& inner = static_cast<const Inner&>(node);
    std::size_t count = 0;
    for (std::uint32_t i = 0; i < inner.used; ++i) count += inner.children[i].count;
    return count;
}

Tree::Child Tree::child_of(NodePointer node) {
    Child child;
    child.count = count_of(*node);
    child.first = node->is_leaf ? static_cast<const Leaf&>(*node).objects[0].get()
                                : static_cast<const Inner&>(*node).children[0].first;
    child.node = std::move(node);
    return child;
}

// The first object whose key is not before `key`.
std::size_t Tree::position(const Leaf& leaf, std::string_view key) {
    auto end = leaf.objects.begin() + leaf.used;
    auto found = std::lower_bound(leaf.objects.begin(), end, key,
                                  [](const ObjectPointer& object, std::string_view k) { return object->key < k; });
    return static_cast<std::size_t>(found - leaf.objects.begin());
}

// The child where `key` is or would be.
std::size_t Tree::position(const Inner& inner, std::string_view key) {
    auto end = inner.children.begin() + inner.used;
    auto after = std::upper_bound(inner.children.begin() + 1, end, key,
                                  [](std::string_view k, const Child& child) { return k < child.first->key; });
    return static_cast<std::size_t>(after - inner.children.begin()) - 1;
}

std::size_t Tree::size() const { return root_ ? count_of(*root_) : 0; }

ObjectPointer Tree::find(std::string_view key) const {
    const Node* node = root_.get();
    if (!node) return nullptr;
    while (!node->is_leaf) {
        const auto& inner = static_cast<const Inner&>(*node);
        node = inner.children[position(inner, key)].node.get();
    }
    const auto& leaf = static_cast<const Leaf&>(*node);
    auto index = position(leaf, key);
    return index < leaf.used && leaf.objects[index]->key == key ? leaf.objects[index] : nullptr;
}

std::size_t Tree::rank(std::string_view key) const {
    const Node* node = root_.get();
    if (!node) return 0;
    std::size_t before = 0;
    while (!node->is_leaf) {
        const auto& inner = static_cast<const Inner&>(*node);
        auto index = position(inner, key);
        for (std::size_t i = 0; i < index; ++i) before += inner.children[i].count;
        node = inner.children[index].node.get();
    }
    return before + position(static_cast<const Leaf&>(*node), key);
}

// The node as one that this edit may change.
template <typename Kind>
Kind& Tree::own(NodePointer& node, std::uint64_t edit) {
    if (node->edit != edit) {
        auto copy = std::make_shared<Kind>(static_cast<const Kind&>(*node));
        copy->edit = edit;
        node = std::move(copy);
    }
    return static_cast<Kind&>(*node);
}

// What is behind `at` becomes a node of its own.
template <typename Kind>
Tree::NodePointer Tree::split(Kind& node, std::size_t at, std::uint64_t edit) {
    auto right = std::make_shared<Kind>();
    right->edit = edit;
    auto begin = items(node).begin();
    std::move(begin + static_cast<std::ptrdiff_t>(at), begin + node.used, items(*right).begin());
    right->used = node.used - static_cast<std::uint32_t>(at);
    node.used = static_cast<std::uint32_t>(at);
    return right;
}

// Returns the new right neighbour of `inner` if there was no room.
Tree::NodePointer Tree::put_child(Inner& inner, std::size_t index, NodePointer node, std::uint64_t edit) {
    auto child = child_of(std::move(node));
    if (inner.used < capacity) {
        insert_at(inner.children, inner.used, index, std::move(child));
        return nullptr;
    }
    // Keys that only grow, as names with numbers do, leave full nodes behind.
    auto at = index == capacity ? capacity : capacity / 2;
    auto right = split(inner, at, edit);
    auto& target = index < at ? inner : static_cast<Inner&>(*right);
    insert_at(target.children, target.used, index < at ? index : index - at, std::move(child));
    return right;
}

Tree::NodePointer Tree::put_below(NodePointer& node, Change& change) {
    if (!node->is_leaf) {
        auto& inner = own<Inner>(node, change.edit);
        auto index = position(inner, change.key);
        auto right = put_below(inner.children[index].node, change);
        inner.children[index] = child_of(std::move(inner.children[index].node));
        return right ? put_child(inner, index + 1, std::move(right), change.edit) : nullptr;
    }
    auto& leaf = own<Leaf>(node, change.edit);
    auto index = position(leaf, change.key);
    if (index < leaf.used && leaf.objects[index]->key == change.key) {
        leaf.objects[index].swap(change.object);
        return nullptr;
    }
    auto object = std::exchange(change.object, nullptr);
    if (leaf.used < capacity) {
        insert_at(leaf.objects, leaf.used, index, std::move(object));
        return nullptr;
    }
    auto at = index == capacity ? capacity : capacity / 2;
    auto right = split(leaf, at, change.edit);
    auto& target = index < at ? leaf : static_cast<Leaf&>(*right);
    insert_at(target.objects, target.used, index < at ? index : index - at, std::move(object));
    return right;
}

ObjectPointer Tree::put(ObjectPointer object, std::uint64_t edit) {
    if (!root_) root_ = std::make_shared<Leaf>();
    std::string_view key = object->key;
    Change change{.key = key, .edit = edit, .object = std::move(object)};
    if (auto right = put_below(root_, change)) {
        auto root = std::make_shared<Inner>();
        root->edit = edit;
        root->children[0] = child_of(std::move(root_));
        root->children[1] = child_of(std::move(right));
        root->used = 2;
        root_ = std::move(root);
    }
    return std::move(change.object);
}

// Children `index` and `index + 1` become one if that leaves room.
void Tree::merge_children(Inner& inner, std::size_t index, std::uint64_t edit) {
    if (index + 1 >= inner.used) return;
    auto& left = inner.children[index].node;
    auto& right = inner.children[index + 1].node;
    if (left->used + right->used > capacity * 3 / 4) return;
    auto merge = [&](auto& into, const auto& from) {
        std::copy(items(from).begin(), items(from).begin() + from.used, items(into).begin() + into.used);
        into.used += from.used;
    };
    if (left->is_leaf)
        merge(own<Leaf>(left, edit), static_cast<const Leaf&>(*right));
    else
        merge(own<Inner>(left, edit), static_cast<const Inner&>(*right));
    inner.children[index] = child_of(std::move(left));
    erase_at(inner.children, inner.used, index + 1);
}

void Tree::remove_below(NodePointer& node, Change& change) {
    if (node->is_leaf) {
        auto& leaf = own<Leaf>(node, change.edit);
        auto index = position(leaf, change.key);
        change.object = std::move(leaf.objects[index]);
        erase_at(leaf.objects, leaf.used, index);
        return;
    }
    auto& inner = own<Inner>(node, change.edit);
    auto index = position(inner, change.key);
    auto& child = inner.children[index];
    remove_below(child.node, change);
    if (child.node->used == 0) return erase_at(inner.children, inner.used, index);
    child = child_of(std::move(child.node));
    if (child.node->used >= capacity / 4) return;
    merge_children(inner, index, change.edit);
    if (index > 0) merge_children(inner, index - 1, change.edit);
}

ObjectPointer Tree::remove(std::string_view key, std::uint64_t edit) {
    if (!find(key)) return nullptr;
    Change change{.key = key, .edit = edit, .object = nullptr};
    remove_below(root_, change);
    while (root_ && !root_->is_leaf && root_->used == 1) {
        auto only = static_cast<const Inner&>(*root_).children[0].node;
        root_ = std::move(only);
    }
    if (root_->used == 0) root_.reset();
    return std::move(change.object);
}

Tree Tree::of(const std::vector<ObjectPointer>& sorted) {
    Tree tree;
    std::vector<NodePointer> level;
    for (std::size_t i = 0; i < sorted.size(); i += filled_at_load) {
        auto leaf = std::make_shared<Leaf>();
        while (leaf->used < filled_at_load && i + leaf->used < sorted.size()) {
            leaf->objects[leaf->used] = sorted[i + leaf->used];
            ++leaf->used;
        }
        level.push_back(std::move(leaf));
    }
    while (level.size() > 1) {
        std::vector<NodePointer> above;
        for (std::size_t i = 0; i < level.size(); i += filled_at_load) {
            auto inner = std::make_shared<Inner>();
            while (inner->used < filled_at_load && i + inner->used < level.size()) {
                inner->children[inner->used] = child_of(std::move(level[i + inner->used]));
                ++inner->used;
            }
            above.push_back(std::move(inner));
        }
        level = std::move(above);
    }
    if (!level.empty()) tree.root_ = std::move(level[0]);
    return tree;
}

Tree::Cursor::Cursor(const Tree& tree, std::string_view from) {
    const Node* node = tree.root_.get();
    if (!node) return;
    while (!node->is_leaf) {
        const auto& inner = static_cast<const Inner&>(*node);
        auto index = position(inner, from);
        path_[depth_++] = {&inner, static_cast<std::uint32_t>(index)};
        node = inner.children[index].node.get();
    }
    leaf_ = static_cast<const Leaf*>(node);
    auto index = position(*leaf_, from);
    if (index > 0) {
        index_ = static_cast<std::uint32_t>(index - 1);
        next();
    }
}

void Tree::Cursor::descend(const Node* node) {
    while (!node->is_leaf) {
        const auto& inner = static_cast<const Inner&>(*node);
        path_[depth_++] = {&inner, 0};
        node = inner.children[0].node.get();
    }
    leaf_ = static_cast<const Leaf*>(node);
    index_ = 0;
}

void Tree::Cursor::next() {
    if (++index_ < leaf_->used) return;
    leaf_ = nullptr;
    while (depth_ > 0) {
        auto& step = path_[depth_ - 1];
        if (++step.index < step.inner->used) return descend(step.inner->children[step.index].node.get());
        --depth_;
    }
}

}  // namespace pila::cluster::state

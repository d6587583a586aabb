// SPDX-License-Identifier: Apache-2.0
#include "cluster/state/tree.h"

#include <map>
#include <random>

#include <doctest/doctest.h>

using namespace pila::cluster::state;

namespace {

using Model = std::map<std::string, ObjectPointer, std::less<>>;

ObjectPointer object(const std::string& key) {
    auto made = std::make_shared<Object>();
    made->key = key;
    return made;
}

std::vector<ObjectPointer> contents(const Tree& tree, std::string_view from = "") {
    std::vector<ObjectPointer> all;
    for (Tree::Cursor cursor(tree, from); cursor.get(); cursor.next()) all.push_back(*cursor.get());
    return all;
}

bool same(const Tree& tree, const Model& model, std::string_view from = "") {
    auto all = contents(tree, from);
    auto expected = model.lower_bound(from);
    for (const auto& found : all)
        if (expected == model.end() || found != (expected++)->second) return false;
    return expected == model.end() && tree.size() == model.size() &&
           tree.rank(from) == static_cast<std::size_t>(std::distance(model.begin(), model.lower_bound(from)));
}

}  // namespace

TEST_CASE("a tree without anything") {
    Tree tree;
    CHECK(tree.size() == 0);
    CHECK(tree.rank("x") == 0);
    CHECK(tree.find("x") == nullptr);
    CHECK(tree.remove("x", 1) == nullptr);
    CHECK(contents(tree).empty());
    CHECK(contents(Tree::of({})).empty());
}

TEST_CASE("a tree stays what a map would be, and its copies stay what they were") {
    std::mt19937 random(7);
    for (unsigned range : {40U, 3'000U, 100'000U}) {
        Tree tree;
        Model model;
        std::vector<std::pair<Tree, Model>> copies;
        std::uint64_t edit = 1;
        for (int step = 0; step < 30'000; ++step) {
            // Grows for a while, then shrinks, down to nothing when the range is small.
            bool shrinks = step % 10'000 > 6'000;
            auto key = "k" + std::to_string(random() % range);
            if (random() % 4 < (shrinks ? 1U : 3U)) {
                auto added = object(key);
                auto before = tree.put(added, edit);
                REQUIRE(before == (model.contains(key) ? model[key] : nullptr));
                model[key] = added;
            } else {
                auto from = model.lower_bound(key);
                if (from != model.end()) key = from->first;
                auto before = tree.remove(key, edit);
                REQUIRE(before == (model.contains(key) ? model[key] : nullptr));
                model.erase(key);
            }
            if (step % 3'000 == 0) copies.emplace_back(tree, model);
            if (step % 50 == 0) ++edit;
            if (step % 3'000 == 0) ++edit;
            if (step % 997 == 0) REQUIRE(same(tree, model, step % 2 ? key : ""));
            REQUIRE(tree.find(key) == (model.contains(key) ? model[key] : nullptr));
        }
        for (const auto& [then, expected] : copies) CHECK(same(then, expected));
        while (!model.empty()) {
            REQUIRE(tree.remove(model.begin()->first, edit) == model.begin()->second);
            model.erase(model.begin());
        }
        CHECK(contents(tree).empty());
    }
}

TEST_CASE("a tree is built from sorted objects, of every size") {
    for (std::size_t size : {1U, 27U, 28U, 29U, 784U, 785U, 30'000U}) {
        Model model;
        for (std::size_t i = 0; i < size; ++i) {
            auto key = std::to_string(1'000'000 + i);
            model[key] = object(key);
        }
        std::vector<ObjectPointer> sorted;
        for (const auto& [key, value] : model) sorted.push_back(value);
        auto tree = Tree::of(sorted);
        CHECK(same(tree, model));
        CHECK(same(tree, model, std::to_string(1'000'000 + size / 2)));
        CHECK(same(tree, model, "2"));
        auto key = std::string("1000000a");
        model[key] = object(key);
        tree.put(model[key], 1);
        CHECK(same(tree, model));
    }
}

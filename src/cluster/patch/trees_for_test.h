// SPDX-License-Identifier: Apache-2.0
#pragma once
// JSON of tests: single quotes stand for double ones.

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>

#include "base/json.h"
#include "cluster/patch/tree.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::patch::test {

inline json::value tree(std::string text) {
    std::replace(text.begin(), text.end(), '\'', '"');
    auto parsed = parse_json(text, {.max_bytes = 16U << 20, .max_depth = 300});
    INFO(text);
    REQUIRE(parsed.ok());
    return parsed.take();
}

inline std::string text(const json::value& value) {
    auto made = to_json(value);
    std::replace(made.begin(), made.end(), '"', '\'');
    return made;
}

inline const schema::Type& builtin_type(std::string_view name) {
    const auto* found = schema::Catalogue::builtin().find_type(name);
    REQUIRE(found);
    return *found;
}

inline schema::Node node_of(const schema::Type& type) {
    schema::Node node;
    node.form = schema::Form::Message;
    node.type = &type;
    return node;
}

// Any tree, from few names and values, so that two of them often meet.
class Trees {
public:
    explicit Trees(unsigned seed) : random_(seed) {}
    std::size_t pick(std::size_t below) { return random_() % below; }

    json::value any(int depth) {
        switch (depth > 0 ? pick(8) : pick(5)) {
            case 0: return nullptr;
            case 1: return pick(2) == 0;
            case 2: return static_cast<std::int64_t>(pick(3));
            case 3: return 0.5;
            case 4: return json::string(std::string(1, static_cast<char>('a' + pick(3))));
            case 5: {
                json::array made;
                for (auto count = pick(4); count > 0; --count) made.push_back(any(depth - 1));
                return made;
            }
            default: return object(depth);
        }
    }
    json::object object(int depth) {
        json::object made;
        for (auto count = pick(5); count > 0; --count)
            made.insert_or_assign(std::string(1, static_cast<char>('p' + pick(5))), any(depth - 1));
        return made;
    }

private:
    std::mt19937 random_;
};

}  // namespace pila::cluster::patch::test

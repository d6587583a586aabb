// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/seen.h"

#include <cstring>

#include <array>

#include <boost/json.hpp>

#include "base/log.h"
#include "cluster/codec/codec.h"

namespace pila::cluster::controllers {

namespace {

// Handlers speak of a change's two states and perhaps of an owner.
struct Shelf {
    struct Place {
        const state::Object* object = nullptr;  // with its revision: no other has had both
        state::Revision revision = 0;
        std::shared_ptr<const json::object> tree;
    };
    std::array<Place, 4> places;
    std::size_t next = 0;
};
thread_local Shelf shelf;

}  // namespace

std::shared_ptr<const json::object> seen(const state::Object& object) {
    for (const auto& place : shelf.places)
        if (place.object == &object && place.revision == object.revision) return place.tree;
    auto read = codec::read_stored(object.bytes, json::make_shared_resource<json::monotonic_resource>());
    if (!read || !read->is_object()) {
        log::error("{} cannot be read", object.key);  // the registry wrote it, so this is not possible
        return nullptr;
    }
    auto whole = std::make_shared<const json::value>(read.take());
    std::shared_ptr<const json::object> tree(whole, &whole->get_object());
    shelf.places[shelf.next] = {&object, object.revision, tree};
    shelf.next = (shelf.next + 1) % shelf.places.size();
    return tree;
}

void forget_seen() { shelf = {}; }

bool mentions(const state::Object& object, std::string_view word) {
    return ::memmem(object.bytes.data(), object.bytes.size(), word.data(), word.size()) != nullptr;
}

}  // namespace pila::cluster::controllers

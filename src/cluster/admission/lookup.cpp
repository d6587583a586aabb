// SPDX-License-Identifier: Apache-2.0
#include "cluster/admission/lookup_internal.h"

#include <boost/json.hpp>

#include "base/mutex.h"
#include "cluster/codec/codec.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

std::string prefix_of(std::string_view collection, std::string_view name_space) {
    std::string prefix(collection);
    prefix += '/';
    if (!name_space.empty()) prefix.append(name_space) += '/';
    return prefix;
}

std::string_view metadata_member(const json::object& object, std::string_view map, std::string_view name) {
    const auto* metadata = kinds::object_at(object, "metadata");
    const auto* members = metadata ? kinds::object_at(*metadata, map) : nullptr;
    return members ? kinds::text_at(*members, name) : std::string_view();
}

// Shared with the writer's thread, which may hold its last reference.
struct Bell {
    Mutex mutex;
    Condition rung;
    bool is_rung GUARDED_BY(mutex) = false;
};

}  // namespace

std::string key_of(std::string_view collection, std::string_view name_space, std::string_view name) {
    return prefix_of(collection, name_space).append(name);
}

std::optional<json::object> Lookup::read(const state::Object& object) {
    auto tree = codec::read_stored(object.bytes);
    if (!tree || !tree->is_object()) return std::nullopt;
    return std::move(tree->get_object());
}

std::optional<json::object> Lookup::get(std::string_view collection, std::string_view name_space,
                                        std::string_view name) const {
    auto found = state_.get(key_of(collection, name_space, name));
    return found ? read(*found) : std::nullopt;
}

std::optional<json::object> Lookup::await(std::string_view collection, std::string_view name_space,
                                          std::string_view name, std::chrono::milliseconds most) const {
    if (auto found = get(collection, name_space, name)) return found;
    const auto until = std::chrono::steady_clock::now() + most;
    auto bell = std::make_shared<Bell>();
    auto watch = state_.watch(prefix_of(collection, name_space), state_.revision(), [bell] {
        Lock lock(bell->mutex);
        bell->is_rung = true;
        bell->rung.notify_all();
    });
    if (!watch) return std::nullopt;
    for (;;) {
        auto events = (*watch)->events(1000);  // wakes come again only once they have been asked for
        if (auto found = get(collection, name_space, name); found || !events) return found;
        Lock lock(bell->mutex);
        while (!bell->is_rung)
            if (!bell->rung.wait_until(lock, until)) return std::nullopt;
        bell->is_rung = false;
    }
}

std::vector<json::object> Lookup::list(std::string_view collection, std::string_view name_space) const {
    std::vector<json::object> objects;
    auto page = state_.list(prefix_of(collection, name_space), "", 0, 0);
    if (!page) return objects;
    for (const auto& stored : page->objects)
        if (auto object = read(*stored)) objects.push_back(std::move(*object));
    return objects;
}

bool Lookup::has_any(std::string_view collection, std::string_view name_space) const {
    auto page = state_.list(prefix_of(collection, name_space), "", 1, 0);
    return page && !page->objects.empty();
}

std::string_view annotation_of(const json::object& object, std::string_view name) {
    return metadata_member(object, "annotations", name);
}
std::string_view label_of(const json::object& object, std::string_view name) {
    return metadata_member(object, "labels", name);
}
std::string_view name_of(const json::object& object) {
    const auto* metadata = kinds::object_at(object, "metadata");
    return metadata ? kinds::text_at(*metadata, "name") : std::string_view();
}

std::optional<std::string> default_of(const std::vector<json::object>& objects,
                                      std::initializer_list<std::string_view> annotations) {
    const json::object* best = nullptr;
    auto created = [](const json::object& object) {
        return kinds::text_at(*kinds::object_at(object, "metadata"), "creationTimestamp");
    };
    for (const auto& object : objects) {
        bool is_default = false;
        for (auto name : annotations) is_default = is_default || annotation_of(object, name) == "true";
        if (!is_default) continue;
        if (!best || created(object) > created(*best)) best = &object;  // by name where both are as old
    }
    if (!best) return std::nullopt;
    return std::string(name_of(*best));
}

}  // namespace pila::cluster::admission

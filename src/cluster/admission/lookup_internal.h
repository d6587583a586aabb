// SPDX-License-Identifier: Apache-2.0
#pragma once
// Other objects, as plug-ins read them: straight from the state, so that a class counts from the moment its writer is
// answered.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "cluster/state/state.h"

namespace pila::cluster::admission {

namespace json = boost::json;

// "core/limitranges", "storage.k8s.io/storageclasses"
class Lookup {
public:
    explicit Lookup(state::State& state) : state_(state) {}

    state::State& state() const { return state_; }
    std::optional<json::object> get(std::string_view collection, std::string_view name_space,
                                    std::string_view name) const;
    // The same, but waits for it up to `most`: what a controller is about to make.
    std::optional<json::object> await(std::string_view collection, std::string_view name_space, std::string_view name,
                                      std::chrono::milliseconds most) const;
    std::vector<json::object> list(std::string_view collection, std::string_view name_space) const;
    bool has_any(std::string_view collection, std::string_view name_space) const;

    static std::optional<json::object> read(const state::Object& object);

private:
    state::State& state_;
};

std::string key_of(std::string_view collection, std::string_view name_space, std::string_view name);
std::string_view annotation_of(const json::object& object, std::string_view name);
std::string_view label_of(const json::object& object, std::string_view name);
std::string_view name_of(const json::object& object);

// Of objects that say by an annotation that they are the usual ones, the newest.
std::optional<std::string> default_of(const std::vector<json::object>& objects,
                                      std::initializer_list<std::string_view> annotations);

}  // namespace pila::cluster::admission

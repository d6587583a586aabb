// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/controller.h"

#include <cstring>

#include "cluster/api/metadata.h"

namespace pila::cluster::controllers {

std::string name_key(const schema::Kind& kind, const state::Object& object) {
    return object.key.substr(api::prefix_of(kind, "").size());
}

std::string_view raw_owners(const state::Object& object) {
    constexpr std::string_view name = "\"ownerReferences\":[";
    const std::string_view bytes = object.bytes;
    const auto* found = static_cast<const char*>(::memmem(bytes.data(), bytes.size(), name.data(), name.size()));
    if (!found) return {};
    auto begin = static_cast<std::size_t>(found - bytes.data());
    return bytes.substr(begin, bytes.find(']', begin) - begin);
}

void Controller::follow(const schema::Kind& kind) {
    means_.informers.of(kind).add_handler([this, &kind](const ObjectPointer& before, const ObjectPointer& now) {
        enqueue(name_key(kind, now ? *now : *before));
    });
}

}  // namespace pila::cluster::controllers

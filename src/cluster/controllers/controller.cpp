// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/controller.h"

#include "cluster/api/metadata.h"

namespace pila::cluster::controllers {

std::string name_key(const schema::Kind& kind, const state::Object& object) {
    return object.key.substr(api::prefix_of(kind, "").size());
}

std::string_view raw_owners(const state::Object& object) {
    auto begin = object.bytes.find("\"ownerReferences\":[");
    if (begin == std::string::npos) return {};
    return std::string_view(object.bytes).substr(begin, object.bytes.find(']', begin) - begin);
}

void Controller::follow(const schema::Kind& kind) {
    means_.informers.of(kind).add_handler([this, &kind](const ObjectPointer& before, const ObjectPointer& now) {
        enqueue(name_key(kind, now ? *now : *before));
    });
}

}  // namespace pila::cluster::controllers

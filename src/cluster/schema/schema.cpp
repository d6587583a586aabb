// SPDX-License-Identifier: Apache-2.0
#include "cluster/schema/schema.h"

#include <algorithm>

namespace pila::cluster::schema {

const Field* Type::find(std::string_view field) const {
    auto found = std::lower_bound(fields.begin(), fields.end(), field,
                                  [](const Field& known, std::string_view wanted) { return known.name < wanted; });
    return found != fields.end() && found->name == field ? &*found : nullptr;
}

const Subresource* Kind::find_subresource(std::string_view subresource) const {
    for (const auto& known : subresources)
        if (known.name == subresource) return &known;
    return nullptr;
}

bool Kind::has_verb(std::string_view verb) const { return std::find(verbs.begin(), verbs.end(), verb) != verbs.end(); }

}  // namespace pila::cluster::schema

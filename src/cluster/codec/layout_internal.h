// SPDX-License-Identifier: Apache-2.0
#pragma once
// Messages of the built-in types as protobuf has them: fields by number, with the messages that JSON folds away.

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::codec {

struct Layout {
    struct Slot {
        std::uint32_t number = 0;
        const schema::Field* field = nullptr;  // or
        const Layout* folded = nullptr;        // a message whose fields are the enclosing message's
    };
    std::vector<Slot> slots;  // by number

    const Slot* find(std::uint32_t number) const;
};

const Layout& layout_of(const schema::Type& type);  // of the built-in catalogue

// What the body of an envelope is.
struct Content {
    const schema::Type* type = nullptr;
    bool is_list = false;  // {1 list's metadata, 2 items of `type`}
};
// Unsupported: custom kinds, and those that are not in the catalogue.
Result<Content> content_of(std::string_view api_version, std::string_view kind);

constexpr std::string_view envelope_magic{"k8s\0", 4};

}  // namespace pila::cluster::codec

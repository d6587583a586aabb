// SPDX-License-Identifier: Apache-2.0
// A path and an Accept header, a line each: the form that is chosen must be one that the path has.
#include <cstdlib>

#include "cluster/discovery/documents.h"
#include "cluster/schema/catalogue.h"

namespace discovery = pila::cluster::discovery;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto documents = [] {
        std::vector<const pila::cluster::schema::Kind*> kinds;
        for (const auto& kind : pila::cluster::schema::Catalogue::builtin().kinds()) kinds.push_back(&kind);
        return std::make_unique<discovery::Documents>(kinds, discovery::About{});
    }();
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto path = text.substr(0, text.find('\n'));
    const auto accept = path.size() < text.size() ? text.substr(path.size() + 1) : std::string_view();
    const auto form = discovery::form_for(path, accept);
    const bool is_there = documents->at(path) != nullptr;
    if (form && is_there && !documents->at(path, *form)) std::abort();
    return 0;
}

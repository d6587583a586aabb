// SPDX-License-Identifier: Apache-2.0
// Label and field selectors: as text, and as objects hold them.
#include <cstdint>
#include <string_view>

#include <boost/json.hpp>

#include "base/json.h"
#include "cluster/api/selectors.h"
#include "cluster/schema/catalogue.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pila::cluster;
    static const auto& kind = *schema::Catalogue::builtin().find_resource({"", "v1"}, "pods");
    static const auto attributes = api::attributes_of(
        pila::parse_json(
            R"({"metadata":{"name":"web","namespace":"n","labels":{"a":"b","n":"5"}},"status":{"phase":"Running"}})")
            .take(),
        kind);
    std::string_view text(reinterpret_cast<const char*>(data), size);
    if (auto labels = api::LabelSelector::parse(text)) static_cast<void>(labels->matches(attributes));
    if (auto fields = api::FieldSelector::parse(text, kind)) {
        static_cast<void>(fields->matches(attributes));
        static_cast<void>(fields->wanted_name());
    }
    auto tree = pila::parse_json(text);
    if (!tree) return 0;
    if (auto labels = api::LabelSelector::read(*tree)) static_cast<void>(labels->matches(attributes));
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Objects that nothing fitted to their schema: defaults and rules never crash, and completing twice is completing once.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "cluster/kinds/kinds.h"
#include "cluster/schema/catalogue.h"

using namespace pila::cluster;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto& known = schema::Catalogue::builtin().kinds();
    const auto& kind = known[data[0] % known.size()];
    boost::json::error_code failure;
    auto value = boost::json::parse(std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1), failure);
    if (failure || !value.is_object()) return 0;
    auto& object = value.get_object();
    const auto given = object;
    kinds::set_defaults(object, kind);
    const auto once = object;
    kinds::set_defaults(object, kind);
    if (object != once) std::abort();
    if (kinds::validate(object, kind).size() > 100) std::abort();
    (void)kinds::validate_update(object, given, kind);
    (void)kinds::warnings(object, kind);
    kinds::prepare_for_create(object, kind);
    kinds::prepare_for_update(object, given, kind);
    return 0;
}

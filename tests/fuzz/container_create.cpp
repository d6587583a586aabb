// SPDX-License-Identifier: Apache-2.0
// The body of POST /containers/create: never a crash, and what is accepted reads back from its stored form.
#include <cstdint>
#include <cstdlib>

#include <boost/json.hpp>

#include "engine/spec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto value = pila::parse_json({reinterpret_cast<const char*>(data), size});
    if (!value || !value->is_object()) return 0;
    auto spec = pila::engine::make_spec(value->get_object(), {}, std::string(64, 'a'));
    if (!spec) return 0;
    if (!pila::engine::load_spec(spec->config_json, spec->host_config_json, spec->networking_json)) std::abort();
    return 0;
}

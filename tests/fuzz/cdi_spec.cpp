// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/cdi.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    pila::ignore(pila::engine::parse_cdi_spec(std::string_view(reinterpret_cast<const char*>(data), size)),
                 "must only not crash");
    return 0;
}

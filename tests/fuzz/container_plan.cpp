// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/check_internal.h"
#include "runtime/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (auto plan = pila::runtime::deserialize_plan(bytes)) {
        // Whatever is accepted is what would be written.
        if (pila::runtime::serialize(*plan) != bytes) __builtin_trap();
        pila::ignore(pila::runtime::check_plan(*plan, 2), "must only not crash");
    }
    pila::ignore(pila::runtime::deserialize_process(bytes), "must only not crash");
    return 0;
}

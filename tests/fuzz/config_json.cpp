// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/check_internal.h"
#include "runtime/oci_internal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto plan =
        pila::runtime::oci::plan_of_config(std::string_view(reinterpret_cast<const char*>(data), size), "/bundle");
    if (plan) pila::ignore(pila::runtime::check_plan(*plan, 0), "must only not crash");
    return 0;
}

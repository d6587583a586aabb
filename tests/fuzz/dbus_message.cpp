// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/dbus_internal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto message = pila::runtime::dbus::decode(std::string_view(reinterpret_cast<const char*>(data), size));
    if (message) pila::runtime::dbus::texts_of(*message);
    return 0;
}

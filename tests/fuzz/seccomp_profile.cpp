// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/seccomp_profile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    auto profile = pila::runtime::seccomp::parse_profile(text, {.capabilities = 0xa80425fb});
    if (profile) pila::ignore(pila::runtime::seccomp::compile(*profile), "must only not crash");
    return 0;
}

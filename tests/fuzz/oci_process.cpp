// SPDX-License-Identifier: Apache-2.0
// What `exec --process`, `update --resources` and the container's record are read from.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/container_record_internal.h"
#include "runtime/oci_internal.h"
#include "runtime/systemd_scope_internal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pila::runtime;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    pila::ignore(oci::process_of_json(text, {}), "must only not crash");
    pila::ignore(oci::limits_of_json(text), "must only not crash");
    pila::ignore(decode_record(text), "must only not crash");
    pila::ignore(parse_scope(text, "id", false), "must only not crash");
    return 0;
}

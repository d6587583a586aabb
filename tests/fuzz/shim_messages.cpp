// SPDX-License-Identifier: Apache-2.0
// Requests and reports between daemon and shim, and the keys that a user types into a terminal.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/detach_keys_internal.h"
#include "runtime/log_format.h"
#include "runtime/protocol_internal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pila::runtime;
    std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (auto request = decode_request(bytes); request && encode(*request) != bytes) __builtin_trap();
    if (auto report = decode_report(bytes); report && encode(*report) != bytes) __builtin_trap();
    if (size > 1) {
        std::size_t length = data[0] % 8;
        DetachKeys keys{std::string(bytes.substr(1, length))};
        std::string out;
        keys.filter(bytes.substr(1), out);
    }
    std::string line;
    for (auto format : {LogFormat::Json, LogFormat::Local})
        append_log_entry(format, line, bytes, false, log_stamp(format, {}));
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// What ps and the kernel's control groups print, which a container has a say in: never a crash.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/process_list.h"
#include "engine/sample.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pila::engine;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    if (auto list = parse_process_table(text, {1, 7, 4711}))
        for (const auto& process : list->processes)
            if (process.size() != list->titles.size()) std::abort();
    pila::ignore(check_ps_arguments(text), "must only not crash");
    parse_system_time(text);
    parse_keyed(text);
    for (const auto& one : parse_interfaces(text))
        if (one.name == "lo") std::abort();
    parse_block_v1(text);
    auto [bytes, operations] = parse_block_v2(text);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Values of flags and files that people and programs write: ports, environment files, volumes, mounts, networks, names.
#include <string>

#include "cli/csv.h"
#include "cli/detach_keys.h"
#include "cli/env_file.h"
#include "cli/mounts.h"
#include "cli/network_options.h"
#include "cli/ports.h"
#include "cli/reference.h"
#include "cli/units.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace pila;
    using namespace pila::cli;
    if (size == 0) return 0;
    std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    constexpr std::string_view why = "any outcome is fine";
    switch (data[0] % 10) {
        case 0: ignore(parse_publish(text), why); break;
        case 1: ignore(parse_expose(text), why); break;
        case 2: ignore(parse_env_text(text, "fuzz", BareNames::Drop), why); break;
        case 3: ignore(parse_volume(text), why); break;
        case 4: ignore(parse_mount(text), why); break;
        case 5: ignore(parse_network(text), why); break;
        case 6: ignore(parse_reference(text), why); break;
        case 7: ignore(parse_detach_keys(text), why); break;
        case 8:
            ignore(parse_go_duration(text), why);
            ignore(parse_ram_size(text), why);
            break;
        default: ignore(parse_since(text, {1'700'000'000'000'000'000}), why);
    }
    return 0;
}

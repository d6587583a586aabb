// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <string_view>

#include "image/registry_manifest.h"

using namespace pila::image;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    auto parsed = parse_manifest(text, "application/json; x");
    if (!parsed) return 0;
    if (parsed->manifest) {
        // What was understood can be written and understood again, the same.
        auto again = parse_manifest(write_manifest(*parsed->manifest), "");
        if (!again || !again->manifest || again->manifest->layers.size() != parsed->manifest->layers.size())
            std::abort();
        if (again->manifest->config.digest != parsed->manifest->config.digest) std::abort();
    } else {
        for (const char* platform : {"linux/arm/v6", "linux/amd64", "arm64"}) {
            auto wanted = Platform::parse(platform);
            auto chosen = choose_platform(parsed->manifests, *wanted);
            if (chosen && chosen->platform && chosen->platform->architecture != wanted->architecture) std::abort();
        }
    }
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Names of images, configurations, and the instructions of commit -c. The first byte chooses.
#include <cstdlib>

#include "image/image_config.h"
#include "image/image_store.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pila::image;
    if (size == 0) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (data[0] % 3 == 0) {
        auto reference = Reference::parse(text);
        if (!reference) return 0;
        auto again = Reference::parse(reference->familiar());
        if (!again || again->familiar() != reference->familiar() || again->path != reference->path) std::abort();
    } else if (data[0] % 3 == 1) {
        auto image = parse_image_config(text);
        if (image && image->config_json != text) std::abort();
        if (image && !parse_image_config(write_image_config(
                         {.config = image->config, .history = image->history, .layers = image->layers})))
            std::abort();
    } else {
        ImageConfig config;
        config.environment = {"PATH=/bin"};
        if (apply_changes(config, {text}) && !parse_image_config(write_image_config({.config = config}))) std::abort();
    }
    return 0;
}

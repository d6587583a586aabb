// SPDX-License-Identifier: Apache-2.0
// Archives for a tree that is in use (docker cp): whatever they hold, nothing outside of the root changes, and nothing
// that was in it leaves it.
#include <fcntl.h>
#include <cstdlib>

#include "image/image_test_util.h"
#include "image/layer_extractor.h"
#include "image/tree_tar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pila::image;
    if (size == 0) return 0;
    static test::TemporaryDirectory directory;
    const auto root = directory.path + "/root";
    if (!pila::os::make_directories(root + "/place/there")) std::abort();
    if (!pila::os::replace_file(directory.path + "/outside", "untouched", 0600, pila::os::Sync::No)) std::abort();

    pila::Context context;
    LayerExtractor::Options options;
    options.form = LayerExtractor::Form::Files;
    options.below = "place";
    options.keep_kinds = (data[0] & 1) != 0;
    options.context = &context;
    auto extractor = LayerExtractor::create(root, std::move(options)).take();
    MemoryChunks chunks({reinterpret_cast<const char*>(data) + 1, size - 1});
    TarReader reader(chunks);
    TarEntry entry;
    while (reader.next(entry).value_or(false))
        if (!extractor->extract(entry, reader)) break;
    pila::ignore(extractor->finish(), "a hostile archive may fail anywhere");

    // What came out can go in again.
    std::uint64_t bytes = 0;
    TreeTar tar(context, [&](std::string_view more) -> pila::Result<void> {
        bytes += more.size();
        if (bytes > (16U << 20)) return pila::Error(pila::Errc::Exhausted, "enough");
        return {};
    });
    auto place = pila::os::open(root, O_PATH | O_DIRECTORY);
    pila::ignore(tar.add(*place, "root"), "names may be longer than a tar can have");

    auto outside = pila::os::list_directory(directory.path);
    if (!outside || outside->size() != 2) std::abort();
    if (pila::os::read_file(directory.path + "/outside", 100).value_or("") != "untouched") std::abort();
    if (!pila::os::remove_tree(root)) std::abort();
    return 0;
}

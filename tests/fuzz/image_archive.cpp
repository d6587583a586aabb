// SPDX-License-Identifier: Apache-2.0
// docker load of anything: an error leaves nothing, a success can be saved and removed again.
#include <cstdlib>

#include "image/image_test_util.h"
#include "store/store.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pila;
    using namespace pila::image;
    static test::TemporaryDirectory directory;
    static auto node = store::Store::open(directory.path + "/node.db", store::Durability::Relaxed).take();
    static auto images = ImageStore::create(directory.path + "/data", *node).take();
    Context context;
    test::MemoryReader body({reinterpret_cast<const char*>(data), size}, 4096);
    auto loaded = images->load(context, body, {});
    if (loaded)
        for (const auto& name : *loaded) {
            test::MemoryWriter out;
            if (images->find(name) && !images->save(context, {name}, out)) std::abort();
        }
    for (const auto& image : images->list())
        if (!images->remove(image->id.text(), true, true, {}) && images->find(image->id.text())) std::abort();
    dynamic_cast<Images&>(*images).layers().janitor().finish_all();
    for (const char* below : {"/data/tmp", "/data/layers"})
        if (!os::list_directory(directory.path + below)->empty()) std::abort();
    return 0;
}

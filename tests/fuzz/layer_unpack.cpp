// SPDX-License-Identifier: Apache-2.0
// Whatever is unpacked gives the same tar back, and nothing appears outside of the store's own directory.
#include <cstdlib>

#include "image/image_test_util.h"
#include "image/layer_store.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pila::image;
    static test::TemporaryDirectory directory;
    static auto blobs = BlobStore::create(directory.path + "/data").take();
    static auto layers = LayerStore::create(directory.path + "/data", *blobs).take();
    const std::string_view tar(reinterpret_cast<const char*>(data), size);
    MemoryChunks chunks(tar);
    pila::Context context;
    auto unpacked = layers->unpack(context, chunks, LayerStore::KeepTar::Recipe);
    if (unpacked) {
        auto diff_id = unpacked->diff_id;
        if (diff_id != Digest::of(tar)) std::abort();
        if (!layers->commit(unpacked.take())) std::abort();
        auto reader = layers->open_tar(diff_id);
        if (!reader || test::read_to_end(**reader) != tar) std::abort();
        reader = pila::Error(pila::Errc::Gone, "closed");
        if (!layers->remove(diff_id)) std::abort();
        layers->janitor().finish_all();
    }
    if (pila::os::list_directory(directory.path)->size() != 1) std::abort();
    if (!pila::os::list_directory(directory.path + "/data/tmp")->empty()) std::abort();
    return 0;
}

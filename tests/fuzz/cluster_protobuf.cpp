// SPDX-License-Identifier: Apache-2.0
// What is read and fits can be written, and is read from that as the same.
#include <cstdint>
#include <cstdlib>

#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/schema/catalogue.h"

namespace codec = pila::cluster::codec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    auto value = codec::read_protobuf(bytes, {});
    if (!value) return 0;
    if (!codec::read_json(boost::json::serialize(*value), {}, nullptr, {.max_bytes = 64U << 20})) std::abort();
    auto written = codec::write_protobuf(*value);
    if (!written) return 0;  // a null within a list, an amount that is none
    auto again = codec::read_protobuf(*written, {});
    if (!again || *again != *value) std::abort();
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// What YAML is read to must be a tree that JSON can carry.
#include <cstdint>
#include <cstdlib>

#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/codec/codec.h"

namespace codec = pila::cluster::codec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    codec::Faults faults;
    codec::Limits limits;
    limits.max_nodes = 100'000;
    auto value = codec::read_yaml(text, {}, &faults, limits);
    if (!value) return 0;
    auto written = boost::json::serialize(*value);
    if (!pila::is_utf8(written)) std::abort();
    limits.max_bytes = written.size();
    if (!codec::read_json(written, {}, nullptr, limits)) std::abort();
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// A tree written as YAML reads as the same tree, and annotations of an autoscaler may be any text.
#include <cstdint>
#include <cstdlib>

#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/codec/forms.h"
#include "cluster/convert/convert.h"
#include "cluster/schema/catalogue.h"

namespace codec = pila::cluster::codec;
namespace convert = pila::cluster::convert;
namespace json = boost::json;

namespace {

void convert_annotation(std::string_view text) {
    static const auto& kind =
        *pila::cluster::schema::Catalogue::builtin().find_kind({"autoscaling", "v1"}, "HorizontalPodAutoscaler");
    json::object notes;
    for (const auto* name : {"metrics", "current-metrics", "conditions", "behavior"})
        notes["autoscaling.alpha.kubernetes.io/" + std::string(name)] = text;
    json::object object{{"metadata", json::object{{"annotations", notes}}},
                        {"spec", json::object{{"maxReplicas", 2}}},
                        {"status", json::object{{"currentReplicas", 1}}}};
    convert::to_stored(object, kind);
    if (object.at("metadata").as_object().contains("annotations")) std::abort();
    convert::from_stored(object, kind);
    if (object.at("spec").as_object().contains("metrics")) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    convert_annotation(text);
    codec::Limits limits;
    limits.max_depth = 50;
    auto tree = codec::read_json(text, {}, nullptr, limits);
    if (!tree) return 0;
    std::string yaml;
    codec::append_yaml(yaml, *tree);
    limits.max_bytes = yaml.size() + 1;
    limits.max_depth = 100;
    auto read = codec::read_yaml(yaml, {}, nullptr, limits);
    if (!read) std::abort();
    // Numbers in their shortest form on both sides.
    auto wanted = codec::read_json(codec::write_json(*tree), {}), got = codec::read_json(codec::write_json(*read), {});
    if (!wanted || !got || !(*wanted == *got)) std::abort();
    return 0;
}

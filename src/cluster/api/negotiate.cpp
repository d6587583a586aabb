// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/negotiate.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

namespace pila::cluster::api {

std::string_view MediaType::parameter(std::string_view name) const {
    for (const auto& [key, value] : parameters)
        if (key == name) return value;
    return {};
}

MediaType read_media_type(std::string_view text) {
    MediaType made;
    auto parts = split(text, ';');
    made.type = to_lower(trim(parts[0]));
    for (std::size_t index = 1; index < parts.size(); ++index) {
        auto equals = parts[index].find('=');
        if (equals == parts[index].npos) continue;
        auto value = trim(parts[index].substr(equals + 1));
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
        made.parameters.emplace_back(to_lower(trim(parts[index].substr(0, equals))), value);
    }
    return made;
}

std::vector<MediaType> read_accept(std::string_view text) {
    std::vector<std::pair<double, MediaType>> wanted;
    for (auto part : split(text, ',')) {
        if (trim(part).empty()) continue;
        auto type = read_media_type(part);
        auto quality = std::string(type.parameter("q"));
        wanted.emplace_back(quality.empty() ? 1.0 : std::strtod(quality.c_str(), nullptr), std::move(type));
        if (wanted.size() == 32) break;
    }
    std::stable_sort(wanted.begin(), wanted.end(),
                     [](const auto& left, const auto& right) { return left.first > right.first; });
    std::vector<MediaType> types;
    for (auto& [quality, type] : wanted)
        if (quality > 0) types.push_back(std::move(type));
    if (types.empty()) types.push_back({"*/*", {}});
    return types;
}

static std::optional<Encoding> encoding_of(std::string_view type) {
    if (type == "application/json" || type == "*/*" || type == "application/*") return Encoding::Json;
    if (type == "application/yaml") return Encoding::Yaml;
    if (type == "application/vnd.kubernetes.protobuf") return Encoding::Protobuf;
    return std::nullopt;
}

std::optional<Shape> shape_of(std::string_view accept, const Offer& offer) {
    for (const auto& type : read_accept(accept)) {
        const auto encoding = encoding_of(type.type);
        if (!encoding || (*encoding == Encoding::Yaml && offer.is_watch)) continue;
        auto as = type.parameter("as");
        if (as.empty()) {
            if (*encoding == Encoding::Protobuf && !offer.has_protobuf) continue;
            return Shape{Form::Object, "", *encoding};
        }
        auto version = type.parameter("v");
        if (type.parameter("g") != "meta.k8s.io" || (version != "v1" && version != "v1beta1")) continue;
        if (as == "Table" && *encoding == Encoding::Json) return Shape{Form::Table, std::string(version)};
        if (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList")
            return Shape{Form::PartialMetadata, std::string(version), *encoding};
    }
    return std::nullopt;
}

}  // namespace pila::cluster::api

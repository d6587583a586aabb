// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "cluster/discovery/documents.h"

namespace pila::cluster::discovery {

namespace {

struct Accepted {
    std::string_view type, group, version, as;
    double weight = 1;
};

Accepted read_accepted(std::string_view text) {
    auto parts = split(text, ';');
    Accepted read;
    read.type = trim(parts[0]);
    for (std::size_t index = 1; index < parts.size(); ++index) {
        auto equals = parts[index].find('=');
        if (equals == std::string_view::npos) continue;
        auto name = trim(parts[index].substr(0, equals));
        auto value = trim(parts[index].substr(equals + 1));
        if (name == "g") read.group = value;
        if (name == "v") read.version = value;
        if (name == "as") read.as = value;
        if (name != "q") continue;
        std::from_chars(value.data(), value.data() + value.size(), read.weight);
        if (!(read.weight >= 0 && read.weight <= 1)) read.weight = 0;  // "nan" has no place in an order
    }
    return read;
}

bool is_any_of(std::string_view type, std::initializer_list<std::string_view> types) {
    return std::find(types.begin(), types.end(), type) != types.end();
}

std::optional<Form> form_of(std::string_view path, const Accepted& accepted) {
    if (!(accepted.weight > 0)) return std::nullopt;
    if (path == "/openapi/v2" &&
        is_any_of(accepted.type, {"application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
                                  "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"}))
        return Form::Protobuf;
    if (!is_any_of(accepted.type, {"application/json", "application/*", "*/*"})) return std::nullopt;
    if (accepted.as.empty()) return Form::Json;
    if (path != "/api" && path != "/apis") return std::nullopt;
    if (accepted.group != "apidiscovery.k8s.io" || accepted.as != "APIGroupDiscoveryList") return std::nullopt;
    if (accepted.version == "v2") return Form::AggregatedV2;
    if (accepted.version == "v2beta1") return Form::AggregatedV2Beta1;
    return std::nullopt;
}

}  // namespace

std::optional<Form> form_for(std::string_view path, std::string_view accept) {
    if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    if (trim(accept).empty()) return Form::Json;
    std::vector<Accepted> all;
    for (auto part : split(accept.substr(0, 8192), ',')) all.push_back(read_accepted(part));
    std::stable_sort(all.begin(), all.end(),
                     [](const Accepted& left, const Accepted& right) { return left.weight > right.weight; });
    for (const auto& accepted : all)
        if (auto form = form_of(path, accepted)) return form;
    return std::nullopt;
}

}  // namespace pila::cluster::discovery

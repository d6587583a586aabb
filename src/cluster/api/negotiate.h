// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which form of an answer a client takes (RFC 9110 section 12.5.1, with the parameters that Kubernetes adds).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pila::cluster::api {

struct MediaType {
    std::string type;  // "application/json", lower case
    std::vector<std::pair<std::string, std::string>> parameters;
    std::string_view parameter(std::string_view name) const;
};

MediaType read_media_type(std::string_view text);
// In the client's order of preference; "*/*" if there is none.
std::vector<MediaType> read_accept(std::string_view text);

enum class Form : std::uint8_t { Object, Table, PartialMetadata };

enum class Encoding : std::uint8_t { Json, Yaml, Protobuf };

// How objects are to be shown; nullopt: nothing that the client takes can be given. Tables are JSON.
struct Shape {
    Form form = Form::Object;
    std::string version;  // of meta.k8s.io for Table and PartialMetadata
    Encoding encoding = Encoding::Json;
};
struct Offer {
    bool has_protobuf = true;  // custom kinds have none; their metadata has
    bool is_watch = false;     // for which there is no YAML
};
std::optional<Shape> shape_of(std::string_view accept, const Offer& offer = {});

}  // namespace pila::cluster::api

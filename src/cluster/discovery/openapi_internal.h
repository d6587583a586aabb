// SPDX-License-Identifier: Apache-2.0
#pragma once
// OpenAPI documents from definitions and operations.

#include <string>
#include <vector>

#include "cluster/discovery/groups_internal.h"
#include "cluster/discovery/json_writer_internal.h"
#include "cluster/discovery/operations_internal.h"
#include "cluster/discovery/shapes_internal.h"

namespace pila::cluster::discovery {

enum class Dialect : std::uint8_t { V2, V3 };
void write_shape(JsonWriter& json, const Shape& shape, Dialect dialect);
void write_ref(JsonWriter& json, std::string_view definition, Dialect dialect);             // {"$ref": ...}
void write_operation_head(JsonWriter& json, const Operation& operation, const Path& path);  // id, tags, x-kubernetes-*

std::string write_openapi_v3(const Version& version, std::string_view title_version);

std::string write_openapi_v2(const std::vector<Group>& groups, std::string_view title_version);
// The message openapi.v2.Document of gnostic. Of the paths it has only the PATCH operations: kubectl up to 1.28, which
// alone asks for this form, looks there for what it may ask of a kind, and nowhere else.
std::string write_openapi_v2_protobuf(const std::vector<Group>& groups, std::string_view title_version);

Definitions define_all(const std::vector<Group>& groups);

}  // namespace pila::cluster::discovery

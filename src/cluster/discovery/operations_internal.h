// SPDX-License-Identifier: Apache-2.0
#pragma once
// What can be asked of the kinds of a group version: paths, operations and their parameters, as OpenAPI names them.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/discovery/groups_internal.h"

namespace pila::cluster::discovery {

struct Parameter {
    std::string_view key;  // what documents call the shared parameter
    std::string_view name, in, type, description;
};
std::span<const Parameter> parameters();
const Parameter& parameter(std::string_view key);

struct Operation {
    std::string_view method;  // "get"
    std::string_view action;  // x-kubernetes-action: "list", "connect", ...
    std::string id;           // readCoreV1NamespacedPod
    schema::GroupVersion group_version;
    std::string kind;
    std::vector<std::string_view> parameters;  // keys
    std::string body, result;                  // names of definitions; no result: a text or a stream
};

struct Path {
    std::string path, tag;                     // core_v1
    std::vector<std::string_view> parameters;  // of all its operations: keys
    std::vector<Operation> operations;
};

std::vector<Path> paths_of(const Version& version);
bool is_custom(const Version& version);

// HTTP codes of success.
std::vector<std::string_view> codes_of(const Operation& operation);
std::vector<std::string_view> patch_types(bool custom);

}  // namespace pila::cluster::discovery

// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a request to the cluster's API asks for: the path and method read as Kubernetes reads them
// (k8s.io/apiserver/pkg/endpoints/request/requestinfo.go says which).

#include <string>
#include <string_view>
#include <vector>

#include "cluster/schema/schema.h"
#include "http/message.h"

namespace pila::cluster::api {

struct RequestInfo {
    bool is_resource = false;  // below /api/v1 or /apis/GROUP/VERSION, and names a resource
    std::string verb;  // get, list, watch, create, update, patch, delete, deletecollection; of others get, post, ...
    schema::GroupVersion group_version;
    std::string name_space;  // "": none, or all
    std::string resource;    // plural
    std::string subresource;
    std::string name;
    std::string rest;                // of the path behind the subresource (proxy)
    std::vector<std::string> parts;  // of the path: {"apis", "apps", "v1", "deployments"}
};

// `path` is decoded. Never fails: what is no resource is a path.
RequestInfo read_request(std::string_view method, std::string_view path, const http::Query& query);

// "1", "true", "True", "t": true; "" with the name there, as in ?watch, too.
bool truth(const http::Query& query, std::string_view name);

}  // namespace pila::cluster::api

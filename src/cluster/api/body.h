// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bodies of requests as trees, whatever form they have.

#include <boost/json/value.hpp>

#include "cluster/api/registry.h"
#include "http/message.h"

namespace pila::cluster::api {

struct Body {
    json::value tree;
    codec::Faults faults;
    bool is_empty = false;
};

// JSON (also without Content-Type), YAML or protobuf. RequestEntityTooLarge, UnsupportedMediaType, BadRequest.
Outcome<Body> read_body(http::Request& request, json::storage_ptr memory);
// By its Content-Type; apply is YAML.
struct PatchBody {
    PatchType type = PatchType::Merge;
    Body body;
};
Outcome<PatchBody> read_patch(http::Request& request, json::storage_ptr memory);

// The options of a deletion: of the body, or of the query where the body says nothing.
Outcome<DeleteOptions> read_delete_options(http::Request& request, json::storage_ptr memory, bool& dry_run);

}  // namespace pila::cluster::api

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers as YAML or protobuf, for those who take that first, and compressed.

#include "cluster/api/show.h"

namespace pila::cluster::api {

std::string_view media_type(Encoding encoding);

// The last step of every request: an answer that is a JSON object becomes what the client prefers, if its kind has that
// form.
void give_form(const http::Request& request, http::Response& response);

// A list in the view's encoding, which is not JSON. Kept whole until it is sent: protobuf says first how long it is.
Result<std::string> list_in_form(const schema::Kind& kind, const View& view,
                                 const std::vector<state::ObjectPointer>& objects, const ListFacts& facts);

}  // namespace pila::cluster::api

// SPDX-License-Identifier: Apache-2.0
#pragma once
// One request for objects, with whoever asks for it and how: what every operation of the registry is told.

#include <string>
#include <vector>

#include <boost/json/storage_ptr.hpp>

#include "base/context.h"
#include "cluster/access/user.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::api {

namespace json = boost::json;

using access::User;

enum class FieldValidation : std::uint8_t { Ignore, Warn, Strict };

struct Call {
    const schema::Kind& kind;
    std::string name_space, name, subresource;
    const User& user;
    std::string manager;  // of fields
    FieldValidation validation = FieldValidation::Warn;
    bool dry_run = false;
    json::storage_ptr memory;  // of the request's trees
    Context context;
    std::vector<std::string> warnings;  // out
};

}  // namespace pila::cluster::api

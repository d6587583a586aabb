// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which volume a claim gets (k8s.io/component-helpers/storage/volume).

#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "cluster/schema/schema.h"

namespace pila::cluster::controllers {

namespace json = boost::json;

const schema::Kind& volume_kind();
const schema::Kind& storage_class_kind();

// The smallest that fits, one reserved for the claim first. `only_reserved`: no other one. Null: none.
const json::object* find_volume(const json::object& claim, const std::vector<json::object>& volumes,
                                bool only_reserved);
// Why a volume that a claim asks for by name is not for it; nullopt: it is.
std::optional<std::string> mismatch(const json::object& claim, const json::object& volume);
// Whether spec.claimRef means this claim: by name, and by uid if there is one.
bool is_reserved_for(const json::object& volume, const json::object& claim);

}  // namespace pila::cluster::controllers

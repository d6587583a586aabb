// SPDX-License-Identifier: Apache-2.0
#pragma once
// What single kinds need beyond their schema: defaults that depend on other fields, rules that a schema cannot say.
// Everything else is the same for every kind. Trees are whole objects, fitted to their schema (types are right, unknown
// fields gone) with the schema's own defaults in place. Threads: any.

#include <vector>

#include <boost/json/fwd.hpp>

#include "cluster/kinds/cause.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::kinds {

namespace json = boost::json;

// Fills in what Kubernetes would: before validation, on create and update alike; does it twice without a difference.
void set_defaults(json::object& object, const schema::Kind& kind);

// What the server puts into a new object beside its metadata, which is filled in by then (uid, name): a job's selector,
// a namespace's finalizers. Before validate(). And what it keeps of the old one, whatever a client sends.
void prepare_for_create(json::object& object, const schema::Kind& kind);
void prepare_for_update(json::object& object, const json::object& old, const schema::Kind& kind);
void prepare_for_status(json::object& object, const json::object& old, const schema::Kind& kind);

// What is wrong with a new object, or with the change from `old` to it. Empty: nothing. Includes `required` fields and
// closed sets of the schema, names, labels, annotations, quantities; immutable fields on update. At most 100 causes.
std::vector<Cause> validate(const json::object& object, const schema::Kind& kind);
std::vector<Cause> validate_update(const json::object& object, const json::object& old, const schema::Kind& kind);

// Things that are no error but that people should know (`Warning` headers), as deprecated fields or a port name used
// twice.
std::vector<std::string> warnings(const json::object& object, const schema::Kind& kind);

// What a name of this kind may be.
std::vector<Cause> validate_name(std::string_view name, const schema::Kind& kind,
                                 std::string_view field = "metadata.name");

// PUT without resourceVersion is taken as "whatever it is now" (most kinds); PUT of what is not there makes it (a few).
bool allows_unconditional_update(const schema::Kind& kind);
bool allows_create_on_update(const schema::Kind& kind);

}  // namespace pila::cluster::kinds

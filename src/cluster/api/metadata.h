// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the server keeps in an object's metadata, and how an object becomes the bytes that are stored.

#include <boost/json/fwd.hpp>

#include "cluster/api/call.h"
#include "cluster/api/status.h"
#include "cluster/state/state.h"

namespace pila::cluster::api {

// "core/pods/default/web", "core/nodes/n1": the store's key. Without name: what the keys of a list begin with.
std::string key_of(const schema::Kind& kind, std::string_view name_space, std::string_view name);
std::string prefix_of(const schema::Kind& kind, std::string_view name_space);
// The other way.
struct Place {
    std::string name_space, name;
};
Place place_of(const schema::Kind& kind, std::string_view key);

// Text members of metadata; "" if absent. `object` is a whole object.
std::string_view meta_text(const json::object& object, std::string_view member);
json::object& meta(json::object& object);  // made if it is not there

const schema::Kind& namespace_kind();
bool is_core(const schema::Kind& kind, std::string_view name);  // of the group without a name
bool is_namespace(const schema::Kind& kind);
bool is_service(const schema::Kind& kind);

// Whether finalizers hold it, those of a namespace's spec among them; whether it was deleted and only they or its node
// keep it.
bool is_held(const json::object& object, const schema::Kind& kind);
bool is_going(const json::object& object);

std::string now_text();

// A new object's metadata: what clients may not set goes, what the server sets comes. The name is there or generated.
void start_metadata(json::object& object, const Call& call);
// An update's: what clients cannot change is taken from `live`.
void keep_metadata(json::object& object, const json::object& live);

struct Encoded {
    std::string bytes;
    std::uint32_t revision_at = 0;  // where the revision's digits belong
};
// kind, apiVersion, metadata in a fixed order, then the rest; without resourceVersion's digits. Objects of custom kinds
// are stored in one version, whichever they came in.
Encoded encode(const json::object& object, const schema::Kind& kind);
// Stored bytes as this version of the kind shows them: with its apiVersion. `kept` holds them if they had to be made.
std::string_view shown_bytes(const state::Object& object, const schema::Kind& kind, std::string& kept);

// The same apart from resourceVersion and managedFields.
bool same_object(const json::object& left, const json::object& right);
// The same apart from metadata, status and what names the kind: a change raises the generation.
bool same_wish(const json::object& left, const json::object& right);

// A stored object as a tree.
Outcome<json::object> read_object(const state::Object& object, json::storage_ptr memory = {});

}  // namespace pila::cluster::api

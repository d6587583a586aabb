// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bodies of the cluster's API: text or protobuf to a tree and back, guided by the schema. Trees live for one request,
// in its memory resource. Every reader is bounded and refuses what clients of Kubernetes would be refused for. Threads:
// any.

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>
#include <boost/json/storage_ptr.hpp>

#include "base/result.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::codec {

namespace json = boost::json;

struct Limits {
    std::size_t max_bytes = 3U << 20;  // a request's body
    std::size_t max_depth = 100;
    std::size_t max_nodes = 1'000'000;  // values of a tree: what YAML aliases multiply is bounded, too
};

// What strict field validation refuses and lenient reading drops (`spec.containers[0].imge`). At most 100 of each.
struct Faults {
    std::vector<std::string> unknown, duplicate;
    bool empty() const { return unknown.empty() && duplicate.empty(); }
};

// JSON as Go reads it, but duplicate names are told (the last one holds) and text must be UTF-8. Invalid says where.
Result<json::value> read_json(std::string_view text, json::storage_ptr memory, Faults* faults = nullptr,
                              const Limits& limits = {});
// Of an object that the registry has written: it is as long as it is.
Result<json::value> read_stored(std::string_view bytes, json::storage_ptr memory = {});
// One YAML document, its scalars as sigs.k8s.io/yaml has them: YAML 1.1 (yes, no, on, off, y, n are booleans, 0o17,
// 017, 0x1f and 1_000 numbers, ~ and null null, times text), and what is whole is an integer (1.0, 1e3). Names must be
// scalars, which become strings. Aliases count as what they stand for; merge keys give way to the map's own names.
Result<json::value> read_yaml(std::string_view text, json::storage_ptr memory, Faults* faults = nullptr,
                              const Limits& limits = {});

// As Go writes JSON: 3.5 and 1000, where Boost would write 3.5E0 and 1E3.
std::string write_json(const json::value& value);

// application/vnd.kubernetes.protobuf: the envelope (6b 38 73 00, runtime.Unknown) and the message in it, of the type
// that the envelope names: a kind, a list of them, the body of a subresource, options or Status. The tree has
// apiVersion and kind. Unsupported: a kind that has no protobuf here (custom ones). Unknown field numbers are skipped
// (newer clients); a zero of a field that is neither pointer nor required is "unset".
Result<json::value> read_protobuf(std::string_view bytes, json::storage_ptr memory, const Limits& limits = {});
// The other way: a tree of a built-in kind, or a list of them, to an enveloped message. Invalid names the field that
// does not fit the schema; fields that the schema does not have are left out.
Result<std::string> write_protobuf(const json::value& object);

// Removes fields that the schema does not have and null values of fields that cannot be null (Go: an absent field;
// within lists and maps: the type's zero), says which were unknown, and writes times in UTC. Invalid: a value of the
// wrong JSON type, in the words of Go's decoding, which clients show:
// `json: cannot unmarshal string into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64`.
Result<void> fit(json::value& object, const schema::Node& node, Faults& faults);

// Puts in the schema's defaults where fields are absent, in messages that are there (and in those whose default is {}).
void apply_defaults(json::value& object, const schema::Node& node);

// Quantities in their canonical form ("1000m" to "1", "1024Mi" to "1Gi", 0.5 to "500m"), wherever the schema has one.
// Invalid names path and value.
Result<void> canonicalize(json::value& object, const schema::Node& node);

// RFC 3339 times in UTC, with seconds (`Time`) or microseconds.
std::string format_time(std::int64_t unix_seconds);
std::string format_micro_time(std::int64_t unix_microseconds);
Result<std::int64_t> parse_time(std::string_view text);  // microseconds since 1970; any offset, any fraction

}  // namespace pila::cluster::codec

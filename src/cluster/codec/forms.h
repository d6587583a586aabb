// SPDX-License-Identifier: Apache-2.0
#pragma once
// Forms of answers beside JSON: YAML in block style, and what protobuf has for lists and for events of watches.
// Threads: any.

#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "base/result.h"

namespace pila::cluster::codec {

namespace json = boost::json;

// Names in order, every line behind `indent` spaces but the first, which stands where `out` ends. Whatever reads YAML
// 1.1 or 1.2 reads the same values.
void append_yaml(std::string& out, const json::value& value, std::size_t indent = 0);

// A list as one enveloped message, item by item, so that no tree of all of it is needed.
class ProtobufList {
public:
    // `head`: {kind, apiVersion, metadata} of the list.
    static Result<ProtobufList> start(const json::object& head);
    Result<void> add(const json::value& item);
    std::string take() const;

private:
    std::string api_version_, kind_, body_;
};

// A frame of a watch: its length in four bytes, and WatchEvent {1 type, 2 {1 object in its envelope}}.
Result<void> append_protobuf_event(std::string& out, std::string_view type, const json::value& object);

}  // namespace pila::cluster::codec

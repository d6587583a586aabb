// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the schema of a custom kind says of values beyond their shape: a tree beside that of the nodes, for allOf,
// anyOf, oneOf and not may say something of values anywhere below.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "base/go_pattern.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::schema {

struct Constraints {
    std::string type;  // object, array, string, integer, number, boolean; "": any
    std::string format;
    bool is_nullable = false;
    bool is_int_or_string = false;
    bool is_embedded = false;  // a whole object: apiVersion, kind, metadata

    std::string pattern_text;
    std::optional<GoPattern> pattern;
    std::optional<double> minimum, maximum, multiple_of;
    bool above_minimum = false, below_maximum = false;  // exclusive
    std::optional<std::int64_t> min_length, max_length, min_items, max_items, min_properties, max_properties;
    std::vector<boost::json::value> allowed;  // empty: any
    std::vector<std::string> required;

    std::map<std::string, Constraints, std::less<>> properties;
    std::unique_ptr<Constraints> items, values;  // of a list; of members that are no properties
    std::vector<Constraints> all_of, any_of, one_of;
    std::unique_ptr<Constraints> none_of;  // "not"

    ListKind list = ListKind::Atomic;
    std::vector<std::string> list_keys;
};

}  // namespace pila::cluster::schema

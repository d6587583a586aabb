// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rules of roles (rbac/v1 PolicyRule), what they allow, and which of them others contain.

#include <string>
#include <vector>

#include <boost/json/fwd.hpp>

namespace pila::cluster::access {

namespace json = boost::json;

// What somebody wants to do: to objects, or to a path that is no object's.
struct Action {
    bool is_resource = true;
    std::string verb;
    std::string group, resource, subresource, name_space, name;
    std::string path;
};

struct Rule {
    std::vector<std::string> verbs, groups, resources, names, urls;

    bool allows(const Action& action) const;
    // Everything that `other` allows, this one does, as far as a single rule can tell.
    bool contains(const Rule& other) const;
    // {APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}
    std::string text() const;
    bool operator==(const Rule&) const = default;
};

// The `rules` of a role, or of anything that has such a list; what is no rule is left out.
std::vector<Rule> read_rules(const json::object& role);
json::array write_rules(const std::vector<Rule>& rules);

// Words in the way Go prints a list of them: ["a" "b"].
std::string text_of(const std::vector<std::string>& words);

// What `wanted` allows and `held` does not: one verb on one thing each, put together again by their verbs.
std::vector<Rule> missing_rules(const std::vector<Rule>& held, const std::vector<Rule>& wanted);

}  // namespace pila::cluster::access

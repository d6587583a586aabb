// SPDX-License-Identifier: Apache-2.0
#pragma once
// From a CustomResourceDefinition to kinds as the built-in ones are: types, constraints, columns, subresources. Trees
// of definitions are fitted to their own schema and checked by cluster/kinds before they come here. Threads: any.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "cluster/kinds/cause.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::custom {

namespace json = boost::json;
using kinds::Cause;

struct Names {
    std::string plural, singular, kind, list_kind;
    std::vector<std::string> short_names, categories;
    bool operator==(const Names&) const = default;
};
Names read_names(const json::value* names);  // null: none

// A definition that is served. Its kinds, types and constraints live as long as it does.
class Definition {
public:
    Definition();
    ~Definition();
    Definition(const Definition&) = delete;
    Definition& operator=(const Definition&) = delete;

    std::string name;  // crontabs.stable.example.com
    std::string group;
    Names names;  // those that were accepted
    bool is_going = false;
    std::vector<const schema::Kind*> kinds;  // one for each version that is served, the stored one first if it is

private:
    friend class Compiler;
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

struct Findings {
    std::vector<Cause> causes;  // at most 100
    std::vector<std::string> warnings;
};

// Null: `findings` has causes. `names`: those it may use.
std::shared_ptr<const Definition> compile(const json::object& definition, const Names& names, Findings& findings);

// What is wrong with a fitted object of a custom kind, in the words of Kubernetes; at most 100 causes. On update what
// was wrong before, in the same way, is let pass.
std::vector<Cause> validate(const json::value& object, const schema::Kind& kind);
std::vector<Cause> validate_update(const json::value& object, const json::value& old, const schema::Kind& kind);

// Which of the names that a definition wants it gets beside `others` of its group, and what its status says of that.
struct Acceptance {
    Names names;
    std::string reason, message;  // of a conflict; "": none
};
Acceptance accept_names(const Names& wanted, const Names& before, const std::vector<Names>& others);
// Conditions, acceptedNames and storedVersions, as they are now. Whether it is served: Established.
void write_status(json::object& definition, const Acceptance& acceptance, std::string_view now);
bool is_established(const json::object& definition);

}  // namespace pila::cluster::custom

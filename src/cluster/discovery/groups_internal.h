// SPDX-License-Identifier: Apache-2.0
#pragma once
// Kinds in the order in which discovery shows them.

#include <string>
#include <vector>

#include "cluster/schema/schema.h"

namespace pila::cluster::discovery {

struct Version {
    schema::GroupVersion group_version;
    std::vector<const schema::Kind*> kinds;  // by plural

    std::string path() const;  // "/api/v1", "/apis/apps/v1"
};

struct Group {
    std::string name;
    std::vector<Version> versions;  // the best first
};

std::vector<Group> group_kinds(const std::vector<const schema::Kind*>& kinds);

// Whether version `left` is better than `right`: v2, v1, v1beta2, v1beta1, v1alpha1, then other names by alphabet.
bool is_better_version(std::string_view left, std::string_view right);

// The group and version of a built-in type that is itself an object (autoscaling/v1 of Scale), or of a subresource's
// kind; a kind of options, which has no type, is of the parent's.
struct NamedKind {
    schema::GroupVersion group_version;
    std::string name;
    const schema::Type* type = nullptr;
};
NamedKind kind_of(const schema::Kind& parent, const schema::Subresource& subresource);
// Null: the type is of no group version that is served (meta types count as the core group's v1).
const schema::GroupVersion* group_version_of(const schema::Type& type);

}  // namespace pila::cluster::discovery

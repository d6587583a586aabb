// SPDX-License-Identifier: Apache-2.0
#pragma once
// Label and field selectors, and what they look at: an object's attributes, kept beside its bytes so that neither
// lists nor watches have to parse them.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/result.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::api {

namespace json = boost::json;

// Labels, then fields that selectors of this kind may name, as NUL-ended pairs: "k\0v\0...\0" + "f\0v\0...".
std::string attributes_of(const json::value& object, const schema::Kind& kind);

// "a=b,c!=d,e in (f,g),!h": at most 1000 requirements of at most 1000 values. Invalid says what is wrong.
class LabelSelector {
public:
    static Result<LabelSelector> parse(std::string_view text);
    // metav1.LabelSelector (matchLabels, matchExpressions)
    static Result<LabelSelector> read(const json::value& selector);
    bool matches(std::string_view attributes) const;
    bool empty() const { return requirements_.empty(); }

private:
    enum class Operator : std::uint8_t { In, NotIn, Exists, Absent, Above, Below };
    struct Requirement {
        std::string key;
        Operator operation = Operator::Exists;
        std::vector<std::string> values;  // sorted
    };
    static Result<void> check(const Requirement& requirement);
    std::vector<Requirement> requirements_;
};

// "metadata.name=web,status.phase!=Failed". Invalid: `field label not supported: spec.x`.
class FieldSelector {
public:
    static Result<FieldSelector> parse(std::string_view text, const schema::Kind& kind);
    bool matches(std::string_view attributes) const;
    bool empty() const { return requirements_.empty(); }
    // The one name it asks for: a list of one object. "": none
    std::string_view wanted_name() const;

private:
    struct Requirement {
        std::string field, value;
        bool equal = true;
    };
    std::vector<Requirement> requirements_;
};

struct Selection {
    LabelSelector labels;
    FieldSelector fields;
    bool empty() const { return labels.empty() && fields.empty(); }
    bool matches(std::string_view attributes) const { return labels.matches(attributes) && fields.matches(attributes); }
};

// Fields that selectors may name, beside metadata.name and metadata.namespace, with where they stand in the object.
struct SelectableField {
    std::string_view label, path;
};
std::vector<SelectableField> selectable_fields(const schema::Kind& kind);

bool is_label_key(std::string_view key);      // [prefix/]name
bool is_label_value(std::string_view value);  // at most 63 characters

}  // namespace pila::cluster::api

// SPDX-License-Identifier: Apache-2.0
#pragma once
// The built-in types and kinds, read once from the texts in data/ (format: README.md), which are part of the program.

#include <deque>
#include <map>

#include "base/result.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::schema {

class Catalogue {
public:
    Catalogue() = default;
    Catalogue(const Catalogue&) = delete;
    Catalogue& operator=(const Catalogue&) = delete;

    // Never fails: the unit tests read the same texts. Takes a few milliseconds the first time.
    static const Catalogue& builtin();
    // Texts of files in the format of data/, which may name each other's types. Invalid says file and line.
    struct Text {
        std::string_view file, content;
    };
    static Result<std::unique_ptr<Catalogue>> parse(const std::vector<Text>& texts);

    const Type* find_type(std::string_view full_name) const;
    const Kind* find_kind(const GroupVersion& group_version, std::string_view kind) const;
    const Kind* find_resource(const GroupVersion& group_version, std::string_view plural) const;
    const std::deque<Kind>& kinds() const { return kinds_; }  // in the order of the files
    const std::deque<Type>& types() const { return types_; }

private:
    friend class CatalogueReader;
    std::deque<Type> types_;
    std::deque<Node> nodes_;  // items of lists and maps
    std::deque<Kind> kinds_;
    std::map<std::string, const Type*, std::less<>> by_name_;
};

// Aliases of types in the texts: {"meta.ObjectMeta"} is this one; every object has it.
const Type& object_meta();

}  // namespace pila::cluster::schema

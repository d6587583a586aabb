// SPDX-License-Identifier: Apache-2.0
#pragma once
// Typed, forgiving-of-absence, strict-of-type access to a JSON object from outside. The first wrong type is remembered
// with its path; check() reports it once at the end, so that reading a long object stays straight-line code.
// Heavy (Boost.JSON): include in .cpp files only.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/json.h"

namespace pila {

class JsonReader {
public:
    // `path` prefixes field names in errors: "HostConfig".
    JsonReader(const json::object& object, std::string path = {}) : object_(&object), path_(std::move(path)) {}

    // Absent and null: the fallback.
    std::string text(std::string_view field, std::string fallback = {});
    bool boolean(std::string_view field, bool fallback = false);
    std::int64_t integer(std::string_view field, std::int64_t fallback = 0);
    std::optional<std::int64_t> optional_integer(std::string_view field);
    std::vector<std::string> strings(std::string_view field);  // a single string counts as a list of one
    std::map<std::string, std::string> string_map(std::string_view field);
    const json::object* object(std::string_view field);        // nullptr: absent
    const json::array* array(std::string_view field);
    std::vector<std::string> keys(std::string_view field);     // of an object used as a set: {"80/tcp": {}}
    bool has(std::string_view field) const;

    void fail(std::string_view field, std::string_view wanted);
    Result<void> check() const;
    void absorb(const JsonReader& inner);                      // takes over an inner reader's failure

private:
    const json::value* find(std::string_view field) const;
    const json::object* object_;
    std::string path_;
    std::string failure_;
};

}  // namespace pila

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small helpers that the route files share.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/json_reader.h"
#include "docker/route.h"

namespace pila::docker {

inline constexpr std::uint64_t newest_minor_version = 50, oldest_minor_version = 24;

// Of a path with a version ("/v1.41/..."): 41; without one the newest.
std::uint64_t asked_version(std::string_view path);
void add_common_headers(http::Headers& headers);
http::Response json_response(int status, const json::value& body);

// The request's body as one JSON object, at most `max_bytes`. An empty body is an empty object.
Result<json::object> read_object(http::Request& request, std::size_t max_bytes = 4U << 20);
Result<std::optional<int>> query_integer(const http::Request& request, std::string_view name);

// ?filters={"label":["a=b"]} (list form) or {"label":{"a=b":true}} (set form).
class Filters {
public:
    // Invalid: "invalid filter 'x'" for a key that is not in `known`, unless that is empty.
    static Result<Filters> parse(const http::Request& request, std::initializer_list<std::string_view> known);
    bool has(std::string_view key) const { return values_.contains(std::string(key)); }
    const std::vector<std::string>& get(std::string_view key) const;
    // No filter of this key, or one of its values equals / is contained in `value`.
    bool exact(std::string_view key, std::string_view value) const;
    bool fuzzy(std::string_view key, std::string_view value) const;
    bool prefix(std::string_view key, std::string_view value) const;
    // All that "label" names, and not all that "label!" names.
    bool labels(const std::map<std::string, std::string>& labels) const;
    // One of them as a regular expression, as dockerd has it for names.
    Result<bool> matches(std::string_view key, std::string_view value) const;
    Result<std::optional<bool>> flag(std::string_view key) const;  // "true", "1", "false", "0"
    Result<WallTime> until() const;                                // of "until": a time, or a duration before now
    Result<bool> port(std::string_view key, std::uint64_t number, std::string_view protocol) const;  // "80-90/tcp"

private:
    std::map<std::string, std::vector<std::string>> values_;
};

bool wildcard_match(std::string_view pattern,
                    std::string_view text);  // "*", "?" and "[a-z]", as in path.Match ("*" stops at "/")
json::object object_of(const std::map<std::string, std::string>& map);
json::array array_of(const std::vector<std::string>& items);
json::value array_or_null(const std::vector<std::string>& items);
std::string go_duration_since(WallTime then);  // "5 minutes", "About an hour", "Less than a second"
// "1700000000.5", "10m" ago, RFC 3339
std::optional<WallTime> parse_time_query(std::string_view text);

// The event that ends a prune.
void publish_prune(Api& api, const http::Request& request, std::string type, std::uint64_t reclaimed);

// streams.cpp
http::Response hijack_response(const http::Request& request, bool terminal, std::function<void(http::Hijacked)> take);

// images.cpp
std::string progress_line(const image::Progress& progress);
std::string error_line(const Error& error);
http::Response progress_response(std::function<Result<void>(const image::ProgressSink&)> work);

// registry.cpp
Reply pull_image(Api& api, http::Request& request);
Reply push_image(Api& api, http::Request& request);
Reply search_images(Api& api, http::Request& request);
Reply check_login(Api& api, http::Request& request);

// build.cpp
json::array build_cache_json(Api& api, std::uint64_t version, std::uint64_t& size);

// container_json.cpp
json::object inspect_container(Api& api, const engine::Container& container, bool with_size, std::uint64_t version);
json::object list_container(Api& api, const engine::Container& container, bool with_size);
json::object endpoint_json(const network::Endpoint& endpoint);

}  // namespace pila::docker

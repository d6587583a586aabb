// SPDX-License-Identifier: Apache-2.0
#include "docker/reply.h"

#include <fmt/core.h>

#include "base/text.h"

namespace pila::docker {

std::uint64_t asked_version(std::string_view path) {
    if (!path.starts_with("/v1.")) return newest_minor_version;
    path.remove_prefix(4);
    return parse_uint(path.substr(0, path.find('/'))).value_or(newest_minor_version);
}

void publish_prune(Api& api, const http::Request& request, std::string type, std::uint64_t reclaimed) {
    api.engine().parts().journal.publish(request.context, std::move(type), "prune", "",
                                         {{"reclaimed", std::to_string(reclaimed)}});
}

void add_common_headers(http::Headers& headers) {
    headers.set("Api-Version", fmt::format("1.{}", newest_minor_version));
    headers.set("Docker-Experimental", "false");
    headers.set("Ostype", "linux");
    headers.set("Server", "pila/" PILA_VERSION " (linux)");
}

http::Response json_response(int status, const json::value& body) {
    return http::Response::json(status, to_json(body) + "\n");
}

Result<json::object> read_object(http::Request& request, std::size_t max_bytes) {
    if (!request.body) return json::object{};
    auto body = request.body->read_all(max_bytes);
    if (!body && body.error().code() == Errc::Exhausted) return body.take_error().with_code(Errc::Invalid);
    auto text = TRY(std::move(body));
    if (trim(text).empty()) return json::object{};
    auto type = request.headers.get("Content-Type");
    auto media = to_lower(trim(type.substr(0, type.find(';'))));
    if (!media.empty() && media != "application/json")
        return Error(Errc::Invalid,
                     fmt::format("unsupported Content-Type header ({}): must be 'application/json'", printable(type)));
    auto value = TRY(parse_json(text, {max_bytes, 64}));
    if (value.is_null()) return json::object{};
    if (!value.is_object()) return Error(Errc::Invalid, "invalid JSON: the body must be an object");
    return value.get_object();
}

Result<std::optional<int>> query_integer(const http::Request& request, std::string_view name) {
    auto text = request.query.get(name);
    if (text.empty()) return std::optional<int>();
    auto number = parse_int(text);
    if (!number || *number > INT32_MAX || *number < INT32_MIN)
        return Error(Errc::Invalid, fmt::format("invalid value for {}: {}", name, json_quote(text)));
    return std::optional<int>(static_cast<int>(*number));
}

json::object object_of(const std::map<std::string, std::string>& map) {
    json::object object;
    for (const auto& [key, value] : map) object[key] = value;
    return object;
}

json::array array_of(const std::vector<std::string>& items) {
    json::array list;
    for (const auto& item : items) list.emplace_back(item);
    return list;
}

json::value array_or_null(const std::vector<std::string>& items) {
    if (items.empty()) return nullptr;
    return array_of(items);
}

std::string go_duration_since(WallTime then) {
    auto seconds = (now_wall().nanoseconds - then.nanoseconds) / 1'000'000'000;
    if (seconds < 1) return "Less than a second";
    if (seconds == 1) return "1 second";
    if (seconds < 60) return fmt::format("{} seconds", seconds);
    auto minutes = seconds / 60;
    if (minutes == 1) return "About a minute";
    if (minutes < 60) return fmt::format("{} minutes", minutes);
    auto hours = (seconds + 1800) / 3600;
    if (hours == 1) return "About an hour";
    if (hours < 48) return fmt::format("{} hours", hours);
    if (hours < 24 * 7 * 2) return fmt::format("{} days", hours / 24);
    if (hours < 24 * 30 * 2) return fmt::format("{} weeks", hours / 24 / 7);
    if (hours < 24 * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
    return fmt::format("{} years", hours / 24 / 365);
}

std::optional<WallTime> parse_time_query(std::string_view text) {
    if (text.empty() || text == "0") return WallTime{};
    if (auto time = parse_rfc3339(text)) return time;
    auto dot = text.find('.');
    auto seconds = parse_int(text.substr(0, dot));
    if (!seconds) return std::nullopt;
    std::int64_t nanoseconds = 0;
    if (dot != std::string_view::npos) {
        std::string digits(text.substr(dot + 1, 9));
        digits.resize(9, '0');
        auto fraction = parse_uint(digits);
        if (!fraction) return std::nullopt;
        nanoseconds = static_cast<std::int64_t>(*fraction);
    }
    return WallTime{*seconds * 1'000'000'000 + nanoseconds};
}

}  // namespace pila::docker

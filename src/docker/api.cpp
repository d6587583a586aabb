// SPDX-License-Identifier: Apache-2.0
#include "docker/api.h"

#include <optional>

#include <fmt/core.h>

#include "base/error_status.h"
#include "base/log.h"
#include "base/text.h"
#include "docker/reply.h"
#include "docker/route.h"

namespace pila::docker {

http::Response error_response(int status, const std::string& message) {
    return http::Response::json(status, fmt::format("{{\"message\":{}}}\n", json_quote(message)));
}

// "/v1.43/containers/json" -> 43 and "/containers/json"; without a prefix the newest.
static Result<int> take_version(std::string_view& path) {
    if (!path.starts_with("/v")) return newest_minor_version;
    auto slash = path.find('/', 1);
    auto version = path.substr(2, slash == std::string_view::npos ? slash : slash - 2);
    auto dot = version.find('.');
    auto major = parse_uint(version.substr(0, dot));
    auto minor = dot == std::string_view::npos ? std::nullopt : parse_uint(version.substr(dot + 1));
    if (!major || !minor) return newest_minor_version;  // "/volumes" and other names that begin with v
    path = slash == std::string_view::npos ? "/" : path.substr(slash);
    if (*major > 1 || (*major == 1 && *minor > newest_minor_version))
        return Error(Errc::Invalid, fmt::format("client version {} is too new. Maximum supported API version is 1.{}",
                                                version, newest_minor_version));
    if (*major < 1 || *minor < oldest_minor_version)
        return Error(Errc::Invalid, fmt::format("client version {} is too old. Minimum supported API version is 1.{}, "
                                                "please upgrade your client to a newer version",
                                                version, oldest_minor_version));
    return static_cast<int>(*minor);
}

http::Response Api::handle(http::Request& request) {
    std::string_view path = request.path;
    auto version = take_version(path);
    auto answer = [&]() -> Reply {
        TRY(std::move(version));
        request.context.actor = request.peer;
        request.context.cause = request.method + " " + request.path;
        bool wrong_method = false;
        const auto* route = find_route(request, path, wrong_method);
        if (!route) return no_route(request.method, path);
        return route->handle(*this, request);
    }();
    if (answer) {
        auto response = answer.take();
        add_common_headers(response.headers);
        return response;
    }
    log::debug("{} {}: {}", request.method, printable(request.target.substr(0, 300)), answer.error().message());
    auto response = error_response(http_status(answer.error().code()), answer.error().message());
    add_common_headers(response.headers);
    return response;
}

}  // namespace pila::docker

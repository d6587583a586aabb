// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "base/text.h"
#include "http/client.h"
#include "http/text.h"

namespace pila::http {

static Error malformed(std::string_view url) { return Error(Errc::Invalid, "malformed URL: " + printable(url)); }

static Result<void> parse_authority(std::string_view authority, std::string_view url, Endpoint& endpoint) {
    // Credentials in a URL would end in logs; callers pass them as headers.
    if (authority.find('@') != std::string_view::npos) return Error(Errc::Invalid, "URL with credentials in it");
    std::string_view port;
    if (!authority.empty() && authority.front() == '[') {
        auto end = authority.find(']');
        if (end == std::string_view::npos) return malformed(url);
        endpoint.host = authority.substr(1, end - 1);
        auto rest = authority.substr(end + 1);
        if (!rest.empty() && rest.front() != ':') return malformed(url);
        port = rest.empty() ? rest : rest.substr(1);
        if (endpoint.host.find_first_not_of("0123456789abcdefABCDEF:.%") != std::string::npos) return malformed(url);
    } else {
        auto colon = authority.find(':');
        endpoint.host = to_lower(authority.substr(0, colon));
        if (colon != std::string_view::npos) port = authority.substr(colon + 1);
        for (char c : endpoint.host)
            if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '%' || c == '\\' || c == '"')
                return malformed(url);
        if (port.empty() && colon != std::string_view::npos) return malformed(url);
    }
    if (endpoint.host.empty()) return malformed(url);
    endpoint.port = endpoint.scheme == "https" ? 443 : 80;
    if (port.empty()) return {};
    auto number = parse_uint(port);
    if (!number || *number == 0 || *number > 65535) return malformed(url);
    endpoint.port = static_cast<std::uint16_t>(*number);
    return {};
}

Result<Endpoint> Endpoint::parse(std::string_view url) {
    auto colon = url.find("://");
    if (colon == std::string_view::npos || !is_field_value(url)) return malformed(url);
    Endpoint endpoint;
    endpoint.scheme = to_lower(url.substr(0, colon));
    auto rest = url.substr(colon + 3);
    if (endpoint.scheme == "unix") {
        if (rest.empty()) return malformed(url);
        endpoint.host = rest;
        endpoint.path_and_query = "/";
        return endpoint;
    }
    if (endpoint.scheme == "tcp") endpoint.scheme = "http";
    if (endpoint.scheme != "http" && endpoint.scheme != "https")
        return Error(Errc::Unsupported, "unsupported URL scheme: " + printable(endpoint.scheme));
    auto end = rest.find_first_of("/?#");
    TRY(parse_authority(rest.substr(0, end), url, endpoint));
    auto path = end == std::string_view::npos ? std::string_view{} : rest.substr(end);
    path = path.substr(0, path.find('#'));
    if (path.empty() || path.front() != '/') endpoint.path_and_query = "/";
    for (char c : path)
        if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return malformed(url);
    endpoint.path_and_query += path;
    return endpoint;
}

std::string Endpoint::host_header() const {
    if (scheme == "unix") return "localhost";
    auto name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    bool usual = port == (scheme == "https" ? 443 : 80);
    return usual ? name : name + ":" + std::to_string(port);
}

Result<Endpoint> Endpoint::resolve(std::string_view location) const {
    if (location.find("://") != std::string_view::npos && location.substr(0, 1) != "/") return parse(location);
    if (location.substr(0, 2) == "//") return parse(scheme + ":" + std::string(location));
    if (scheme == "unix" || !is_field_value(location)) return malformed(location);
    std::string base =
        scheme + "://" + (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
    if (location.substr(0, 1) == "/") return parse(base + std::string(location));
    auto path = std::string_view(path_and_query).substr(0, path_and_query.find('?'));
    if (location.empty() || location.front() == '?') return parse(base + std::string(path) + std::string(location));
    return parse(base + std::string(path.substr(0, path.rfind('/') + 1)) + std::string(location));
}

static std::string environment(const char* upper_name, const char* lower_name) {
    for (const char* name : {lower_name, upper_name})
        if (const char* value = std::getenv(name); value && *value) return value;
    return {};
}

bool Endpoint::is_loopback() const {
    return scheme == "unix" || host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0;
}

static bool excluded(const Endpoint& target, std::string_view list) {
    for (auto item : split(list, ',')) {
        auto name = to_lower(trim(item));
        if (name == "*") return true;
        if (auto colon = name.rfind(':'); colon != std::string::npos && name.find(':') == colon) {
            if (name.substr(colon + 1) != std::to_string(target.port)) continue;
            name.resize(colon);
        }
        if (name.rfind("*.", 0) == 0) name.erase(0, 1);
        if (name.empty()) continue;
        std::string_view suffix = name;
        if (suffix.front() == '.') suffix.remove_prefix(1);
        if (target.host == suffix && name.front() != '.') return true;
        if (target.host.size() > suffix.size() && target.host.ends_with(suffix) &&
            target.host[target.host.size() - suffix.size() - 1] == '.')
            return true;
    }
    return false;
}

std::string proxy_from_environment(const Endpoint& target) {
    if (target.is_loopback()) return {};
    if (excluded(target, environment("NO_PROXY", "no_proxy"))) return {};
    auto proxy =
        target.scheme == "https" ? environment("HTTPS_PROXY", "https_proxy") : environment("HTTP_PROXY", "http_proxy");
    if (!proxy.empty() && proxy.find("://") == std::string::npos) proxy.insert(0, "http://");
    return proxy;
}

}  // namespace pila::http

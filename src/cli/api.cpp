// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"

#include <fmt/core.h>
#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/text.h"

namespace pila::cli {

namespace {

constexpr std::size_t max_answer = 512U << 20;
constexpr std::chrono::hours forever{24 * 365};  // a command may wait as long as its user does

Errc code_of(int status) {
    switch (status) {
        case 400: return Errc::Invalid;
        case 401: return Errc::Unauthenticated;
        case 403: return Errc::Denied;
        case 404: return Errc::NotFound;
        case 409: return Errc::Conflict;
        default: return Errc::Internal;
    }
}

Result<std::unique_ptr<http::Client>> connect_client(const GlobalOptions& global, const http::Endpoint& endpoint) {
    http::ClientOptions options;
    options.stall_timeout = forever;
    options.verify_peer = global.tls.verify;
    options.ca_file = global.tls.ca;
    options.client_certificate = global.tls.certificate;
    options.client_key = global.tls.key;
    return http::Client::create(endpoint, options);
}

}  // namespace

QueryText& QueryText::add(std::string_view name, std::string_view value) {
    text_ += text_.empty() ? '?' : '&';
    text_ += name;
    text_ += '=';
    text_ += http::percent_encode(value);
    return *this;
}

std::string path_part(std::string_view name) {
    std::string encoded;
    for (char c : name) {
        if (c == '/' || c == ':' || c == '@')
            encoded += c;
        else
            encoded += http::percent_encode(std::string_view(&c, 1));
    }
    return encoded;
}

Result<std::unique_ptr<Api>> Api::connect(const GlobalOptions& global) {
    if (global.host.starts_with("https://"))
        return Error(Errc::Invalid,
                     fmt::format("unable to parse docker host `{}`: for TLS say tcp:// and --tlsverify", global.host));
    auto endpoint = http::Endpoint::parse(global.host);
    if (!endpoint)
        return Error(Errc::Invalid,
                     fmt::format("unable to parse docker host `{}`: {}", global.host, endpoint.error().message()));
    if (global.tls.on && endpoint->scheme == "http") endpoint->scheme = "https";
    if (global.tls.certificate.empty() != global.tls.key.empty())
        return Error(Errc::Invalid, fmt::format("a client's certificate and its key go together: --tls{} is missing",
                                                global.tls.key.empty() ? "key" : "cert"));
    auto client = TRY(connect_client(global, *endpoint));
    std::unique_ptr<Api> api(new Api(global, endpoint.take(), std::move(client)));
    TRY(api->negotiate());
    return api;
}

Result<std::unique_ptr<Api>> Api::another() const {
    auto client = TRY(connect_client(global_, endpoint_));
    std::unique_ptr<Api> api(new Api(global_, endpoint_, std::move(client)));
    api->minor_ = minor_;
    api->server_os_ = server_os_;
    return api;
}

Error Api::unreachable(const Error& error) const {
    auto where = global_.host;
    if (error.os_errno() == EACCES || error.os_errno() == EPERM)
        return Error(Errc::Denied, fmt::format("permission denied while trying to connect to the pila daemon at {0}\n"
                                               "Run as root, or as a member of the group that owns the socket",
                                               where));
    if (error.os_errno() == ENOENT || error.os_errno() == ECONNREFUSED)
        return Error(Errc::Unavailable, fmt::format("Cannot connect to the pila daemon at {}. Is it running?\n"
                                                    "Start it with: pila daemon",
                                                    where));
    return Error(error.code(), fmt::format("error during connect to {}: {}", where, error.message()), error.os_errno());
}

Result<void> Api::negotiate() {
    if (const char* fixed = std::getenv("DOCKER_API_VERSION"); fixed && *fixed) {
        auto minor =
            parse_int(std::string_view(fixed).substr(std::min<std::size_t>(2, std::string_view(fixed).size())));
        if (!minor || *minor > newest_api || !std::string_view(fixed).starts_with("1."))
            return Error(Errc::Invalid, fmt::format("DOCKER_API_VERSION: invalid API version {}", fixed));
        minor_ = static_cast<int>(*minor);
        return {};
    }
    http::ClientRequest ping;
    ping.method = "HEAD";
    ping.target = "/_ping";
    auto answer = client_->send(context_, ping);
    if (!answer) return unreachable(answer.error());
    auto version = answer->headers.get("Api-Version");
    if (auto minor = version.starts_with("1.") ? parse_int(version.substr(2)) : std::nullopt)
        minor_ = static_cast<int>(std::clamp<std::int64_t>(*minor, oldest_api, newest_api));
    if (auto os = answer->headers.get("Ostype"); !os.empty()) server_os_ = os;
    is_pila_ = answer->headers.get("Server").starts_with("pila/");
    if (answer->body) TRY(answer->body->read_all(4096));
    return {};
}

http::ClientRequest Api::request(const Call& call) const {
    http::ClientRequest request;
    request.method = call.method;
    request.target = fmt::format("/v1.{}{}{}", minor_, call.path, call.query.text());
    request.headers = call.headers;
    request.headers.set("User-Agent", "pila/" PILA_VERSION);
    request.body = call.body;
    request.streamed_body = call.streamed_body;
    request.has_body = call.method == "POST" || call.method == "PUT";
    if (!call.body.empty() || call.streamed_body) request.headers.set("Content-Type", call.content_type);
    return request;
}

Error Api::refusal(http::ClientResponse& response) {
    auto code = code_of(response.status);
    std::string body;
    if (response.body) body = response.body->read_all(1U << 20).value_or("");
    std::string message;
    if (auto parsed = parse_json(body)) {
        if (const auto* object = parsed->if_object())
            if (const auto* text = object->if_contains("message"); text && text->is_string())
                message = text->get_string();
    } else {
        message = body;
    }
    message = trim(message);
    if (message.empty()) message = fmt::format("status {} without a message", response.status);
    return Error(code, "Error response from daemon: " + message);
}

Result<http::ClientResponse> Api::open(const Call& call) {
    auto response = client_->send(context_, request(call));
    if (!response) return unreachable(response.error());
    if (response->status >= 400) return refusal(*response);
    return response.take();
}

Result<std::string> Api::text(const Call& call) {
    auto response = TRY(open(call));
    if (!response.body) return std::string();
    return TRY(response.body->read_all(max_answer));
}

Result<json::value> Api::json(const Call& call) {
    auto body = TRY(text(call));
    if (body.empty()) return Error(Errc::Internal, "EOF");
    return TRY(parse_json(body, {.max_bytes = max_answer, .max_depth = 64}));
}

Result<void> Api::done(const Call& call) {
    TRY(text(call));
    return {};
}

Result<http::Client::Upgraded> Api::upgrade(const Call& call) {
    auto upgraded = client_->upgrade(context_, request(call));
    if (!upgraded) return unreachable(upgraded.error());
    if (!upgraded->refused) return upgraded.take();
    auto& response = *upgraded->refused;
    if (response.status >= 400) return refusal(response);
    return Error(Errc::Internal, fmt::format("unable to upgrade to tcp, received {}", response.status));
}

Result<void> Filters::add(std::string_view text) {
    auto equals = text.find('=');
    if (text.empty()) return {};
    if (equals == std::string_view::npos) return Error(Errc::Invalid, "bad format of filter (expected name=value)");
    add(to_lower(trim(text.substr(0, equals))), trim(text.substr(equals + 1)));
    return {};
}

void Filters::add(std::string_view name, std::string_view value) {
    auto at =
        std::lower_bound(items_.begin(), items_.end(), name, [](auto& item, auto& key) { return item.first < key; });
    if (at == items_.end() || at->first != name) at = items_.insert(at, {std::string(name), {}});
    auto& values = at->second;
    auto place = std::lower_bound(values.begin(), values.end(), value);
    if (place == values.end() || *place != value) values.emplace(place, value);
}

bool Filters::has(std::string_view name) const {
    return std::any_of(items_.begin(), items_.end(), [&](auto& item) { return item.first == name; });
}

std::string Filters::text() const {
    std::string out = "{";
    for (const auto& [name, values] : items_) {
        if (out.size() > 1) out += ',';
        append_json_quoted(out, name);
        out += ":{";
        for (const auto& value : values) {
            if (&value != &values.front()) out += ',';
            append_json_quoted(out, value);
            out += ":true";
        }
        out += '}';
    }
    return out + "}";
}

int fail(std::string_view message) {
    std::fflush(stdout);
    fmt::print(stderr, "{}\n", message);
    return 1;
}

int fail(const Error& error) { return fail(error.message()); }

}  // namespace pila::cli

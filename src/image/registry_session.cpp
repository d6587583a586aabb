// SPDX-License-Identifier: Apache-2.0
// Which servers a name may be served by, and what to believe of them.
#include <arpa/inet.h>
#include <cstring>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"
#include "image/registry_client.h"
#include "os/file.h"

namespace pila::image {

namespace {

// "10.0.0.0/8" or "fd00::/8" around a literal address.
bool in_block(const std::string& host, const std::string& block) {
    auto slash = block.find('/');
    auto bits = slash == std::string::npos ? std::nullopt : parse_uint(std::string_view(block).substr(slash + 1));
    if (!bits) return false;
    for (int family : {AF_INET, AF_INET6}) {
        unsigned char address[16], network[16];
        std::size_t size = family == AF_INET ? 4 : 16;
        if (::inet_pton(family, host.c_str(), address) != 1) continue;
        if (::inet_pton(family, block.substr(0, slash).c_str(), network) != 1 || *bits > size * 8) return false;
        for (std::size_t i = 0; i < *bits; ++i)
            if (((address[i / 8] ^ network[i / 8]) >> (7 - i % 8) & 1) != 0) return false;
        return true;
    }
    return false;
}

void use_certificates(const std::string& directory, const http::Endpoint& endpoint, http::ClientOptions& options) {
    if (directory.empty()) return;
    for (const auto& name : {endpoint.host_header(), fmt::format("{}:{}", endpoint.host, endpoint.port)}) {
        auto place = directory + "/" + name;
        if (name.find('/') != std::string::npos || !os::exists(place)) continue;
        if (os::exists(place + "/ca.crt")) options.ca_file = place + "/ca.crt";
        if (os::exists(place + "/client.cert")) {
            options.client_certificate = place + "/client.cert";
            options.client_key = place + "/client.key";
        }
    }
}

}  // namespace

bool is_insecure(const std::string& domain, const RegistryOptions& options) {
    auto endpoint = http::Endpoint::parse("http://" + domain);
    if (!endpoint) return false;
    if (endpoint->is_loopback()) return true;
    for (const auto& entry : options.insecure)
        if (to_lower(entry) == to_lower(domain) || in_block(endpoint->host, entry)) return true;
    return false;
}

std::vector<RegistryPlace> places_of(const std::string& domain, const RegistryOptions& options, bool for_push) {
    std::vector<RegistryPlace> places;
    auto add = [&](const std::string& url, bool verify, bool mirror) {
        auto endpoint = http::Endpoint::parse(url);
        if (endpoint)
            places.push_back({endpoint.take(), verify, mirror});
        else
            log::warning("registry: {}", endpoint.error().message());
    };
    bool hub = domain == "docker.io" || domain == "index.docker.io";
    if (hub && !for_push) {
        for (const auto& mirror : options.mirrors) {
            auto parsed = http::Endpoint::parse(mirror);
            add(mirror, !parsed || !is_insecure(parsed->host_header(), options), true);
        }
    }
    if (hub) {
        add("https://registry-1.docker.io", true, false);
        return places;
    }
    bool insecure = is_insecure(domain, options);
    add("https://" + domain, !insecure, false);
    if (insecure) add("http://" + domain, false, false);
    return places;
}

RegistrySession::RegistrySession(RegistryPlace place, const RegistryAuth& auth, const RegistryOptions& options)
    : place_(std::move(place)),
      options_(options),
      authorizer_(place_.endpoint, place_.mirror ? RegistryAuth{} : auth, client_options(place_.endpoint),
                  options.proxies_from_environment) {}

http::ClientOptions RegistrySession::client_options(const http::Endpoint& endpoint) const {
    http::ClientOptions options{.connect_timeout = options_.connect_timeout, .stall_timeout = options_.stall_timeout};
    // Only the registry itself was called insecure, not whoever it redirects to.
    options.verify_peer = place_.verify || !endpoint.same_server(place_.endpoint);
    use_certificates(options_.certificates_directory, endpoint, options);
    if (options_.proxies_from_environment) options.proxy = http::proxy_from_environment(endpoint);
    return options;
}

Result<void> RegistrySession::ping(const Context& context) {
    auto client = TRY(http::Client::create(place_.endpoint, client_options(place_.endpoint)));
    http::ClientRequest request{.target = "/v2/"};
    auto response = TRY(client->send(context, request));
    auto body = TRY(response.body->read_all(max_manifest_bytes));
    if (response.status == 401) return authorizer_.challenged(response.headers);
    if (response.status >= 500) return registry_error(response.status, body, "ask for /v2/");
    if (response.status != 200)
        return Error(Errc::Unsupported, fmt::format("does not speak the registry API v2 (status {})", response.status));
    return {};
}

Result<std::shared_ptr<RegistrySession>> RegistrySession::open(const Context& context,
                                                               const std::vector<RegistryPlace>& places,
                                                               const RegistryAuth& auth,
                                                               const RegistryOptions& options) {
    std::optional<Error> failure;
    for (const auto& place : places) {
        TRY(context.check());
        auto session = std::make_shared<RegistrySession>(place, auth, options);
        auto answered = session->ping(context);
        if (answered) return session;
        failure = answered.take_error().in(
            fmt::format("registry {}://{}", place.endpoint.scheme, place.endpoint.host_header()));
        if (failure->code() == Errc::Unauthenticated && !place.mirror) break;
        bool plain = failure->message().find("wrong version number") != std::string::npos;
        if (plain && place.verify)
            failure = Error(Errc::Unavailable,
                            failure->message() + " (it seems to speak plain HTTP: list it as an insecure registry)");
        if (place.mirror) log::warning("{}; trying the next", failure->message());
    }
    return failure ? std::move(*failure) : Error(Errc::Invalid, "no registry to ask");
}

}  // namespace pila::image

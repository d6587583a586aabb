// SPDX-License-Identifier: Apache-2.0
#include "image/registry.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "image/registry_pull.h"
#include "image/registry_push.h"

namespace pila::image {

namespace {

constexpr std::size_t max_search_bytes = 4U << 20;

class StoreRegistry final : public Registry {
public:
    // The only ImageStore there is.
    StoreRegistry(ImageStore& images, RegistryOptions options)
        : images_(static_cast<Images&>(images)), options_(std::move(options)) {}

    Result<PullResult> pull(const Context& context, const std::string& name, const PullRequest& request,
                            const ProgressSink& progress) override {
        auto reference = TRY(Reference::parse(name));
        if (request.all_tags && !reference.digest.empty())
            return Error(Errc::Invalid, "tag can't be used with --all-tags/-a");
        TRY(Platform::parse(request.platform));
        return Puller(images_, layer_locks_, options_, request, progress).run(context, reference);
    }

    Result<std::vector<PushResult>> push(const Context& context, const std::string& name, bool all_tags,
                                         const RegistryAuth& auth, const ProgressSink& progress) override;
    Result<LoginResult> login(const Context& context, const RegistryAuth& auth) override;
    Result<std::vector<SearchHit>> search(const Context& context, const std::string& term, unsigned limit,
                                          const RegistryAuth& auth) override;

private:
    Images& images_;
    const RegistryOptions options_;
    KeyedLock layer_locks_;
};

Result<std::vector<PushResult>> StoreRegistry::push(const Context& context, const std::string& name, bool all_tags,
                                                    const RegistryAuth& auth, const ProgressSink& progress) {
    auto reference = TRY(Reference::parse(name));
    if (!reference.digest.empty()) return Error(Errc::Invalid, "cannot push a digest reference");
    std::vector<PushResult> results;
    if (!all_tags) {
        auto image = images_.find(reference.familiar());
        if (!image)
            return Error(Errc::NotFound, "An image does not exist locally with the tag: " + reference.familiar_name());
        results.push_back(TRY(Pusher(images_, options_, auth, progress).run(context, reference, *image)));
        return results;
    }
    for (const auto& image : images_.list()) {
        for (const auto& tag : image->tags) {
            auto tagged = Reference::parse(tag);
            if (!tagged || tagged->domain != reference.domain || tagged->path != reference.path) continue;
            results.push_back(TRY(Pusher(images_, options_, auth, progress).run(context, *tagged, image)));
        }
    }
    if (results.empty())
        return Error(Errc::NotFound, "An image does not exist locally with the tag: " + reference.familiar_name());
    return results;
}

// "https://index.docker.io/v1/" (what the docker client stores), "localhost:5000", "https://registry.example.org".
std::string domain_of(std::string_view server) {
    if (auto scheme = server.find("://"); scheme != std::string_view::npos) server.remove_prefix(scheme + 3);
    server = server.substr(0, server.find('/'));
    if (server.empty() || server == "index.docker.io" || server == "registry-1.docker.io") return "docker.io";
    return std::string(server);
}

Result<LoginResult> StoreRegistry::login(const Context& context, const RegistryAuth& auth) {
    auto domain = domain_of(auth.server_address);
    auto session = TRY(RegistrySession::open(context, places_of(domain, options_, true), auth, options_));
    auto& authorizer = session->authorizer();
    auto token = TRY(authorizer.identity_token(context));
    RegistryConnection connection(session, "", "");
    auto endpoint = session->place().endpoint;
    auto checked = TRY(connection.probe(context));
    if (checked.status == 401 || checked.status == 403)
        return Error(Errc::Unauthenticated, fmt::format("login attempt to {}://{}/v2/ failed with status: {} {}",
                                                        endpoint.scheme, endpoint.host_header(), checked.status,
                                                        checked.status == 401 ? "Unauthorized" : "Forbidden"));
    if (checked.status != 200)
        return Error(Errc::Unavailable,
                     fmt::format("login attempt to {} failed with status: {}", domain, checked.status));
    return LoginResult{"Login Succeeded", token};
}

Result<std::vector<SearchHit>> StoreRegistry::search(const Context& context, const std::string& term, unsigned limit,
                                                     const RegistryAuth& auth) {
    if (term.empty() || term.find("://") != std::string::npos) return Error(Errc::Invalid, "invalid search term");
    // "host:port/term" searches another registry, as docker does; few still have the interface for it.
    std::string domain = "docker.io";
    auto text = term;
    auto slash = term.find('/');
    if (auto first = term.substr(0, slash);
        slash != std::string::npos && (first.find_first_of(".:") != std::string::npos || first == "localhost")) {
        domain = domain_of(first);
        text = term.substr(slash + 1);
    }
    auto places = places_of(domain, options_, true);
    std::optional<Error> failure;
    for (auto& place : places) {
        if (domain == "docker.io") place.endpoint.host = "index.docker.io";
        RegistrySession session(place, auth, options_);
        auto client = TRY(http::Client::create(place.endpoint, session.client_options(place.endpoint)));
        http::ClientRequest request;
        request.target = fmt::format("/v1/search?q={}&n={}", http::percent_encode(text),
                                     std::clamp(limit == 0 ? 25U : limit, 1U, 100U));
        auto response = client->send(context, request);
        if (!response) {
            failure = response.take_error().in("search " + domain);
            continue;
        }
        auto body = TRY(response->body->read_all(max_search_bytes).in("search " + domain));
        if (response->status == 404) return Error(Errc::Unsupported, domain + " does not offer searching");
        if (response->status != 200) return registry_error(response->status, body, "search " + domain);
        auto parsed = TRY(parse_json(body).in("search " + domain));
        std::vector<SearchHit> hits;
        auto* results = parsed.is_object() ? parsed.get_object().if_contains("results") : nullptr;
        if (!results || !results->is_array())
            return Error(Errc::Invalid, "search " + domain + ": no results in the answer");
        for (const auto& result : results->get_array()) {
            if (!result.is_object()) continue;
            const auto& object = result.get_object();
            auto* name = object.if_contains("name");
            if (!name || !name->is_string()) continue;
            SearchHit hit;
            hit.name = std::string(name->get_string());
            auto flag = [&](std::string_view key) {
                auto* value = object.if_contains(key);
                return value && value->is_bool() && value->get_bool();
            };
            if (auto* text_value = object.if_contains("description"); text_value && text_value->is_string())
                hit.description = std::string(text_value->get_string());
            if (auto* stars = object.if_contains("star_count"); stars && stars->is_int64() && stars->get_int64() > 0)
                hit.stars = static_cast<std::uint64_t>(stars->get_int64());
            hit.official = flag("is_official");
            hit.automated = flag("is_automated");
            hits.push_back(std::move(hit));
        }
        return hits;
    }
    return failure ? std::move(*failure) : Error(Errc::Invalid, "no registry to search");
}

}  // namespace

std::unique_ptr<Registry> Registry::create(ImageStore& images, RegistryOptions options) {
    return std::make_unique<StoreRegistry>(images, std::move(options));
}

}  // namespace pila::image

// SPDX-License-Identifier: Apache-2.0
// pull, push, search, login.
#include <fmt/core.h>

#include "base/text.h"
#include "docker/progress_pipe.h"
#include "docker/reply.h"
#include "image/registry.h"
#include "image/registry_describe.h"

namespace pila::docker {

static void publish(Api& api, const Context& context, std::string action, const std::string& name) {
    api.engine().parts().journal.publish(context, "image", std::move(action), name, {{"name", name}});
}

// 401 would say that this daemon asks who the client is, and makes docker ask for a password on a terminal that may not
// be there; dockerd says 500.
static Error refused_elsewhere(Error error) {
    return error.code() == Errc::Unauthenticated ? Error(Errc::Internal, error.message()) : error;
}

Reply pull_image(Api& api, http::Request& request) {
    std::string name(request.query.get("fromImage"));
    if (name.empty()) return Error(Errc::Invalid, "no image is named");
    image::PullRequest pull;
    pull.auth = TRY(image::RegistryAuth::parse(request.headers.get("X-Registry-Auth")));
    pull.platform = request.query.get("platform");
    auto tag = request.query.get("tag");
    if (!tag.empty()) {
        name += tag.find(':') != std::string_view::npos ? '@' : ':';  // a digest or a tag
        name += tag;
    } else {
        // Docker's API: a name without a tag means all of them; its client always sends one.
        auto reference = TRY(image::Reference::parse(name));
        pull.all_tags = reference.digest.empty() && name.find(':', name.rfind('/') + 1) == std::string::npos;
    }
    TRY(image::Reference::parse(name));
    return ProgressPipe::answer(
        request.context, [&api, name, pull](const Context& context, const image::ProgressSink& sink) -> Result<void> {
            auto pulled = api.engine().parts().registry.pull(context, name, pull, sink);
            if (!pulled) return refused_elsewhere(pulled.take_error());
            publish(api, context, "pull", name);
            return {};
        });
}

Reply push_image(Api& api, http::Request& request) {
    std::string name = request.parameters[0];
    auto tag = request.query.get("tag");
    if (!tag.empty()) (name += ':') += tag;
    TRY(image::Reference::parse(name));
    auto auth = TRY(image::RegistryAuth::parse(request.headers.get("X-Registry-Auth")));
    return ProgressPipe::answer(
        request.context,
        [&api, name, auth, all = tag.empty()](const Context& context, const image::ProgressSink& sink) -> Result<void> {
            auto pushed = api.engine().parts().registry.push(context, name, all, auth, sink);
            if (!pushed) return refused_elsewhere(pushed.take_error());
            for (const auto& one : *pushed) {
                image::Progress digest;
                digest.id = one.tag;
                digest.aux_digest = one.digest.text();
                digest.total = one.size;
                sink(digest);
            }
            publish(api, context, "push", name);
            return {};
        });
}

Reply search_images(Api& api, http::Request& request) {
    auto limit = TRY(query_integer(request, "limit")).value_or(25);
    if (limit < 1 || limit > 100)
        return Error(Errc::Invalid, fmt::format("limit {} is outside the range of [1, 100]", limit));
    auto auth = TRY(image::RegistryAuth::parse(request.headers.get("X-Registry-Auth")));
    auto hits = TRY(api.engine().parts().registry.search(request.context, std::string(request.query.get("term")),
                                                         static_cast<unsigned>(limit), auth));
    json::array rows;
    for (const auto& hit : hits)
        rows.push_back({{"name", hit.name},
                        {"description", hit.description},
                        {"star_count", hit.stars},
                        {"is_official", hit.official},
                        {"is_automated", hit.automated}});
    return json_response(200, rows);
}

Reply check_login(Api& api, http::Request& request) {
    if (!request.body) return Error(Errc::Invalid, "no credentials in the request");
    auto text = TRY(request.body->read_all(64U << 10));
    auto auth = TRY(image::RegistryAuth::parse_json(text));
    auto login = TRY(api.engine().parts().registry.login(request.context, auth));
    return json_response(200, json::object{{"Status", login.status}, {"IdentityToken", login.identity_token}});
}

static Reply describe(Api& api, http::Request& request) {
    auto auth = TRY(image::RegistryAuth::parse(request.headers.get("X-Registry-Auth")));
    image::RegistryOptions options;
    options.mirrors = api.options().registry_mirrors;
    options.insecure = api.options().insecure_registries;
    options.certificates_directory = "/etc/docker/certs.d";
    auto found = image::describe_remote(request.context, request.parameters[0], auth, options);
    if (!found) return refused_elsewhere(found.take_error());
    json::array platforms;
    for (const auto& platform : found->platforms) {
        json::object one{{"architecture", platform.architecture}, {"os", platform.os}};
        if (!platform.variant.empty()) one["variant"] = platform.variant;
        platforms.push_back(std::move(one));
    }
    json::object descriptor{{"mediaType", found->media_type}, {"digest", found->digest.text()}, {"size", found->size}};
    return json_response(200, json::object{{"Descriptor", std::move(descriptor)}, {"Platforms", std::move(platforms)}});
}

static constexpr Route routes[] = {{"GET", "/distribution/**/json", describe}};

std::span<const Route> registry_routes() { return routes; }

}  // namespace pila::docker

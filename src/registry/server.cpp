// SPDX-License-Identifier: Apache-2.0
#include "registry/server.h"

#include <fmt/core.h>

#include "base/text.h"
#include "registry/service_internal.h"

namespace pila::registry {

Result<std::unique_ptr<Server>> Server::create(Options options, image::ImageStore* images) {
    return std::unique_ptr<Server>(TRY(Service::create(std::move(options), images)));
}

Result<std::unique_ptr<Service>> Service::create(Options options, image::ImageStore* images) {
    std::unique_ptr<Service> made(new Service(std::move(options)));
    made->repositories_ = TRY(Repositories::create(made->options_.directory));
    made->uploads_ = std::make_unique<Uploads>(*made->repositories_);
    TRY(made->uploads_->create_directory());
    made->authority_ = TRY(Authority::create(made->options_));
    if (!made->options_.upstream.empty())
        made->upstream_ = TRY(Upstream::create(made->options_, *made->repositories_));
    else if (images)
        made->local_ = image::LocalContent::create(*images);
    auto twin = [local = made->local_.get()](const image::Digest& digest) {
        return local ? local->file_of(digest) : std::string();
    };
    auto keep = made->upstream_ ? std::optional(made->options_.keep) : std::nullopt;
    made->collector_ = std::make_unique<Collector>(*made->repositories_, *made->uploads_,
                                                   Collector::Rules{made->options_.expiry, keep, twin});
    return made;
}

// What a method means for who may do it; "" where it means nothing.
static std::string action_of(const std::string& method) {
    if (method == "GET" || method == "HEAD") return "pull";
    if (method == "POST" || method == "PUT" || method == "PATCH") return "push";
    return method == "DELETE" ? "delete" : "";
}

http::Response Service::handle(http::Request& request) {
    auto route = parse_route(request.path);
    auto answered = [&]() -> Answer {
        if (!route) {
            auto none = refuse(Problem::NameUnknown, "no such resource");
            return none;
        }
        return answer(request, *route);
    }();
    auto response = answered ? answered.take() : failed(answered.error());
    response.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
    response.headers.set("X-Content-Type-Options", "nosniff");
    return response;
}

Result<http::Response> Service::answer(http::Request& request, const Route& route) {
    if (route.resource == Resource::Token) return authority_->token(request);
    bool names_one = route.resource != Resource::Base && route.resource != Resource::Catalog;
    if (names_one && !is_repository_name(route.name))
        return refuse(Problem::NameInvalid, {}, fmt::format(R"({{"name":{}}})", json_quote(route.name)));
    auto action = action_of(request.method);
    if (action.empty()) return refuse(Problem::Unsupported);
    // How far an upload is, only who makes it may know.
    if (route.resource == Resource::Upload) action = "push";
    if (route.resource == Resource::Base) action = "";
    if (route.resource == Resource::Catalog) action = "*";
    if (auto refused = authority_->refusal(request, route.name, action)) return std::move(*refused);
    bool changes = request.method != "GET" && request.method != "HEAD";
    if (changes && upstream_)
        return refuse(Problem::Unsupported, "this registry is a cache of another one: push there");
    if (changes && options_.read_only) return refuse(Problem::Unsupported, "this registry is read-only");
    return dispatch(request, route);
}

Result<http::Response> Service::dispatch(http::Request& request, const Route& route) {
    struct Row {
        Resource resource;
        std::string_view method;
        Answer (Service::*serve)(http::Request&, const Route&);
    };
    static constexpr Row rows[] = {
        {Resource::Catalog, "GET", &Service::get_catalog},
        {Resource::Tags, "GET", &Service::get_tags},
        {Resource::Manifest, "GET", &Service::get_manifest},
        {Resource::Manifest, "PUT", &Service::put_manifest},
        {Resource::Manifest, "DELETE", &Service::delete_manifest},
        {Resource::Blob, "GET", &Service::get_blob},
        {Resource::Blob, "DELETE", &Service::delete_blob},
        {Resource::Uploads, "POST", &Service::begin_upload},
        {Resource::Upload, "PATCH", &Service::patch_upload},
        {Resource::Upload, "PUT", &Service::finish_upload},
        {Resource::Upload, "GET", &Service::upload_status},
        {Resource::Upload, "DELETE", &Service::cancel_upload},
        {Resource::Referrers, "GET", &Service::get_referrers},
    };
    auto method = request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
    if (route.resource == Resource::Base && method == "GET") return http::Response::json(200, "{}");
    for (const auto& row : rows)
        if (row.resource == route.resource && row.method == method) return (this->*row.serve)(request, route);
    return refuse(Problem::Unsupported);
}

}  // namespace pila::registry

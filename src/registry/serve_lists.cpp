// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "registry/service_internal.h"

namespace pila::registry {

namespace {

struct Page {
    std::string names;  // JSON strings
    std::string link;   // to the next page; "": this is the last
};

// OCI distribution specification, "Listing Tags": `n` names after `last`. `all` is sorted.
Result<Page> page_of(const std::vector<std::string>& all, const http::Query& query, const std::string& path) {
    std::uint64_t most = all.size();
    bool limited = query.has("n");
    if (limited) {
        auto number = parse_uint(query.get("n"));
        if (!number) return Error(Errc::Invalid, "n is no number");
        most = *number;
    }
    auto begin = query.has("last") ? std::upper_bound(all.begin(), all.end(), query.get("last")) : all.begin();
    auto left = static_cast<std::uint64_t>(all.end() - begin);
    auto end = begin + static_cast<std::ptrdiff_t>(std::min(most, left));
    Page page;
    for (auto name = begin; name != end; ++name) page.names += (name == begin ? "" : ",") + json_quote(*name);
    if (limited && most > 0 && end != all.end())
        page.link = fmt::format("<{}?n={}&last={}>; rel=\"next\"", path, most, http::percent_encode(*(end - 1)));
    return page;
}

http::Response list_response(const Page& page, std::string body) {
    auto response = http::Response::json(200, std::move(body));
    if (!page.link.empty()) response.headers.add("Link", page.link);
    return response;
}

}  // namespace

std::vector<std::string> Service::local_names(const http::Request& request, const std::string& name) {
    std::vector<std::string> names;
    auto host = std::string(request.headers.get("Host"));
    // An image that is tagged for this registry, as `docker push` wants it, then one of that name.
    for (const auto& text : {host + "/" + name, name})
        if (auto reference = image::Reference::parse(text)) names.push_back(reference->familiar_name());
    return names;
}

Result<http::Response> Service::get_tags(http::Request& request, const Route& route) {
    std::vector<std::string> tags;
    if (upstream_) {
        auto found = upstream_->tags(request.context, route.name);
        if (!found && found.error().code() != Errc::NotFound) return found.take_error();
        if (found) tags = found.take();
    } else if (repositories_->exists(route.name)) {
        tags = TRY(repositories_->tags(route.name));
    } else if (local_) {
        for (const auto& name : local_names(request, route.name))
            for (auto& tag : local_->tags(name)) tags.push_back(std::move(tag));
    }
    if (tags.empty() && !repositories_->exists(route.name))
        return refuse(Problem::NameUnknown, {}, fmt::format(R"({{"name":{}}})", json_quote(route.name)));
    std::sort(tags.begin(), tags.end());
    tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
    auto page = page_of(tags, request.query, fmt::format("/v2/{}/tags/list", route.name));
    if (!page) return refuse(Problem::PaginationNumberInvalid);
    return list_response(*page, fmt::format(R"({{"name":{},"tags":[{}]}})", json_quote(route.name), page->names));
}

Result<http::Response> Service::get_catalog(http::Request& request, const Route&) {
    auto names = TRY(repositories_->names());
    if (local_) {
        auto prefix = std::string(request.headers.get("Host")) + "/";
        for (auto& name : local_->repositories()) {
            auto here = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
            if (is_repository_name(here)) names.push_back(std::move(here));
        }
        std::sort(names.begin(), names.end());
        names.erase(std::unique(names.begin(), names.end()), names.end());
    }
    std::erase_if(names, [&](const auto& name) { return !authority_->may_see(request, name); });
    auto page = page_of(names, request.query, "/v2/_catalog");
    if (!page) return refuse(Problem::PaginationNumberInvalid);
    return list_response(*page, fmt::format(R"({{"repositories":[{}]}})", page->names));
}

}  // namespace pila::registry

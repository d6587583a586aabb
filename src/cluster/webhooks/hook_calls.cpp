// SPDX-License-Identifier: Apache-2.0
// Where a webhook is, and how it is asked.
#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/kinds/tree.h"
#include "cluster/webhooks/hook.h"

namespace pila::cluster::webhooks {

namespace {

constexpr std::size_t max_answer = 4U << 20;
constexpr std::size_t max_idle = 8;  // connections of one webhook

json::value object_of(const state::State& state, const std::string& key) {
    auto stored = state.get(key);
    auto tree = stored ? codec::read_stored(stored->bytes) : Error(Errc::NotFound, "");
    return tree && tree->is_object() ? tree.take() : json::value(nullptr);
}

// The first address that is ready for the port of that name.
std::optional<std::pair<std::string, std::uint16_t>> find_address(const json::value& endpoints, std::string_view port) {
    if (!endpoints.is_object()) return {};
    std::optional<std::pair<std::string, std::uint16_t>> found;
    kinds::each_object(kinds::list_at(endpoints.get_object(), "subsets"), [&](const json::object& set, std::size_t) {
        kinds::each_object(kinds::list_at(set, "ports"), [&](const json::object& one, std::size_t) {
            if (found || kinds::text_at(one, "name") != port) return;
            kinds::each_object(kinds::list_at(set, "addresses"), [&](const json::object& address, std::size_t) {
                if (!found)
                    found.emplace(kinds::text_at(address, "ip"),
                                  static_cast<std::uint16_t>(kinds::integer_at(one, "port").value_or(0)));
            });
        });
    });
    return found;
}

}  // namespace

// A service is asked at one of its pods if they are known, else at its own address.
Result<Hook::Place> Hook::place(const state::State& state) const {
    Place place;
    if (!url_.empty()) {
        place.endpoint = TRY(http::Endpoint::parse(url_));
        auto& target = place.endpoint.path_and_query;
        if (target.empty()) target = "/";
        place.url = fmt::format("{}?timeout={}s", url_, timeout_.count());
    } else {
        auto name = fmt::format("{}.{}.svc", service_.name, service_.name_space);
        place.url = fmt::format("https://{}:{}{}?timeout={}s", name, service_.port, service_.path, timeout_.count());
        auto key = "/" + service_.name_space + "/" + service_.name;
        auto service = object_of(state, "core/services" + key);
        const auto* spec = service.is_object() ? kinds::object_at(service.get_object(), "spec") : nullptr;
        if (!spec)
            return Error(Errc::NotFound,
                         fmt::format("Post \"{}\": service \"{}\" not found", place.url, service_.name));
        bool is_there = false;
        std::string port;
        kinds::each_object(kinds::list_at(*spec, "ports"), [&](const json::object& one, std::size_t) {
            if (is_there || kinds::integer_at(one, "port") != service_.port) return;
            is_there = true;
            port = kinds::text_at(one, "name");
        });
        if (!is_there)
            return Error(Errc::NotFound, fmt::format("Post \"{}\": no service port {} found for service \"{}\"",
                                                     place.url, service_.port, service_.name));
        place.endpoint.scheme = "https";
        place.endpoint.path_and_query = service_.path.empty() ? "/" : service_.path;
        auto known = find_address(object_of(state, "core/endpoints" + key), port);
        auto own = kinds::text_at(*spec, "clusterIP");
        if (known) {
            place.endpoint.host = known->first;
            place.endpoint.port = known->second;
        } else if (!own.empty() && own != "None") {
            place.endpoint.host = own;
            place.endpoint.port = static_cast<std::uint16_t>(service_.port);
        } else {
            return Error(Errc::Unavailable, fmt::format("Post \"{}\": no endpoints available for service \"{}\"",
                                                        place.url, service_.name));
        }
    }
    place.endpoint.path_and_query += fmt::format("?timeout={}s", timeout_.count());
    return place;
}

std::unique_ptr<http::Client> Hook::take_idle(const http::Endpoint& endpoint) const {
    Lock lock(mutex_);
    for (auto at = idle_.begin(); at != idle_.end(); ++at)
        if (at->host == endpoint.host && at->port == endpoint.port) {
            auto client = std::move(at->client);
            idle_.erase(at);
            return client;
        }
    return nullptr;
}

Result<std::string> Hook::exchange(http::Client& client, const Place& place, const Context& context,
                                   const std::string& body) const {
    http::ClientRequest request{.method = "POST", .target = place.endpoint.path_and_query};
    request.headers.set("Content-Type", "application/json");
    request.headers.set("Accept", "application/json");
    request.headers.set("User-Agent", "kube-apiserver-admission");
    request.body = body;
    auto response = TRY(client.send(context, request));
    auto text = TRY(response.body->read_all(max_answer));
    if (response.status == 200) return text;
    return Error(Errc::Invalid, text.empty() ? fmt::format("the server answered {}", response.status) : text);
}

Result<std::string> Hook::post(const state::State& state, const Context& context, const std::string& body) const {
    auto place = TRY(this->place(state));
    auto attempt = [&](std::unique_ptr<http::Client> client) -> Result<std::string> {
        if (!client) {
            http::ClientOptions options{.connect_timeout = timeout_, .stall_timeout = timeout_};
            options.ca_certificates = authorities_;
            if (url_.empty()) options.server_name = fmt::format("{}.{}.svc", service_.name, service_.name_space);
            client = TRY(http::Client::create(place.endpoint, options));
        }
        auto answer = TRY(exchange(*client, place, context, body));
        Lock lock(mutex_);
        if (idle_.size() < max_idle) idle_.push_back({place.endpoint.host, place.endpoint.port, std::move(client)});
        return answer;
    };
    auto kept = take_idle(place.endpoint);
    bool was_kept = kept != nullptr;
    auto answer = attempt(std::move(kept));
    // The other side may have closed a kept connection by now; reviews may be asked twice.
    if (!answer && was_kept && answer.error().code() == Errc::Unavailable && context.check()) answer = attempt(nullptr);
    if (!answer && answer.error().code() == Errc::Timeout)
        return Error(Errc::Timeout, fmt::format("Post \"{}\": context deadline exceeded", place.url));
    if (!answer && answer.error().code() != Errc::Invalid)
        return Error(answer.error().code(), fmt::format("Post \"{}\": {}", place.url, answer.error().message()));
    return answer;
}

}  // namespace pila::cluster::webhooks

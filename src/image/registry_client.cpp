// SPDX-License-Identifier: Apache-2.0
#include "image/registry_client.h"

#include <algorithm>
#include <condition_variable>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"

namespace pila::image {

static constexpr std::size_t max_error_bytes = 64U << 10;

Error registry_error(int status, const std::string& body, const std::string& doing) {
    std::string words;
    if (auto parsed = parse_json(body, {.max_bytes = max_error_bytes}); parsed && parsed->is_object()) {
        auto* errors = parsed->get_object().if_contains("errors");
        auto* first =
            errors && errors->is_array() && !errors->get_array().empty() ? &errors->get_array().front() : nullptr;
        if (first && first->is_object()) {
            const auto& object = first->get_object();
            auto text = [&](std::string_view key) {
                auto* value = object.if_contains(key);
                return value && value->is_string() ? printable(value->get_string()).substr(0, 500) : std::string();
            };
            words = to_lower(text("code"));
            std::replace(words.begin(), words.end(), '_', ' ');
            words += ": " + text("message");
        }
    }
    if (words.empty()) words = fmt::format("{}: unexpected status {}", doing, status);
    auto code = status == 401   ? Errc::Unauthenticated
                : status == 403 ? Errc::Denied
                : status == 404 ? Errc::NotFound
                : status == 429 ? Errc::Exhausted
                : status >= 500 ? Errc::Unavailable
                                : Errc::Invalid;
    return Error(code, words);
}

Result<http::ClientResponse> expect(Result<http::ClientResponse> response, std::initializer_list<int> statuses,
                                    const std::string& doing) {
    if (!response) return std::move(response).in(doing);
    if (std::find(statuses.begin(), statuses.end(), response->status) != statuses.end()) return response;
    auto body = response->body->read_all(max_error_bytes);
    return registry_error(response->status, body ? *body : std::string(), doing);
}

bool is_transient(const Error& error, const Context& context) {
    return (error.code() == Errc::Unavailable || error.code() == Errc::Timeout) && context.check();
}

Result<void> wait_for_retry(const Context& context, std::chrono::milliseconds time) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    auto until = std::chrono::steady_clock::now() + time;
    if (context.deadline) until = std::min(until, *context.deadline);
    never.wait_until(lock, context.stop, until, [] { return false; });
    return context.check();
}

std::string RegistryConnection::path(std::string_view rest) const {
    return fmt::format("/v2/{}/{}", repository_, rest);
}

// A mirror may live below a path of its host.
http::Endpoint RegistryConnection::at(const std::string& target) const {
    auto endpoint = session_->place().endpoint;
    auto base = endpoint.path_and_query.substr(0, endpoint.path_and_query.find('?'));
    while (base.ends_with('/')) base.pop_back();
    endpoint.path_and_query = base + target;
    return endpoint;
}

Result<http::Client*> RegistryConnection::client_for(const http::Endpoint& endpoint) {
    for (auto& open : clients_)
        if (open.endpoint.same_server(endpoint)) return open.client.get();
    if (clients_.size() > 4) clients_.erase(clients_.begin() + 1);  // the first one is the registry itself
    auto client = TRY(http::Client::create(endpoint, session_->client_options(endpoint)));
    clients_.push_back({endpoint, std::move(client)});
    return clients_.back().client.get();
}

// One request, with the right credentials if it goes to the registry itself and with none if it goes elsewhere.
Result<http::ClientResponse> RegistryConnection::send(const Context& context, const http::Endpoint& to,
                                                      http::ClientRequest request) {
    auto* client = TRY(client_for(to));
    request.target = to.path_and_query;
    bool ours = to.same_server(session_->place().endpoint);
    auto& authorizer = session_->authorizer();
    for (int attempt = 0;; ++attempt) {
        std::string authorization;
        if (ours) authorization = TRY(authorizer.header(context, scopes_));
        auto with = request;
        if (!authorization.empty()) with.headers.set("Authorization", authorization);
        auto response = TRY(client->send(context, with));
        bool again = response.status == 401 && ours && attempt < 2 && !request.streamed_body;
        if (!again) return response;
        TRY(authorizer.challenged(response.headers));
        authorizer.rejected(scopes_);
        // The same answer to the same credentials: a fresh token or Basic would not help either.
        if (!authorization.empty() && authorization == TRY(authorizer.header(context, scopes_))) return response;
        ignore(response.body->read_all(max_error_bytes), "read only to keep the connection");
    }
}

Result<http::ClientResponse> RegistryConnection::get(const Context& context, const std::string& path,
                                                     http::ClientRequest request) {
    auto to = at(path);
    for (int hops = 0;; ++hops) {
        auto response = TRY(send(context, to, request));
        bool moved = response.status == 301 || response.status == 302 || response.status == 303 ||
                     response.status == 307 || response.status == 308;
        auto location = response.headers.get("Location");
        if (!moved || location.empty()) return response;
        if (hops == max_redirects)
            return Error(Errc::Invalid, fmt::format("{}: more than {} redirects", path, max_redirects));
        auto next = TRY(to.resolve(location).in("redirect of " + path));
        if (next.scheme == "unix" || (to.scheme == "https" && next.scheme != "https"))
            return Error(Errc::Denied, fmt::format("{}: refused redirect from https to {}", path, next.scheme));
        to = std::move(next);
    }
}

static http::ClientRequest manifest_request(const char* method) {
    http::ClientRequest request{.method = method};
    for (const char* type : {media::docker_manifest, media::docker_list, media::oci_manifest, media::oci_index})
        request.headers.add("Accept", type);
    return request;
}

Result<Digest> RegistryConnection::resolve(const Context& context, const std::string& tag) {
    auto target = path("manifests/" + tag);
    auto response = TRY(expect(get(context, target, manifest_request("HEAD")), {200}, "ask for " + target));
    return Digest::parse(response.headers.get("Docker-Content-Digest")).in("ask for " + target);
}

Result<std::optional<std::uint64_t>> RegistryConnection::blob_size(const Context& context, const Digest& digest) {
    auto target = path("blobs/" + digest.text());
    auto response = TRY(get(context, target, {.method = "HEAD"}));
    if (response.status == 404) return std::optional<std::uint64_t>();
    if (response.status != 200) return registry_error(response.status, "", "look for " + target);
    auto length = parse_uint(response.headers.get("Content-Length"));
    if (!length) return Error(Errc::Invalid, "look for " + target + ": no Content-Length");
    return std::optional(*length);
}

Result<RegistryConnection::Fetched> RegistryConnection::manifest(const Context& context,
                                                                 const std::string& tag_or_digest) {
    auto request = manifest_request("GET");
    auto target = path("manifests/" + tag_or_digest);
    auto response = TRY(expect(get(context, target, request), {200}, "get " + target));
    Fetched fetched;
    fetched.bytes = TRY(response.body->read_all(max_manifest_bytes).in("get " + target));
    fetched.content_type = response.headers.get("Content-Type");
    auto asked = Digest::parse(tag_or_digest);
    auto claimed = Digest::parse(response.headers.get("Docker-Content-Digest"));
    const Digest* expected = asked ? &*asked : claimed ? &*claimed : nullptr;
    Hasher hasher(expected ? expected->algorithm() : "sha256");
    hasher.update(fetched.bytes);
    fetched.digest = hasher.finish();
    if (expected && fetched.digest != *expected)
        return Error(Errc::Invalid, fmt::format("manifest {} of {}: its content is {}", expected->text(), repository_,
                                                fetched.digest.text()));
    return fetched;
}

Result<RegistryConnection::OpenBlob> RegistryConnection::blob(const Context& context, const Digest& digest,
                                                              std::uint64_t offset) {
    http::ClientRequest request;
    if (offset > 0) request.headers.add("Range", fmt::format("bytes={}-", offset));
    auto target = path("blobs/" + digest.text());
    auto response = TRY(expect(get(context, target, request), {200, 206}, "get " + target));
    OpenBlob open{std::move(response.body), 0};
    if (response.status == 200) return open;
    // "bytes 100-199/200": anything but where we left off is useless.
    auto range = response.headers.get("Content-Range");
    auto start = range.substr(0, 6) == "bytes " ? parse_uint(range.substr(6, range.find('-', 6) - 6)) : std::nullopt;
    if (!start || *start != offset) return Error(Errc::Invalid, "get " + target + ": range that was not asked for");
    open.start = offset;
    return open;
}

Result<std::vector<std::string>> RegistryConnection::pages(const Context& context, std::string target) {
    std::vector<std::string> found;
    while (found.size() < 100) {
        auto response = TRY(expect(get(context, target, {}), {200}, "get " + target));
        found.push_back(TRY(response.body->read_all(max_manifest_bytes)));
        // RFC 8288: </v2/NAME/tags/list?last=x&n=y>; rel="next"
        auto link = response.headers.get("Link");
        auto end = link.find('>');
        if (link.substr(0, 1) != "<" || end == std::string_view::npos) break;
        auto next = TRY(at(target).resolve(link.substr(1, end - 1)));
        if (!next.same_server(session_->place().endpoint)) break;
        target = next.path_and_query;
    }
    return found;
}

Result<std::vector<std::string>> RegistryConnection::tags(const Context& context) {
    std::vector<std::string> found;
    for (const auto& page : TRY(pages(context, path("tags/list?n=1000")))) {
        auto parsed = TRY(parse_json(page).in("list of tags"));
        auto* tags = parsed.is_object() ? parsed.get_object().if_contains("tags") : nullptr;
        if (!tags || !tags->is_array()) continue;
        for (const auto& tag : tags->get_array())
            if (tag.is_string()) found.emplace_back(tag.get_string());
    }
    return found;
}

Result<std::vector<std::string>> RegistryConnection::referrers(const Context& context, const Digest& subject) {
    return pages(context, path("referrers/" + subject.text()));
}

}  // namespace pila::image

// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/api.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/log.h"
#include "base/text.h"
#include "cluster/api/access.h"
#include "cluster/api/answer_form.h"
#include "cluster/api/metadata.h"
#include "cluster/api/own_service.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::api {

namespace {

constexpr std::string_view first_namespaces[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
const User self{"system:apiserver", "", {"system:masters"}};

discovery::About about(const ApiOptions& options) {
    discovery::About about;
    about.git_version = "v1.33.0+pila" + (options.version.empty() ? "" : "." + options.version);
    about.address = options.address;
    about.other_paths = {
        "/.well-known/openid-configuration", "/healthz", "/livez", "/metrics", "/openid/v1/jwks", "/readyz"};
    return about;
}

http::Response as_response(const Status& status) { return http::Response::json(status.code, status.json()); }

std::string quoted_warning(std::string_view text) {
    std::string out = "299 - \"";
    for (char c : printable(text)) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + "\"";
}

}  // namespace

Api::Api(state::State& state, ApiOptions options)
    : options_(std::move(options)),
      state_(state),
      directory_(state, about(options_)),
      registry_(state, &directory_),
      work_("cluster-watch", 2),
      definitions_("cluster-kinds", 1),
      following_("cluster-follow", 1) {
    directory_.on_going([this](const std::string& name) { empty_definition(name); });
    directory_.on_names_free([this](const std::string& group) { look_at_names(group); });
}

Api::~Api() {
    timers_.stop();  // what they run posts to queues that end before them
    for (auto& follower : followers_) follower->stop();
}

Result<void> Api::start() {
    TRY(directory_.load());
    for (auto name : first_namespaces) {
        if (state_.get(key_of(namespace_kind(), "", name))) continue;
        Call call{.kind = namespace_kind(), .name = std::string(name), .user = self, .manager = "pila"};
        json::object object{{"kind", "Namespace"}, {"apiVersion", "v1"}, {"metadata", {{"name", name}}}};
        auto made = registry_.create(call, std::move(object), {});
        if (!made) return Error(Errc::Internal, fmt::format("make namespace {}: {}", name, made.error().message));
    }
    TRY(start_access());
    auto made = keep_own_service(registry_, self, options_.address);
    if (!made) log::error("make service kubernetes: {}", made.error().message);
    // Last: a webhook that cannot be asked must not keep the server from starting.
    webhooks_ = std::make_unique<webhooks::Webhooks>(state_);
    registry_.set_webhooks(webhooks_.get());
    return {};
}

http::Response Api::handle(http::Request& request) {
    std::vector<std::string> warnings;
    Audited audited(audit_.get(), request);
    auto made = answer(request, audited, warnings);
    auto response = made ? made.take() : as_response(made.error());
    give_form(request, response);
    if (!response.headers.has("Cache-Control")) response.headers.set("Cache-Control", "no-cache, private");
    if (response.status == 429 || response.status == 504) response.headers.set("Retry-After", "1");
    for (const auto& warning : warnings) response.headers.add("Warning", quoted_warning(warning));
    audited.end(response);
    return response;
}

Outcome<http::Response> Api::answer(http::Request& request, Audited& audited, std::vector<std::string>& warnings) {
    auto info = read_request(request.method, request.path, request.query);
    User real;
    const auto user = access_->authenticate(request, real);
    const bool is_borrowed = user && (*user).name != real.name;
    audited.begin(info, user ? *user : real, is_borrowed ? &real : nullptr);
    if (!user) return user.error();
    const auto allowed = access_->authorize(*user, action_of(info, request));
    audited.judged(static_cast<bool>(allowed), allowed ? *allowed : "");
    if (!allowed) return allowed.error();
    if (!info.is_resource) return answer_path(request, info);
    return answer_resource(request, info, *user, warnings);
}

Outcome<http::Response> Api::answer_path(http::Request& request, const RequestInfo& info) const {
    if (info.verb != "get" && info.verb != "head")
        return Status(405, "MethodNotAllowed", "only GET is known at this path");
    const auto first = info.parts.empty() ? std::string_view() : std::string_view(info.parts[0]);
    if (first == "healthz" || first == "livez" || first == "readyz") return answer_health(request);
    if (first == "metrics") return answer_metrics();
    if (request.path == "/openid/v1/jwks") return answer_token_keys(true);
    if (request.path == "/.well-known/openid-configuration") return answer_token_keys(false);
    return answer_document(request);
}

Outcome<http::Response> Api::answer_health(const http::Request& request) const {
    bool verbose = truth(request.query, "verbose");
    if (!verbose) return http::Response::text(200, "ok");
    auto name = request.path.substr(1, request.path.find('/', 1) - 1);
    return http::Response::text(200, fmt::format("[+]ping ok\n[+]store ok\n{} check passed\n", name));
}

Outcome<http::Response> Api::answer_metrics() const {
    auto numbers = state_.numbers();
    auto text = fmt::format(
        "# HELP pila_cluster_objects Objects that are stored.\n# TYPE pila_cluster_objects gauge\n"
        "pila_cluster_objects {}\n"
        "# HELP pila_cluster_object_bytes Bytes of these objects.\n# TYPE pila_cluster_object_bytes gauge\n"
        "pila_cluster_object_bytes {}\n"
        "# HELP pila_cluster_old_bytes Bytes of superseded versions that are kept for lists and watches.\n"
        "# TYPE pila_cluster_old_bytes gauge\npila_cluster_old_bytes {}\n"
        "# HELP pila_cluster_commits_total Commits to disk since the start.\n"
        "# TYPE pila_cluster_commits_total counter\npila_cluster_commits_total {}\n"
        "# HELP pila_cluster_writes_total Writes since the start.\n# TYPE pila_cluster_writes_total counter\n"
        "pila_cluster_writes_total {}\n",
        numbers.objects, numbers.bytes, numbers.old_bytes, numbers.commits, numbers.writes);
    auto response = http::Response::text(200, std::move(text));
    response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    return response;
}

http::Response error_response(int status, const std::string& message) {
    return as_response(Status(status, status == 413 ? "RequestEntityTooLarge" : "BadRequest", message));
}

// All objects of a kind go, then its definition. Those with finalizers come back here when they are free.
void Api::empty_definition(const std::string& name) {
    definitions_.post([this, name] {
        const auto kinds = directory_.kinds();
        const auto found = kinds->definitions().find(name);
        if (found != kinds->definitions().end() && !found->second->kinds.empty()) {
            const auto& kind = *found->second->kinds.front();
            auto page = state_.list(prefix_of(kind, ""), "", 0, 0);
            if (!page) return log::warning("custom resource definition {}: {}", name, page.error().message());
            bool is_empty = true;
            for (const auto& object : page->objects) {
                auto place = place_of(kind, object->key);
                Call call{
                    .kind = kind, .name_space = place.name_space, .name = place.name, .user = self, .manager = "pila"};
                auto removed = registry_.remove(call, {.grace_seconds = 0});
                is_empty = is_empty && (removed ? (*removed).is_gone : removed.error().code == 404);
            }
            if (!is_empty) return;
        }
        auto finished = registry_.finish_definition(name);
        if (!finished && finished.error().code != 404)
            log::warning("custom resource definition {}: {}", name, finished.error().message);
    });
}

// Who waited for a name that another definition had.
void Api::look_at_names(const std::string& group) {
    definitions_.post([this, group] {
        for (const auto& name : directory_.waiting_definitions(group)) {
            auto looked = registry_.look_at_definition(name);
            if (!looked && looked.error().code != 404)
                log::warning("custom resource definition {}: {}", name, looked.error().message);
        }
    });
}

}  // namespace pila::cluster::api

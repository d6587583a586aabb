// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/api.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/api/access.h"
#include "cluster/api/metadata.h"
#include "cluster/api/own_service.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::api {

namespace {

constexpr std::string_view first_namespaces[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
const User self{"system:apiserver", "", {"system:masters"}};

const schema::Kind& namespace_kind() {
    static const auto& kind = *schema::Catalogue::builtin().find_resource({"", "v1"}, "namespaces");
    return kind;
}

// Kinds of one store that another version shows differently wait for their conversion.
bool is_served(const schema::Kind& kind) {
    const auto& group = kind.group_version;
    if (group.group == "events.k8s.io") return false;
    return !(group.group == "autoscaling" && group.version == "v1");
}

std::vector<const schema::Kind*> served_kinds() {
    std::vector<const schema::Kind*> kinds;
    for (const auto& kind : schema::Catalogue::builtin().kinds())
        if (is_served(kind)) kinds.push_back(&kind);
    return kinds;
}

discovery::About about(const ApiOptions& options) {
    discovery::About about;
    about.git_version = "v1.33.0+pila" + (options.version.empty() ? "" : "." + options.version);
    about.address = options.address;
    about.other_paths = {"/healthz", "/livez", "/readyz", "/metrics"};
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
      registry_(state),
      documents_(std::make_unique<discovery::Documents>(served_kinds(), about(options_))),
      work_("cluster-watch", 2) {}

Api::~Api() = default;

Result<void> Api::start() {
    for (auto name : first_namespaces) {
        if (state_.get(key_of(namespace_kind(), "", name))) continue;
        Call call{.kind = namespace_kind(), .name = std::string(name), .user = self, .manager = "pila"};
        json::object object{{"kind", "Namespace"}, {"apiVersion", "v1"}, {"metadata", {{"name", name}}}};
        auto made = registry_.create(call, std::move(object), {});
        if (!made) return Error(Errc::Internal, fmt::format("make namespace {}: {}", name, made.error().message));
    }
    auto made = keep_own_service(registry_, self, options_.address);
    if (!made) return Error(Errc::Internal, fmt::format("make service kubernetes: {}", made.error().message));
    return {};
}

const schema::Kind* Api::find_kind(const RequestInfo& info) const {
    const auto* kind = schema::Catalogue::builtin().find_resource(info.group_version, info.resource);
    return kind && is_served(*kind) ? kind : nullptr;
}

http::Response Api::handle(http::Request& request) {
    std::vector<std::string> warnings;
    auto made = answer(request, warnings);
    auto response = made ? made.take() : as_response(made.error());
    if (!response.headers.has("Cache-Control")) response.headers.set("Cache-Control", "no-cache, private");
    if (response.status == 429 || response.status == 504) response.headers.set("Retry-After", "1");
    for (const auto& warning : warnings) response.headers.add("Warning", quoted_warning(warning));
    return response;
}

Outcome<http::Response> Api::answer(http::Request& request, std::vector<std::string>& warnings) {
    auto info = read_request(request.method, request.path, request.query);
    auto user = TRY(authenticate(request));
    TRY(authorize(user, info, request.path));
    if (!info.is_resource) return answer_path(request, info);
    return answer_resource(request, info, user, warnings);
}

Outcome<http::Response> Api::answer_path(http::Request& request, const RequestInfo& info) const {
    if (info.verb != "get" && info.verb != "head")
        return Status(405, "MethodNotAllowed", "only GET is known at this path");
    const auto first = info.parts.empty() ? std::string_view() : std::string_view(info.parts[0]);
    if (first == "healthz" || first == "livez" || first == "readyz") return answer_health(request);
    if (first == "metrics") return answer_metrics();
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

}  // namespace pila::cluster::api

// SPDX-License-Identifier: Apache-2.0
// POST /build of the classic builder, its cache, and the refusal of what wants BuildKit.
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "build/job.h"
#include "crypto/base64.h"
#include "docker/progress_pipe.h"
#include "docker/reply.h"

namespace pila::docker {

static Error wants_buildkit() {
    return Error(Errc::Invalid,
                 "pila has a builder of its own and no BuildKit session: set DOCKER_BUILDKIT=0 (docker build without "
                 "buildx), or use pila build");
}

static Reply refuse_session(Api&, http::Request&) { return wants_buildkit(); }

static Result<json::object> object_in(const http::Request& request, std::string_view name) {
    auto text = request.query.get(name);
    if (text.empty() || text == "null") return json::object{};
    auto value = TRY(parse_json(text).in("query parameter " + std::string(name)));
    if (!value.is_object()) return Error(Errc::Invalid, fmt::format("query parameter {} is not an object", name));
    return std::move(value.get_object());
}

static Result<json::array> array_in(const http::Request& request, std::string_view name) {
    auto text = request.query.get(name);
    if (text.empty() || text == "null") return json::array{};
    auto value = TRY(parse_json(text).in("query parameter " + std::string(name)));
    if (!value.is_array()) return Error(Errc::Invalid, fmt::format("query parameter {} is not a list", name));
    return std::move(value.get_array());
}

static Result<void> read_limits(const http::Request& request, build::BuildRequest& build) {
    json::object host;
    static constexpr std::pair<std::string_view, std::string_view> numbers[] = {
        {"memory", "Memory"},       {"memswap", "MemorySwap"}, {"cpushares", "CpuShares"},
        {"cpuperiod", "CpuPeriod"}, {"cpuquota", "CpuQuota"},  {"shmsize", "ShmSize"}};
    for (const auto& [parameter, field] : numbers) {
        auto text = request.query.get(parameter);
        if (text.empty()) continue;
        auto number = parse_int(text);
        if (!number) return Error(Errc::Invalid, fmt::format("{} is not a number: {}", parameter, printable(text)));
        if (*number != 0) host[field] = *number;
    }
    for (const auto& [parameter, field] : {std::pair{"cpusetcpus", "CpusetCpus"}, std::pair{"cpusetmems", "CpusetMems"},
                                           std::pair{"cgroupparent", "CgroupParent"}})
        if (auto text = request.query.get(parameter); !text.empty()) host[field] = text;
    if (auto list = TRY(array_in(request, "ulimits")); !list.empty()) host["Ulimits"] = std::move(list);
    json::array hosts;
    for (auto text : request.query.all("extrahosts")) {
        // A list in JSON, or the parameter several times.
        if (auto list = parse_json(text); list && list->is_array())
            hosts.insert(hosts.end(), list->get_array().begin(), list->get_array().end());
        else if (!text.empty())
            for (auto one : split(text, ',')) hosts.emplace_back(one);
    }
    if (!hosts.empty()) host["ExtraHosts"] = std::move(hosts);
    if (auto list = TRY(array_in(request, "securityopt")); !list.empty()) host["SecurityOpt"] = std::move(list);
    if (!host.empty()) build.host_config_json = to_json(host);
    return {};
}

static Result<void> read_names(const http::Request& request, build::BuildRequest& build) {
    for (auto name : request.query.all("t")) {
        if (name.empty()) continue;
        auto reference = TRY(image::Reference::parse(name));
        if (!reference.digest.empty()) return Error(Errc::Invalid, "build tag cannot contain a digest");
        auto familiar = reference.familiar();
        if (std::find(build.tags.begin(), build.tags.end(), familiar) == build.tags.end())
            build.tags.push_back(std::move(familiar));
    }
    auto buildargs = TRY(object_in(request, "buildargs"));
    for (const auto& item : buildargs) {
        if (!item.value().is_null() && !item.value().is_string())
            return Error(Errc::Invalid, fmt::format("build argument {} is not a string", std::string(item.key())));
        auto& value = build.arguments[std::string(item.key())];
        if (item.value().is_string()) value = std::string(item.value().get_string());
    }
    auto labels = TRY(object_in(request, "labels"));
    for (const auto& item : labels) {
        if (!item.value().is_string()) return Error(Errc::Invalid, "a label is not a string");
        build.labels.emplace_back(item.key(), item.value().get_string());
    }
    std::sort(build.labels.begin(), build.labels.end());
    auto cachefrom = TRY(array_in(request, "cachefrom"));
    for (const auto& item : cachefrom)
        if (item.is_string()) build.cache_from.emplace_back(item.get_string());
    return {};
}

static constexpr std::uint64_t max_secrets = 8U << 20;

// Credentials of registries.
static Result<void> read_credentials(const http::Request& request, build::BuildRequest& build) {
    auto text = request.headers.get("X-Registry-Config");
    if (text.empty()) return {};
    auto decoded = crypto::base64_decode(text);
    if (!decoded) return Error(Errc::Invalid, "header X-Registry-Config is not base64");
    if (decoded->empty() || *decoded == "null") return {};
    auto registries = TRY(parse_json(*decoded).in("header X-Registry-Config"));
    if (!registries.is_object()) return Error(Errc::Invalid, "header X-Registry-Config is not an object");
    for (const auto& item : registries.get_object())
        if (item.value().is_object())
            build.credentials[std::string(item.key())] = TRY(image::RegistryAuth::parse_json(to_json(item.value())));
    return {};
}

// As pila's own client sends them: so many bytes of JSON before the context. Neither URL nor header may be long.
static Result<void> read_secrets(const http::Request& request, build::BuildRequest& build) {
    auto said = request.headers.get("X-Pila-Secrets-Bytes");
    if (said.empty()) return {};
    auto size = parse_uint(said);
    if (!size || *size > max_secrets || !request.body)
        return Error(Errc::Invalid, fmt::format("secrets of {} bytes: at most {} are possible", said, max_secrets));
    std::string bytes(static_cast<std::size_t>(*size), '\0');
    for (std::size_t have = 0; have < bytes.size();) {
        auto got = TRY(request.body->read(bytes.data() + have, bytes.size() - have));
        if (got == 0) return Error(Errc::Invalid, "the request ends within its secrets");
        have += got;
    }
    auto secrets = TRY(parse_json(bytes, {.max_bytes = max_secrets}).in("secrets"));
    if (!secrets.is_object()) return Error(Errc::Invalid, "secrets are not an object");
    for (const auto& item : secrets.get_object()) {
        if (!item.value().is_string()) return Error(Errc::Invalid, "a secret is not a string");
        auto value = crypto::base64_decode(std::string_view(item.value().get_string()));
        if (!value) return Error(Errc::Invalid, "a secret is not base64");
        build.secrets[std::string(item.key())] = std::move(*value);
    }
    return {};
}

static Result<build::BuildRequest> read_request(const http::Request& request) {
    const auto& query = request.query;
    if (query.get("version") == "2") return wants_buildkit();
    if (auto outputs = query.get("outputs"); !outputs.empty() && outputs != "null" && outputs != "[]")
        return Error(Errc::Unsupported, "--output needs BuildKit: build the image and use docker cp or docker export");
    build::BuildRequest build;
    TRY(read_names(request, build));
    TRY(read_limits(request, build));
    TRY(read_credentials(request, build));
    TRY(read_secrets(request, build));
    build.dockerfile = query.get("dockerfile");
    if (build.dockerfile == "Dockerfile") build.dockerfile.clear();
    build.remote = query.get("remote");
    if (build.remote == "client-session") return wants_buildkit();
    build.target = query.get("target");
    build.platform = to_lower(query.get("platform"));
    build.network_mode = query.get("networkmode");
    build.no_cache = query.flag("nocache");
    build.pull = query.flag("pull");
    build.squash = query.flag("squash");
    build.remove = query.flag("rm", true);
    build.force_remove = query.flag("forcerm");
    build.id = query.get("buildid");
    return build;
}

static Result<void> run_quietly(build::Job& job, const Context& context, const image::ProgressSink& sink) {
    std::string said;
    auto image = job.run(context, [&](const image::Progress& progress) { said += progress.stream; });
    image::Progress line;
    if (image) {
        line.stream = (*image)->id.text() + "\n";
        sink(line);
        return {};
    }
    line.stream = std::move(said);
    if (!line.stream.empty()) sink(line);
    return image.take_error();
}

static Reply build_image(Api& api, http::Request& request) {
    auto wanted = TRY(read_request(request));
    bool quiet = request.query.flag("q");
    auto job = TRY(api.builder().prepare(request.context, std::move(wanted), request.body));
    auto response = ProgressPipe::answer(
        request.context, [job, quiet](const Context& context, const image::ProgressSink& sink) -> Result<void> {
            auto done = [&]() -> Result<void> {
                if (quiet) return run_quietly(*job, context, sink);
                TRY(job->run(context, sink));
                return {};
            }();
            if (done || job->failed_exit_code() == 0) return done;
            image::Progress failure;
            failure.status = done.error().message();
            failure.error_code = job->failed_exit_code();
            sink(failure);
            return {};
        });
    if (response) response->headers.set("Content-Type", "application/json");
    return response;
}

static Reply cancel_build(Api& api, http::Request& request) {
    auto id = request.query.get("id");
    if (id.empty()) return Error(Errc::Invalid, "build ID not provided");
    api.builder().cancel(std::string(id));
    return http::Response::empty(200);
}

static Reply prune_build_cache(Api& api, http::Request& request) {
    auto filters = TRY(Filters::parse(request, {"until", "unused-for", "id", "label", "label!", "parent", "type",
                                                "description", "inuse", "shared", "private"}));
    // `system prune` passes its own on. What cannot be told of a step must not take more away than was meant.
    for (auto key : {"label", "label!", "parent", "type", "description", "inuse", "shared", "private"})
        if (filters.has(key))
            return json_response(200, json::object{{"CachesDeleted", nullptr}, {"SpaceReclaimed", 0}});
    std::set<std::string> ids(filters.get("id").begin(), filters.get("id").end());
    auto until = TRY(filters.until());
    auto pruned = TRY(api.builder().prune(request.query.flag("all"), until, ids));
    publish_prune(api, request, "builder", pruned.reclaimed);
    return json_response(
        200, json::object{{"CachesDeleted", array_or_null(pruned.deleted)}, {"SpaceReclaimed", pruned.reclaimed}});
}

json::array build_cache_json(Api& api, std::uint64_t version, std::uint64_t& size) {
    json::array rows;
    for (const auto& use : api.builder().usage()) {
        json::object row{{"ID", use.id},
                         {"Type", use.type},
                         {"Description", use.description},
                         {"InUse", use.in_use},
                         {"Shared", use.shared},
                         {"Size", use.size},
                         {"CreatedAt", rfc3339_nano(use.created)},
                         {"LastUsedAt", rfc3339_nano(use.last_used)},
                         {"UsageCount", use.uses}};
        if (version < 42)
            row["Parent"] = use.parent;
        else if (!use.parent.empty())
            row["Parents"] = json::array{use.parent};
        rows.push_back(std::move(row));
        if (!use.shared) size += use.size;
    }
    return rows;
}

static constexpr Route routes[] = {
    {"POST", "/build", build_image},         {"POST", "/build/prune", prune_build_cache},
    {"POST", "/build/cancel", cancel_build}, {"POST", "/session", refuse_session},
    {"POST", "/grpc", refuse_session},
};

std::span<const Route> build_routes() { return routes; }

}  // namespace pila::docker

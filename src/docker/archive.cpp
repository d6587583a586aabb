// SPDX-License-Identifier: Apache-2.0
// Files in and out: docker cp, docker export.
#include "crypto/base64.h"
#include "docker/reply.h"
#include "engine/container_files.h"

namespace pila::docker {

// Go's os.FileMode, which is what clients read.
static std::uint32_t go_file_mode(mode_t mode) {
    std::uint32_t bits = mode & 0777;
    switch (mode & S_IFMT) {
        case S_IFDIR: bits |= 1U << 31; break;
        case S_IFLNK: bits |= 1U << 27; break;
        case S_IFBLK: bits |= 1U << 26; break;
        case S_IFCHR: bits |= 1U << 26 | 1U << 21; break;
        case S_IFIFO: bits |= 1U << 25; break;
        case S_IFSOCK: bits |= 1U << 24; break;
        default: break;
    }
    if ((mode & S_ISUID) != 0) bits |= 1U << 23;
    if ((mode & S_ISGID) != 0) bits |= 1U << 22;
    if ((mode & S_ISVTX) != 0) bits |= 1U << 20;
    return bits;
}

static Result<std::string> path_of(const http::Request& request) {
    auto path = request.query.get("path");
    if (path.empty()) return Error(Errc::Invalid, "bad parameter: pathcannot be empty");  // dockerd's very words
    if (path.find('\0') != std::string_view::npos) return Error(Errc::Invalid, "bad parameter: path holds a zero byte");
    return std::string(path);
}

static void describe(const engine::PathStat& stat, http::Response& response) {
    constexpr std::int64_t second = 1'000'000'000;
    WallTime modified{stat.info.st_mtim.tv_sec * second + stat.info.st_mtim.tv_nsec};
    json::object body{{"name", stat.name},
                      {"size", stat.info.st_size},
                      {"mode", go_file_mode(stat.info.st_mode)},
                      {"mtime", rfc3339_nano(modified)},
                      {"linkTarget", stat.link_target}};
    response.headers.set("X-Docker-Container-Path-Stat", crypto::base64_encode(to_json(body)));
}

static Reply stat(Api& api, http::Request& request) {
    auto path = TRY(path_of(request));
    auto found = TRY(api.engine().files().stat(request.context, request.parameters[0], path));
    http::Response response;
    describe(found, response);
    return response;
}

static void stream(const std::shared_ptr<engine::FileArchive>& archive, const Context& context, const char* type,
                   http::Response& response) {
    response.headers.set("Content-Type", type);
    response.produce = [archive, context](http::BodyWriter& writer) { return archive->write(context, writer); };
}

static Reply get(Api& api, http::Request& request) {
    auto path = TRY(path_of(request));
    auto archive = TRY(api.engine().files().archive(request.context, request.parameters[0], path));
    http::Response response;
    describe(archive->stat(), response);
    stream(archive, request.context, "application/x-tar", response);
    return response;
}

static Reply put(Api& api, http::Request& request) {
    auto path = TRY(path_of(request));
    engine::ExtractOptions options;
    options.keep_kinds = request.query.flag("noOverwriteDirNonDir");
    options.own_as_user = request.query.flag("copyUIDGID");
    TRY(api.engine().files().extract(request.context, request.parameters[0], path, options, request.body));
    return http::Response::empty(200);
}

static Reply export_files(Api& api, http::Request& request) {
    auto archive = TRY(api.engine().files().everything(request.context, request.parameters[0]));
    http::Response response;
    stream(archive, request.context, "application/octet-stream", response);
    return response;
}

static constexpr Route routes[] = {
    {"HEAD", "/containers/*/archive", stat},
    {"GET", "/containers/*/archive", get},
    {"PUT", "/containers/*/archive", put},
    {"GET", "/containers/*/export", export_files},
};

std::span<const Route> archive_routes() { return routes; }

}  // namespace pila::docker

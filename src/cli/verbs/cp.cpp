// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "base/text.h"
#include "cli/file_transfer.h"
#include "cli/json_helpers.h"
#include "cli/tar.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "crypto/base64.h"
#include "os/file.h"

namespace pila::cli {

namespace {

struct Options {
    bool archive = false, follow = false, quiet = false;
};

struct Place {
    std::string container, path;  // container "": here
};

Place parse_place(const std::string& text) {
    auto colon = text.find(':');
    if (text.starts_with('/') || text.starts_with('.') || colon == std::string::npos) return {"", text};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

Error invalid(std::string message) { return Error(Errc::Invalid, std::move(message)); }

bool wants_contents(const std::string& path) { return path == "." || path.ends_with("/."); }
bool asserts_directory(const std::string& path) { return path.ends_with('/') || wants_contents(path); }

// Without "." and doubled or trailing slashes; ".." stays for the kernel or the daemon.
std::string clean(const std::string& path) {
    std::string out = path.starts_with('/') ? "/" : "";
    for (auto part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (!out.empty() && out.back() != '/') out += '/';
        out += part;
    }
    return out.empty() ? "." : out;
}

std::string base_of(const std::string& path) {
    auto whole = clean(path);
    auto slash = whole.rfind('/');
    return slash == std::string::npos ? whole : whole.substr(slash + 1);
}

std::string directory_of(const std::string& path) {
    auto whole = clean(path);
    auto slash = whole.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : whole.substr(0, slash);
}

std::string absolute(const std::string& path) {
    if (path.starts_with('/')) return clean(path);
    char directory[PATH_MAX];
    return ::getcwd(directory, sizeof directory) ? clean(std::string(directory) + "/" + path) : path;
}

// What stands at one end of the copy.
struct Info {
    bool exists = false, directory = false;
    std::string link;  // target, when it is a link
};

// Where the archive is unpacked and what its root is called there; the same four rules on both sides.
struct Target {
    std::string directory, name;
};
Result<Target> target_of(const std::string& source, bool source_is_directory, const std::string& name,
                         const std::string& target, const Info& info) {
    if (info.exists && info.directory)
        return Target{clean(target), wants_contents(source) && source_is_directory ? "" : name};
    if (source_is_directory && info.exists) return invalid("cannot copy directory");
    if (!source_is_directory && asserts_directory(target)) return Error(Errc::NotFound, "no such directory");
    return Target{directory_of(target), base_of(target)};
}

void report(const Options& options, std::uint64_t bytes, const std::string& target) {
    if (!options.quiet && is_terminal(STDERR_FILENO))
        fmt::print(stderr, "Successfully copied {} to {}\n", decimal_size(static_cast<double>(bytes)), target);
}

std::string archive_path(const Place& place) {
    return fmt::format("/containers/{}/archive", path_part(place.container));
}

// Bits of Go's file modes in the daemon's answer.
constexpr std::uint32_t go_directory = 1U << 31, go_link = 1U << 27;

Info info_of(std::string_view header) {
    Info info;
    auto decoded = crypto::base64_decode(header);
    if (!decoded) return info;
    auto parsed = parse_json(*decoded);
    if (!parsed) return info;
    auto mode = static_cast<std::uint64_t>(number(*parsed, "mode"));
    info.exists = true;
    info.directory = mode & go_directory;
    if (mode & go_link) info.link = text(*parsed, "linkTarget");
    return info;
}

Result<Info> stat_in_container(Api& api, const Place& place) {
    Call call{.method = "HEAD", .path = archive_path(place)};
    call.query.add("path", place.path);
    auto response = TRY(api.open(call));
    auto info = info_of(response.headers.get("X-Docker-Container-Path-Stat"));
    if (response.body) TRY(response.body->read_all(4096));
    return info;
}

std::string link_target(const std::string& path, const std::string& target) {
    return target.starts_with('/') ? target : clean(directory_of(path) + "/" + target);
}

class Counted : public http::BodyReader {
public:
    explicit Counted(http::BodyReader& inner) : inner_(inner) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        auto got = TRY(inner_.read(buffer, size));
        bytes += got;
        return got;
    }
    std::uint64_t bytes = 0;

private:
    http::BodyReader& inner_;
};

Result<void> from_container(Api& api, Place source, const std::string& target, const Options& options) {
    if (source.path.empty()) source.path = "/";
    auto name = base_of(source.path);
    if (target != "-") {
        struct stat status {};
        auto directory = directory_of(absolute(target));
        if (::stat(directory.c_str(), &status) != 0)
            return invalid(fmt::format("invalid output path: directory {} does not exist", go_quote(directory)));
    }
    if (options.follow) {
        auto info = TRY(stat_in_container(api, source));
        if (!info.link.empty()) source.path = link_target(source.path, info.link);
    }
    Call call{.path = archive_path(source)};
    call.query.add("path", source.path);
    auto response = TRY(api.open(call));
    if (target == "-") return copy_to(*response.body, STDOUT_FILENO);
    Counted counted(*response.body);
    auto info = info_of(response.headers.get("X-Docker-Container-Path-Stat"));
    struct stat status {};
    Info here;
    here.exists = ::stat(target.c_str(), &status) == 0;
    here.directory = here.exists && S_ISDIR(status.st_mode);
    auto place = TRY(target_of(source.path, info.directory, name, target, here));
    auto directory = TRY(os::open(place.directory, O_RDONLY | O_DIRECTORY));
    TRY(extract_tar(counted, directory, {.name = place.name, .keep_owner = options.archive}));
    report(options, counted.bytes, absolute(target));
    return {};
}

Result<void> to_container(Api& api, std::string source, Place target, const Options& options) {
    if (target.path.empty()) target.path = "/";
    auto shown = target.path;
    Info there;
    if (auto info = stat_in_container(api, target)) {
        there = *info;
        if (!there.link.empty()) {
            target.path = link_target(target.path, there.link) + (asserts_directory(target.path) ? "/" : "");
            auto resolved = stat_in_container(api, target);
            there = resolved ? *resolved : Info{};
        }
    }
    Call call{.method = "PUT", .path = archive_path(target), .content_type = "application/x-tar"};
    auto add_query = [&](const std::string& directory) {
        call.query.add_if(options.archive, "copyUIDGID", "true")
            .add("noOverwriteDirNonDir", "true")
            .add("path", directory);
    };
    if (source == "-") {
        if (!there.exists || !there.directory)
            return invalid(fmt::format("destination \"{}:{}\" must be a directory", target.container, shown));
        FileBody body{FdView(STDIN_FILENO)};
        add_query(target.path);
        call.streamed_body = &body;
        return api.done(call);
    }
    struct stat status {};
    auto look = options.follow ? ::stat : ::lstat;
    if (look(source.c_str(), &status) != 0)
        return Error(Errc::NotFound, fmt::format("lstat {}: {}", absolute(source),
                                                 errno == ENOENT ? "no such file or directory" : std::strerror(errno)));
    auto name = base_of(absolute(source));
    bool is_directory = S_ISDIR(status.st_mode);
    auto place = TRY(target_of(source, is_directory, name, target.path, there));
    char resolved[PATH_MAX];
    auto path = options.follow && ::realpath(source.c_str(), resolved) ? std::string(resolved) : clean(source);
    auto body = TRY(TarSource::create(path, place.name));
    add_query(place.directory);
    call.streamed_body = body.get();
    TRY(api.done(call));
    report(options, body->bytes(), target.container + ":" + shown);
    return {};
}

}  // namespace

int cp_verb(Invocation& invocation) {
    Options options;
    Flags flags(invocation,
                "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tpila cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
                "Copy files between a container and the local file system\n\n"
                "'-' as the source reads a tar archive from standard input,\n'-' as the destination writes one to "
                "standard output.");
    flags.add({{"archive", 'a', &options.archive, "Keep owner and group"},
               {"follow-link", 'L', &options.follow, "Follow a symbolic link at SRC_PATH"},
               {"quiet", 'q', &options.quiet, "Do not report what was copied"}});
    if (auto code = flags.parse({2, 2})) return *code;
    auto source = parse_place(flags.arguments()[0]), target = parse_place(flags.arguments()[1]);
    if (source.container.empty() && target.container.empty()) return fail("must specify at least one container source");
    if (!source.container.empty() && !target.container.empty())
        return fail("copying between containers is not supported");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto copied = target.container.empty() ? from_container(**api, source, target.path, options)
                                           : to_container(**api, source.path, target, options);
    return copied ? 0 : fail(copied.error());
}

}  // namespace pila::cli

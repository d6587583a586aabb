// SPDX-License-Identifier: Apache-2.0
#include "build/build_context.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "base/log.h"
#include "base/path_patterns.h"
#include "base/random.h"
#include "base/text.h"
#include "http/client.h"
#include "image/compression.h"
#include "image/layer_extractor.h"
#include "os/file.h"

namespace pila::build {

static constexpr std::size_t max_dockerfile = 4U << 20;

Result<WorkDirectory> WorkDirectory::create(const std::string& below) {
    WorkDirectory made(fmt::format("{}/build-{}", below, random_hex(16)));
    TRY(os::make_directory(made.path_, 0700));
    return made;
}

WorkDirectory::~WorkDirectory() {
    if (path_.empty()) return;
    auto removed = os::remove_tree(path_);
    if (!removed) log::warning("{}", removed.error().message());
}

Result<void> BuildContext::make_root() {
    TRY(os::make_directory(directory_, 0755));
    root_ = TRY(os::open(directory_, O_RDONLY | O_DIRECTORY));
    return {};
}

Result<void> BuildContext::extract(const Context& context, http::BodyReader& body) {
    image::BodyChunks chunks(body);
    image::Decompressed plain(chunks);
    image::TarReader reader(plain);
    image::LayerExtractor::Options how;
    how.form = image::LayerExtractor::Form::Files;
    how.context = &context;
    auto extractor = image::LayerExtractor::create_in(TRY(root_.duplicate()), std::move(how));
    image::DiskBudget budget(root_);
    image::TarEntry entry;
    for (;;) {
        bool more = TRY(reader.next(entry));
        if (!more) break;
        TRY(budget.take(entry.size + 4096));
        TRY(extractor->extract(entry, reader));
    }
    TRY(reader.drain());
    return extractor->finish();
}

Result<std::unique_ptr<BuildContext>> BuildContext::unpack(const Context& context, const std::string& work_directory,
                                                           http::BodyReader* body) {
    std::unique_ptr<BuildContext> made(new BuildContext(TRY(WorkDirectory::create(work_directory))));
    TRY(made->make_root());
    if (body) TRY(made->extract(context, *body).in("reading the build context"));
    return made;
}

namespace {

// A body whose first bytes were looked at.
class Begun final : public http::BodyReader {
public:
    explicit Begun(http::BodyReader& rest) : rest_(rest) {}
    Result<std::string_view> first(std::size_t most) {
        std::string piece(most, '\0');
        while (begin_.size() < most) {
            auto got = TRY(rest_.read(piece.data(), most - begin_.size()));
            if (got == 0) break;
            begin_.append(piece, 0, got);
        }
        return std::string_view(begin_);
    }
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        if (begin_.empty()) return rest_.read(buffer, size);
        auto part = begin_.copy(buffer, size);
        begin_.erase(0, part);
        return part;
    }

private:
    http::BodyReader& rest_;
    std::string begin_;
};

// As browsers tell (MIME Sniffing, "binary data byte"); the head of a tar has zero bytes, compressed ones have others.
bool is_text(std::string_view bytes) {
    return std::none_of(bytes.begin(), bytes.end(), [](char c) {
        auto byte = static_cast<unsigned char>(c);
        return byte < 0x09 || byte == 0x0b || (byte > 0x0d && byte < 0x20 && byte != 0x1b);
    });
}

}  // namespace

Result<std::unique_ptr<BuildContext>> BuildContext::fetch(const Context& context, const std::string& work_directory,
                                                          const std::string& url) {
    if (is_git(url)) return no_git(url);
    if (!is_url(url)) return Error(Errc::Invalid, fmt::format("remote context {} is no URL", printable(url)));
    std::unique_ptr<BuildContext> made(new BuildContext(TRY(WorkDirectory::create(work_directory))));
    TRY(made->make_root());
    auto fetched = TRY(fetch_url(context, url).in("error downloading remote context " + url));
    Begun body(fetched.body->reader());
    auto type = fetched.content_type;
    // Servers call a file without an extension, as `Dockerfile` is, by this name.
    bool unknown = type.empty() || type.starts_with("application/octet-stream");
    auto head = unknown ? TRY(body.first(512).in("downloading " + url)) : std::string_view();
    if (type.starts_with("text/plain") || (!head.empty() && is_text(head))) {
        auto text = TRY(body.read_all(max_dockerfile).in("downloading " + url));
        auto file = TRY(os::open_at(made->root_, "Dockerfile", O_WRONLY | O_CREAT | O_EXCL, 0644));
        TRY(os::write_all(file, text));
        return made;
    }
    TRY(made->extract(context, body).in("reading the build context " + url));
    return made;
}

Result<std::string> BuildContext::take_dockerfile(const std::string& name) {
    auto wanted = name.empty() ? std::string("Dockerfile") : name;
    auto file = os::open_in_root(root_, wanted, O_RDONLY | O_NONBLOCK);
    if (!file && name.empty()) file = os::open_in_root(root_, "dockerfile", O_RDONLY | O_NONBLOCK);
    if (!file) {
        if (file.error().code() == Errc::NotFound)
            return Error(Errc::Internal, fmt::format("Cannot locate specified Dockerfile: {}", wanted));
        return file.take_error().in("reading the Dockerfile");
    }
    auto info = TRY(os::stat_of(*file));
    if (!S_ISREG(info.st_mode))
        return Error(Errc::Invalid, fmt::format("the Dockerfile ({}) is not a regular file", wanted));
    auto text = TRY(os::read_all(*file, max_dockerfile).in("reading the Dockerfile"));
    if (text.empty()) return Error(Errc::Internal, fmt::format("the Dockerfile ({}) cannot be empty", wanted));
    auto ignore_file = os::open_in_root(root_, ".dockerignore", O_RDONLY | O_NONBLOCK);
    if (!ignore_file) return text;
    auto patterns = os::read_all(*ignore_file, max_dockerfile);
    if (!patterns) return text;
    auto ignored = IgnorePatterns::parse(*patterns);
    if (!ignored) return text;
    for (const auto& one : {std::string(".dockerignore"), wanted})
        if (one.find("..") == std::string::npos && ignored->ignores(one)) ::unlinkat(root_.get(), one.c_str(), 0);
    return text;
}

bool is_url(std::string_view text) { return text.starts_with("http://") || text.starts_with("https://"); }

bool is_git(std::string_view text) {
    auto fragment = text.substr(0, text.find('#'));
    return text.starts_with("git://") || text.starts_with("git@") || text.starts_with("ssh://") ||
           text.starts_with("github.com/") || (is_url(text) && fragment.ends_with(".git"));
}

Error no_git(std::string_view url) {
    return Error(Errc::Unsupported,
                 fmt::format("{} is a git repository, which pila does not read: clone it and build from the directory, "
                             "or give the URL of an archive",
                             printable(url)));
}

namespace {

// Keeps what the body reads from.
class Kept final : public FetchedBody {
public:
    Kept(std::unique_ptr<http::Client> client, http::ClientResponse response)
        : client_(std::move(client)), response_(std::move(response)) {}
    http::BodyReader& reader() override { return *response_.body; }

private:
    std::unique_ptr<http::Client> client_;
    http::ClientResponse response_;
};

std::string file_name_of(const std::string& path_and_query) {
    auto path = path_and_query.substr(0, path_and_query.find_first_of("?#"));
    return http::percent_decode(path.substr(path.rfind('/') + 1)).value_or("");
}

}  // namespace

Result<Fetched> fetch_url(const Context& context, const std::string& url) {
    auto endpoint = TRY(http::Endpoint::parse(url));
    for (int redirections = 0; redirections <= 10; ++redirections) {
        http::ClientOptions options;
        options.proxy = http::proxy_from_environment(endpoint);
        auto client = TRY(http::Client::create(endpoint, options));
        http::ClientRequest request;
        request.method = "GET";
        request.target = endpoint.path_and_query.empty() ? "/" : endpoint.path_and_query;
        auto response = client->send(context, request);
        if (!response) return response.take_error().in("Get \"" + url + "\"");
        if (response->status >= 300 && response->status < 400 && response->headers.has("Location")) {
            endpoint = TRY(endpoint.resolve(response->headers.get("Location")));
            if (endpoint.scheme != "http" && endpoint.scheme != "https")
                return Error(Errc::Invalid, fmt::format("{} leads to something else than HTTP", url));
            continue;
        }
        if (response->status != 200 || !response->body)
            return Error(Errc::Unavailable, fmt::format("{}: answered with status {}", url, response->status));
        Fetched fetched;
        fetched.file_name = file_name_of(endpoint.path_and_query);
        fetched.content_type = response->headers.get("Content-Type");
        fetched.last_modified = response->headers.get("Last-Modified");
        fetched.body = std::make_unique<Kept>(std::move(client), response.take());
        return fetched;
    }
    return Error(Errc::Unavailable, fmt::format("{}: too many redirections", url));
}

}  // namespace pila::build

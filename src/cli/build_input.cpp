// SPDX-License-Identifier: Apache-2.0
#include "cli/build_input.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <fmt/core.h>

#include "base/path_patterns.h"
#include "base/random.h"
#include "cli/file_transfer.h"
#include "cli/tar.h"
#include "os/file.h"

namespace pila::cli {

namespace {

constexpr std::size_t max_text = 4U << 20;

// Bytes that were read already, then the rest.
class Joined final : public http::BodyReader {
public:
    Joined(std::string first, std::unique_ptr<http::BodyReader> rest)
        : first_(std::move(first)), rest_(std::move(rest)) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        if (at_ == first_.size()) return rest_ ? rest_->read(buffer, size) : Result<std::size_t>(std::size_t{0});
        auto part = std::min(size, first_.size() - at_);
        std::memcpy(buffer, first_.data() + at_, part);
        at_ += part;
        return part;
    }

private:
    std::string first_;
    std::unique_ptr<http::BodyReader> rest_;
    std::size_t at_ = 0;
};

std::string archived(const std::string& name, const std::string& content) {
    TarEntry entry;
    entry.name = name;
    entry.mode = 0600;
    entry.size = content.size();
    return tar_header(entry) + content + std::string(tar_padding(content.size()), '\0');
}

bool looks_like_archive(std::string_view first) {
    using namespace std::string_view_literals;
    for (auto magic : {"\x1f\x8b"sv, "BZh"sv, "\xfd\x37zXZ\0"sv, "\x28\xb5\x2f\xfd"sv})
        if (first.starts_with(magic)) return true;
    return first.size() >= 263 && first.substr(257, 5) == "ustar";
}

Result<std::string> real_path(const std::string& path, std::string_view what) {
    char resolved[PATH_MAX];
    if (!::realpath(path.c_str(), resolved)) return Error::from_errno(errno, fmt::format("{} {}", what, path));
    return std::string(resolved);
}

Result<BuildInput> from_standard_input(const std::string& dockerfile) {
    if (dockerfile == "-")
        return Error(Errc::Invalid, "invalid argument: can't use stdin for both build context and dockerfile");
    std::string first(512, '\0');
    std::size_t filled = 0;
    while (filled < first.size()) {
        auto got = TRY(os::read_some(FdView(STDIN_FILENO), first.data() + filled, first.size() - filled));
        if (got == 0) break;
        filled += got;
    }
    first.resize(filled);
    if (looks_like_archive(first))
        return BuildInput{std::make_unique<Joined>(first, std::make_unique<FileBody>(FdView(STDIN_FILENO))), dockerfile,
                          ""};
    if (!dockerfile.empty())
        return Error(Errc::Invalid, "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles");
    auto text = first + TRY(os::read_all(FdView(STDIN_FILENO), max_text).in("reading the Dockerfile"));
    return BuildInput{std::make_unique<Joined>(archived("Dockerfile", text) + std::string(1024, '\0'), nullptr), "",
                      ""};
}

struct Ignored {
    IgnorePatterns patterns;
    std::vector<std::string> always;  // sent whatever they say
};

Result<IgnorePatterns> read_ignored(const std::string& directory, const std::string& dockerfile) {
    for (const auto& name : {dockerfile + ".dockerignore", directory + "/.dockerignore"}) {
        auto text = os::read_file(name, max_text);
        if (!text && text.error().code() == Errc::NotFound) continue;
        auto content = TRY(std::move(text));
        return IgnorePatterns::parse(content).in("error reading .dockerignore");
    }
    return IgnorePatterns();
}

Result<BuildInput> from_directory(const std::string& context, const std::string& dockerfile) {
    auto directory = TRY(real_path(context, "unable to prepare context: path"));
    struct stat info {};
    if (::stat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
        return Error(Errc::Invalid, fmt::format("unable to prepare context: context must be a directory: {}", context));
    std::string text, name = "Dockerfile";
    bool outside = false;
    auto path = dockerfile.empty() ? directory + "/Dockerfile" : dockerfile;
    if (dockerfile.empty() && !os::exists(path) && os::exists(directory + "/dockerfile")) {
        path = directory + "/dockerfile";
        name = "dockerfile";
    }
    if (dockerfile == "-") {
        text = TRY(os::read_all(FdView(STDIN_FILENO), max_text).in("reading the Dockerfile"));
        outside = true;
    } else {
        auto real = real_path(path, "unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat");
        if (!real) return real.take_error();
        outside = !real->starts_with(directory + "/");
        if (outside)
            text = TRY(os::read_file(*real, max_text).in("unable to prepare context"));
        else if (!dockerfile.empty())
            name = real->substr(directory.size() + 1);
    }
    if (outside) name = fmt::format(".dockerfile.{}", random_hex(20));
    auto ignored = std::make_shared<Ignored>();
    ignored->patterns = TRY(read_ignored(directory, path));
    if (!outside) ignored->always = {name, ".dockerignore"};
    auto skip = [ignored](const std::string& entry, bool is_directory) {
        const auto& always = ignored->always;
        if (std::find(always.begin(), always.end(), entry) != always.end()) return TarSource::Skip::No;
        if (!ignored->patterns.ignores(entry)) return TarSource::Skip::No;
        bool leads_somewhere =
            is_directory &&
            (ignored->patterns.has_exceptions() ||
             std::any_of(always.begin(), always.end(), [&](const auto& one) { return one.starts_with(entry + "/"); }));
        return leads_somewhere ? TarSource::Skip::EntryOnly : TarSource::Skip::Yes;
    };
    auto tree = TRY(TarSource::create(directory, "", {.skip = skip, .owned_by_root = true}));
    if (!outside) return BuildInput{std::move(tree), name, ""};
    return BuildInput{std::make_unique<Joined>(archived(name, text), std::move(tree)), name, ""};
}

}  // namespace

Result<BuildInput> open_build_input(const std::string& context, const std::string& dockerfile) {
    if (context == "-") return from_standard_input(dockerfile);
    if (context.starts_with("http://") || context.starts_with("https://") || context.starts_with("git@") ||
        context.starts_with("git://") || context.starts_with("github.com/"))
        return BuildInput{nullptr, dockerfile, context};
    return from_directory(context, dockerfile);
}

}  // namespace pila::cli

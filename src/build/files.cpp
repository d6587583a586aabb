// SPDX-License-Identifier: Apache-2.0
#include "build/files.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>

#include <fmt/core.h>

#include "base/text.h"
#include "image/overlay_form.h"
#include "os/file.h"

namespace pila::build {

namespace {

constexpr int max_depth = 1024;

Result<Fd> reopen_directory(FdView object) {
    return os::open(fmt::format("/proc/self/fd/{}", object.get()), O_RDONLY | O_DIRECTORY);
}

Error not_there(const std::string& path) {
    return Error(
        Errc::NotFound,
        fmt::format("file not found in build context or excluded by .dockerignore: stat {}: file does not exist",
                    path));
}

Result<Source> open_source(FdView root, const std::string& path) {
    Source source{.path = path, .base = {}, .object = {}};
    auto opened = os::open_in_root(root, path, O_PATH);
    if (!opened && (opened.error().os_errno() == ENOENT || opened.error().os_errno() == ENOTDIR))
        return not_there(path);
    source.object = TRY(std::move(opened));
    source.info = TRY(os::stat_of(source.object));
    return source;
}

// Of a walk along the parts of a pattern.
struct Finder {
    FdView root;
    std::vector<std::string_view> parts;
    std::vector<std::string> found;

    Result<void> descend(const std::string& path, std::size_t part) {
        if (part == parts.size()) {
            found.push_back(path);
            return {};
        }
        auto below = [&](std::string_view name) {
            return path == "." ? std::string(name) : fmt::format("{}/{}", path, name);
        };
        if (!has_wildcards(parts[part]) && parts[part].find('\\') == std::string_view::npos) {
            auto next = below(parts[part]);
            if (os::open_in_root(root, next, O_PATH | O_NOFOLLOW)) TRY(descend(next, part + 1));
            return {};
        }
        auto pattern = TRY(PathPattern::compile(parts[part], PathPattern::DoubleStar::No));
        auto directory = os::open_in_root(root, path, O_RDONLY | O_DIRECTORY);
        if (!directory) return {};
        for (const auto& name : TRY(os::list_directory(fmt::format("/proc/self/fd/{}", directory->get()))))
            if (pattern.matches(name)) TRY(descend(below(name), part + 1));
        return {};
    }
};

}  // namespace

Result<std::vector<Source>> find_sources(FdView root, const std::string& pattern) {
    std::vector<Source> sources;
    auto clean = clean_path_text("/" + pattern);
    std::string relative = clean == "/" ? "." : clean.substr(1);
    if (!has_wildcards(relative)) {
        sources.push_back(TRY(open_source(root, relative)));
        return sources;
    }
    Finder finder{root, split(relative, '/'), {}};
    TRY(finder.descend(".", 0));
    std::sort(finder.found.begin(), finder.found.end());
    for (const auto& path : finder.found) {
        auto source = open_source(root, path);
        if (source) sources.push_back(source.take());  // a link that leads nowhere
    }
    return sources;
}

namespace {

class Digester {
public:
    Digester(const Context& context, const IgnorePatterns& excluded, image::Hasher& hasher)
        : context_(context), excluded_(excluded), hasher_(hasher) {}

    Result<void> object(FdView parent, const std::string& name, const std::string& relative, int depth) {
        if (depth > max_depth) return Error(Errc::Exhausted, "directories nested too deep");
        TRY(context_.check());
        struct stat info {};
        if (::fstatat(parent.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
            return Error::from_errno(errno, "stat " + relative);
        TRY(describe(relative, info));
        if (S_ISLNK(info.st_mode)) {
            std::string target(static_cast<std::size_t>(info.st_size) + 1, '\0');
            auto length = ::readlinkat(parent.get(), name.c_str(), target.data(), target.size());
            if (length < 0) return Error::from_errno(errno, "read link " + relative);
            text(std::string_view(target).substr(0, static_cast<std::size_t>(length)));
            return {};
        }
        if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) return {};
        auto opened = TRY(os::open_at(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        return S_ISDIR(info.st_mode) ? children(opened, relative, depth) : content(opened, relative);
    }

    Result<void> children(FdView directory, const std::string& path, int depth) {
        TRY(attributes(directory, path));
        for (const auto& name : TRY(os::list_directory(fmt::format("/proc/self/fd/{}", directory.get())))) {
            auto relative = path.empty() ? name : path + "/" + name;
            if (excluded_.ignores(relative) && !excluded_.has_exceptions()) continue;
            TRY(object(directory, name, relative, depth + 1));
        }
        return {};
    }

    Result<void> content(FdView file, const std::string& path) {
        TRY(attributes(file, path));
        for (;;) {
            auto got = TRY(os::read_some(file, buffer_.get(), buffer_bytes).in("read " + path));
            if (got == 0) return {};
            hasher_.update({buffer_.get(), got});
        }
    }

    Result<void> describe(const std::string& relative, const struct stat& info) {
        text(relative);
        bool link = S_ISLNK(info.st_mode), file = S_ISREG(info.st_mode);
        text(fmt::format("{:o} {} {} {} {}", link ? S_IFLNK : info.st_mode, info.st_uid, info.st_gid,
                         file ? info.st_size : 0, S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode) ? info.st_rdev : 0));
        return {};
    }

private:
    void text(std::string_view part) {
        hasher_.update(fmt::format("{}:", part.size()));
        hasher_.update(part);
    }
    Result<void> attributes(FdView file, const std::string& path) {
        for (const auto& [name, value] : TRY(image::xattrs_of(file).in("attributes of " + path))) {
            text(name);
            text(value);
        }
        return {};
    }

    // One for all files: contexts have many small ones, and fresh memory for each costs more than reading it.
    static constexpr std::size_t buffer_bytes = 64U << 10;
    const std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(buffer_bytes);
    const Context& context_;
    const IgnorePatterns& excluded_;
    image::Hasher& hasher_;
};

}  // namespace

Result<void> digest_source(const Context& context, const Source& source, const IgnorePatterns& excluded,
                           image::Hasher& hasher) {
    Digester digester(context, excluded, hasher);
    auto name = source.path.substr(source.path.rfind('/') + 1);
    if (S_ISDIR(source.info.st_mode)) {
        TRY(digester.describe("", source.info));
        auto directory = TRY(reopen_directory(source.object));
        return digester.children(directory, "", 0);
    }
    TRY(digester.describe(name, source.info));
    if (!S_ISREG(source.info.st_mode)) return {};
    auto file = TRY(os::open(fmt::format("/proc/self/fd/{}", source.object.get()), O_RDONLY));
    return digester.content(file, name);
}

Result<ModeChange> ModeChange::parse(std::string_view text) {
    auto wrong = [&] { return Error(Errc::Invalid, fmt::format("invalid chmod parameter: '{}'", printable(text))); };
    ModeChange change;
    if (auto octal = parse_uint(text, 8)) {
        if (*octal > 07777) return wrong();
        change.absolute_ = static_cast<mode_t>(*octal);
        return change;
    }
    for (auto part : split(text, ',')) {
        Clause clause;
        std::size_t at = 0;
        for (; at < part.size() && std::string_view("ugoa").find(part[at]) != std::string_view::npos; ++at)
            clause.who |= part[at] == 'u' ? 04700 : part[at] == 'g' ? 02070 : part[at] == 'o' ? 01007 : 07777;
        if (clause.who == 0) clause.who = 07777;
        if (at == part.size() || std::string_view("+-=").find(part[at]) == std::string_view::npos) return wrong();
        clause.operation = part[at++];
        for (; at < part.size(); ++at) switch (part[at]) {
                case 'r': clause.bits |= 0444; break;
                case 'w': clause.bits |= 0222; break;
                case 'x': clause.bits |= 0111; break;
                case 'X': clause.conditional_execute = true; break;
                case 's': clause.bits |= 06000; break;
                case 't': clause.bits |= 01000; break;
                default: return wrong();
            }
        change.clauses_.push_back(clause);
    }
    return change;
}

mode_t ModeChange::apply(mode_t mode, bool directory) const {
    mode &= 07777;
    if (absolute_) return *absolute_;
    for (const auto& clause : clauses_) {
        auto bits = clause.bits;
        if (clause.conditional_execute && (directory || (mode & 0111) != 0)) bits |= 0111;
        bits &= clause.who;
        if (clause.operation == '+') mode |= bits;
        if (clause.operation == '-') mode &= ~bits;
        if (clause.operation == '=') mode = (mode & ~(clause.who & 0777)) | bits;
    }
    return mode;
}

}  // namespace pila::build

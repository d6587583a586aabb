// SPDX-License-Identifier: Apache-2.0
// COPY and ADD.
#include <fcntl.h>
#include <ctime>

#include <fmt/core.h>

#include "base/random.h"
#include "base/text.h"
#include "build/stage_run.h"
#include "engine/users.h"
#include "image/layer_extractor.h"
#include "os/file.h"

namespace pila::build {

using image::Instruction;

class CopyStep {
public:
    CopyStep(StageRun& stage, const Instruction& instruction) : stage_(stage), instruction_(instruction) {}
    Result<void> run();

private:
    struct Download {
        std::string name, path;  // where it is now
        std::optional<timespec> modified;
        image::Digest digest;
    };

    Job& job() { return stage_.job_; }
    bool is_add() const { return instruction_.upper == "ADD"; }
    Error failed(Error error) const { return std::move(error).in(instruction_.upper + " failed"); }
    Result<void> read_arguments();
    Result<void> open_tree();
    Result<void> collect();
    Result<void> collect_one(const std::string& pattern);
    Result<void> download(const std::string& url);
    Result<std::string> describe();
    Result<CopyOptions> copy_options(FdView root);
    Result<void> fill(FdView root, const CopyOptions& options);
    Result<bool> unpack(FdView root, const std::string& path, const CopyOptions& options);
    bool is_set(std::string_view flag, bool otherwise = false) const;
    bool into_directory(const Copier& copier) const;

    StageRun& stage_;
    const Instruction& instruction_;
    std::vector<std::string> patterns_;
    std::string shown_destination_, destination_;  // the latter absolute and clean
    bool to_directory_ = false;                    // it ended with a slash
    SourceTree tree_;
    FdView root_{-1};
    IgnorePatterns excluded_;
    std::vector<Source> sources_;
    std::vector<Download> downloads_;
    std::vector<image::Heredoc> texts_;
};

static std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Result<void> CopyStep::read_arguments() {
    auto values = stage_.variables();
    auto escape = job().recipe().escape;
    auto list = TRY(image::parse_json_list(instruction_.rest));
    std::vector<std::string> words = list ? std::move(*list) : image::parse_words(instruction_.rest, escape);
    for (auto& word : words) {
        auto heredoc = std::find_if(instruction_.heredocs.begin(), instruction_.heredocs.end(), [&](const auto& one) {
            return word.ends_with(one.name) && word.starts_with("<<") && !list;
        });
        bool quoted =
            !list && word.starts_with("<<") && heredoc == instruction_.heredocs.end() && !instruction_.heredocs.empty();
        if (heredoc != instruction_.heredocs.end() || quoted) continue;
        auto expanded = TRY(image::expand_word(word, values, escape));
        patterns_.push_back(std::move(expanded));
    }
    for (auto heredoc : instruction_.heredocs) {
        heredoc.content = heredoc.text();
        if (heredoc.expand) heredoc.content = TRY(image::expand_text(heredoc.content, values, escape));
        texts_.push_back(std::move(heredoc));
    }
    if (patterns_.empty()) return Error(Errc::Invalid, "destination could not be determined");
    shown_destination_ = std::move(patterns_.back());
    patterns_.pop_back();
    to_directory_ =
        shown_destination_.ends_with('/') || shown_destination_ == "." || shown_destination_.ends_with("/.");
    destination_ = shown_destination_.starts_with('/')
                       ? image::joined_path("/", shown_destination_)
                       : image::joined_path(stage_.config_.working_directory, shown_destination_);
    std::vector<std::string> excludes;
    for (const auto& [name, value] : instruction_.flags)
        if (name == "exclude" && value) excludes.push_back(TRY(image::expand_word(*value, values, escape)));
    excluded_ = TRY(IgnorePatterns::compile(excludes));
    return {};
}

Result<void> CopyStep::open_tree() {
    root_ = job().files().root();
    const auto* from = instruction_.flag("from");
    if (!from) return {};
    image::Variables globals = [this](std::string_view name) { return job().arguments().global(name); };
    auto name = TRY(image::expand_word(*from, globals, job().recipe().escape));
    tree_ = TRY(stage_.tree_from(name));
    root_ = tree_.root;
    return {};
}

Result<void> CopyStep::collect_one(const std::string& pattern) {
    if (is_add() && is_git(pattern)) return no_git(pattern);
    if (is_add() && is_url(pattern)) return download(pattern);
    if (is_url(pattern)) return Error(Errc::Invalid, fmt::format("source can't be a URL for {}", instruction_.upper));
    // A leading slash is the context's root; leading out of it is refused, not cut off.
    auto clean = clean_path_text(pattern.starts_with('/') ? pattern.substr(1) : pattern);
    if (!instruction_.has_flag("from") && (clean == ".." || clean.starts_with("../")))
        return Error(Errc::Invalid, fmt::format("forbidden path outside the build context: {} ()", pattern));
    auto found = TRY(find_sources(root_, pattern));
    bool keep_parents = is_set("parents");
    auto pivot = pattern.find("/./");
    for (auto& source : found) {
        if (keep_parents && pivot != std::string::npos)
            source.base = clean_path_text("/" + pattern.substr(0, pivot)).substr(1);
        if (!excluded_.empty() && !S_ISDIR(source.info.st_mode) &&
            (excluded_.ignores(source.path) || excluded_.ignores(base_name(source.path))))
            continue;
        sources_.push_back(std::move(source));
    }
    return {};
}

Result<void> CopyStep::download(const std::string& url) {
    auto fetched = TRY(fetch_url(job().context(), url));
    Download made;
    made.name = fetched.file_name;
    if (made.name.empty() && to_directory_)
        return Error(Errc::Invalid, fmt::format("cannot determine filename for source {}", url));
    made.path = fmt::format("{}/download-{}", job().files().work().path(), random_hex(8));
    auto file = TRY(os::open(made.path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    image::Hasher hasher;
    image::DiskBudget budget(file);
    std::string buffer(256U << 10, '\0');
    for (;;) {
        auto got = TRY(fetched.body->reader().read(buffer.data(), buffer.size()).in("download " + url));
        if (got == 0) break;
        TRY(budget.take(got));
        hasher.update(std::string_view(buffer).substr(0, got));
        TRY(os::write_all(file, std::string_view(buffer).substr(0, got)));
    }
    made.digest = hasher.finish();
    if (const auto* wanted = instruction_.flag("checksum"); wanted && *wanted != made.digest.text())
        return Error(Errc::Invalid,
                     fmt::format("digest mismatch of {}: {} instead of {}", url, made.digest.text(), *wanted));
    tm parsed{};
    if (::strptime(fetched.last_modified.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parsed))
        made.modified = timespec{::timegm(&parsed), 0};
    downloads_.push_back(std::move(made));
    return {};
}

Result<void> CopyStep::collect() {
    for (const auto& pattern : patterns_) TRY(collect_one(pattern));
    auto count = sources_.size() + downloads_.size() + texts_.size();
    if (count == 0) return Error(Errc::Invalid, "no source files were specified");
    return {};
}

// "file:HEX", "dir:HEX", "multi:HEX", as dockerd's history has it.
Result<std::string> CopyStep::describe() {
    std::vector<std::string> each;
    for (const auto& source : sources_) {
        image::Hasher hasher;
        TRY(digest_source(job().context(), source, excluded_, hasher));
        auto digest = hasher.finish();
        each.push_back(fmt::format("{}:{}", S_ISDIR(source.info.st_mode) ? "dir" : "file", digest.hex()));
    }
    for (const auto& file : downloads_)
        each.push_back(fmt::format("file:{}", image::Digest::of(file.name + "\n" + file.digest.text()).hex()));
    for (const auto& text : texts_)
        each.push_back(fmt::format("file:{}", image::Digest::of(text.name + "\n" + text.content).hex()));
    if (each.size() == 1) return each[0];
    return fmt::format("multi:{}", image::Digest::of(join(each, ",")).hex());
}

static Error no_owner(const std::string& user) {
    return Error(Errc::Invalid,
                 fmt::format("unable to convert uid/gid chown string to host mapping: can't find uid for user {0}: no "
                             "such user: {0}",
                             user));
}

Result<CopyOptions> CopyStep::copy_options(FdView root) {
    CopyOptions options;
    options.excluded = excluded_.empty() ? nullptr : &excluded_;
    auto values = stage_.variables();
    if (const auto* given = instruction_.flag("chmod")) {
        auto mode = TRY(image::expand_word(*given, values, job().recipe().escape));
        options.mode = TRY(ModeChange::parse(mode));
    }
    const auto* text = instruction_.flag("chown");
    if (!text || text->empty()) return options;
    auto owner = TRY(image::expand_word(*text, values, job().recipe().escape));
    auto colon = owner.find(':');
    auto user = owner.substr(0, colon);
    // Without a group, the one that is called like the user.
    auto group = colon == std::string::npos ? user : owner.substr(colon + 1);
    SourceTree image;
    if (is_set("link")) image = TRY(stage_.tree_of(stage_.image_));  // `root` knows nobody then
    if (image.root) root = image.root;
    auto found = engine::resolve_user_in(root, user + ":" + group, {});
    if (!found && colon == std::string::npos) found = engine::resolve_user_in(root, user, {});
    if (!found) return no_owner(user);
    options.owner = {found->uid, found->gid};
    return options;
}

bool CopyStep::into_directory(const Copier& copier) const { return to_directory_ || copier.is_directory(destination_); }

bool CopyStep::is_set(std::string_view flag, bool otherwise) const {
    const auto* value = instruction_.flag(flag);
    return instruction_.has_flag(flag) ? !value || *value == "true" : otherwise;
}

// Entries of an archive have owners of their own.
Result<bool> CopyStep::unpack(FdView root, const std::string& path, const CopyOptions& options) {
    auto own = options;
    own.keep_owner = !instruction_.has_flag("chown");
    auto file = TRY(os::open(path, O_RDONLY));
    return Copier(job().context(), root, std::move(own)).unpack(file, destination_);
}

Result<void> CopyStep::fill(FdView root, const CopyOptions& options) {
    bool parents = is_set("parents");
    auto below = [&](const std::string& name) { return destination_ == "/" ? "/" + name : destination_ + "/" + name; };
    Copier copier(job().context(), root, options);
    for (const auto& source : sources_) {
        bool directory = S_ISDIR(source.info.st_mode);
        auto target = destination_;
        if (parents) {
            auto kept = source.base.empty() ? source.path : source.path.substr(source.base.size() + 1);
            target = kept == "." ? destination_ : below(kept);
        } else if (!directory && into_directory(copier)) {
            target = below(base_name(source.path));
        }
        if (is_add() && S_ISREG(source.info.st_mode) && is_set("unpack", true)) {
            bool unpacked = TRY(unpack(root, fmt::format("/proc/self/fd/{}", source.object.get()), options));
            if (unpacked) continue;
        }
        TRY(copier.copy(source, target));
    }
    for (const auto& download : downloads_) {
        auto target = into_directory(copier) ? below(download.name) : destination_;
        if (is_set("unpack")) {
            bool unpacked = TRY(unpack(root, download.path, options));
            if (unpacked) continue;
        }
        auto object = TRY(os::open(download.path, O_PATH));
        Source source{.path = download.name, .base = {}, .object = std::move(object)};
        source.info = TRY(os::stat_of(source.object));
        if (download.modified) source.info.st_mtim = *download.modified;
        TRY(copier.copy(source, target));
    }
    for (const auto& text : texts_) {
        auto target = into_directory(copier) ? below(text.name) : destination_;
        TRY(copier.write_file(target, text.content, 0644, std::nullopt));
    }
    return {};
}

Result<void> CopyStep::run() {
    TRY(read_arguments());
    TRY(open_tree());
    auto collected = collect();
    if (!collected) return failed(collected.take_error());
    if (sources_.size() + downloads_.size() + texts_.size() > 1 && !to_directory_)
        return Error(Errc::Invalid, fmt::format("When using {} with more than one source file, the destination must be "
                                                "a directory and end with a /",
                                                instruction_.upper));
    auto what = TRY(describe());
    auto created_by =
        stage_.shell_comment(fmt::format("{} {} in {} ", instruction_.upper, what, shown_destination_), " ");
    std::vector<std::string> parts{created_by};
    for (const auto& [name, value] : instruction_.flags)
        if (name != "from") parts.push_back(fmt::format("{}={}", name, value.value_or("")));
    for (const auto& source : sources_) parts.push_back(source.path);
    if (const auto* owner = instruction_.flag("chown"))
        parts.push_back(TRY(image::expand_word(*owner, stage_.variables(), job().recipe().escape)));
    if (const auto* mode = instruction_.flag("chmod"))
        parts.push_back(TRY(image::expand_word(*mode, stage_.variables(), job().recipe().escape)));
    auto key = stage_.key_of("copy", parts);
    if (stage_.use_cache(key, created_by, stage_.config_)) return {};
    auto workspace = TRY(StageRun::Workspace::create(stage_, is_set("link")));
    auto options = TRY(copy_options(workspace.root()));
    auto filled = fill(workspace.root(), options);
    if (!filled) return failed(filled.take_error());
    auto changes = TRY(workspace.take_changes());
    return stage_.commit(key, {created_by, stage_.config_, changes, instruction_.original});
}

Result<void> StageRun::copy_files(const Instruction& instruction) { return CopyStep(*this, instruction).run(); }

}  // namespace pila::build

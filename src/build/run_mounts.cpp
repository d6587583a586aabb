// SPDX-License-Identifier: Apache-2.0
#include "build/run_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/random.h"
#include "base/text.h"
#include "os/file.h"

namespace pila::build {

Result<SourceTree> RunMounts::tree_of(const RunMount& mount) {
    if (!mount.from.empty()) return stage_->tree_from(mount.from);
    SourceTree context;
    auto& files = stage_->job_.files();
    context.root = TRY(os::open(files.directory(), O_RDONLY | O_DIRECTORY));
    return context;
}

Result<RunMounts> RunMounts::read(StageRun& stage, const image::Instruction& instruction) {
    RunMounts made(stage);
    for (const auto& [name, value] : instruction.flags) {
        if (name != "mount" || !value) continue;
        auto text = TRY(image::expand_word(*value, stage.variables(), stage.job_.recipe().escape));
        auto mount = TRY(parse_mount(text).in("--mount"));
        if (!mount.target.empty())
            mount.target = image::joined_path(
                mount.target.starts_with('/') ? std::string("/") : stage.config_.working_directory, mount.target);
        made.key_parts_.push_back("mount=" + text);
        if (mount.type == RunMount::Type::Bind) {
            auto tree = TRY(made.tree_of(mount));
            auto source = TRY(find_sources(tree.root, mount.source.empty() ? "/" : mount.source));
            if (source.size() != 1)
                return Error(Errc::NotFound, fmt::format("--mount: {} is not one file or directory", mount.source));
            image::Hasher hasher;
            TRY(digest_source(stage.job_.context(), source[0], {}, hasher));
            made.key_parts_.push_back(hasher.finish().text());
        }
        made.mounts_.push_back(std::move(mount));
    }
    return made;
}

Result<std::string> RunMounts::copy_of(const RunMount& mount) {
    auto path = fmt::format("{}/mount-{}", stage_->job_.files().work().path(), random_hex(8));
    TRY(os::make_directory(path, 0755));
    auto root = TRY(os::open(path, O_RDONLY | O_DIRECTORY));
    auto tree = TRY(tree_of(mount));
    auto sources = TRY(find_sources(tree.root, mount.source.empty() ? "/" : mount.source));
    CopyOptions options;
    options.keep_owner = true;
    Copier copier(stage_->job_.context(), root, options);
    TRY(copier.copy(sources.at(0), "/content"));
    return path + "/content";
}

Result<void> RunMounts::prepare_bind(const RunMount& mount) {
    if (!mount.read_only) {
        auto copy = TRY(copy_of(mount));
        prepared_.push_back({"bind", std::move(copy), mount.target, "", false, 0, {}});
        return {};
    }
    auto clean = image::joined_path("/", mount.source);
    if (mount.from.empty()) {
        // By what the path leads to: a link in the context may not lead out of it.
        auto object = TRY(os::open_in_root(stage_->job_.files().root(), clean, O_PATH));
        char real[4096];
        auto length = ::readlink(fmt::format("/proc/self/fd/{}", object.get()).c_str(), real, sizeof real);
        if (length < 0 || length == sizeof real) return Error::from_errno(errno, "find " + mount.source);
        prepared_.push_back(
            {"bind", std::string(real, static_cast<std::size_t>(length)), mount.target, "", true, 0, {}});
        return {};
    }
    image::ImagePointer image;
    auto& job = stage_->job_;
    if (auto other = job.recipe().find(mount.from, stage_->index_))
        image = TRY(job.stage(*other)).image;
    else
        image = TRY(job.find_image(stage_->index_, mount.from, job.request().platform, false));
    if (!image) return Error(Errc::NotFound, fmt::format("--mount: stage {} is empty", mount.from));
    held_.push_back(job.engine().parts().images.pin(image));
    prepared_.push_back({"image", image->id.text(), mount.target, clean.substr(1), true, 0, {}});
    return {};
}

Result<void> RunMounts::prepare_cache(const RunMount& mount) {
    auto& job = stage_->job_;
    auto sharing = mount.sharing == "locked"    ? Builder::Sharing::Locked
                   : mount.sharing == "private" ? Builder::Sharing::Private
                                                : Builder::Sharing::Shared;
    auto directory = TRY(job.builder().cache_directory(job.context(), mount.id, sharing));
    held_.push_back(directory.held);
    if (directory.fresh) {
        if (!mount.from.empty()) {
            auto root = TRY(os::open(directory.path, O_RDONLY | O_DIRECTORY));
            auto tree = TRY(tree_of(mount));
            auto sources = TRY(find_sources(tree.root, mount.source.empty() ? "/" : mount.source));
            CopyOptions options;
            options.keep_owner = true;
            for (const auto& source : sources) TRY(Copier(job.context(), root, options).copy(source, "/"));
        }
        if (::chown(directory.path.c_str(), mount.uid, mount.gid) < 0 ||
            ::chmod(directory.path.c_str(), mount.mode.value_or(0755)) < 0)
            return Error::from_errno(errno, "make the cache for " + mount.target);
    }
    auto source = directory.path;
    if (mount.from.empty() && !mount.source.empty()) source += image::joined_path("/", mount.source);
    prepared_.push_back({"bind", source, mount.target, "", mount.read_only, 0, {}});
    return {};
}

Result<void> RunMounts::prepare_secret(const RunMount& mount) {
    auto& job = stage_->job_;
    auto secret = job.request().secrets.find(mount.id);
    if (secret == job.request().secrets.end()) {
        if (!mount.required) return {};
        return Error(Errc::NotFound, fmt::format("secret {}: not found", mount.id));
    }
    if (!mount.variable.empty()) environment_.push_back(mount.variable + "=" + secret->second);
    if (mount.target.empty()) return {};
    auto path = fmt::format("{}/{}", job.secrets_directory(), random_hex(16));
    auto file = TRY(os::open(path, O_WRONLY | O_CREAT | O_EXCL, 0400));
    TRY(os::write_all(file, secret->second));
    if (::fchown(file.get(), mount.uid, mount.gid) < 0 || ::fchmod(file.get(), mount.mode.value_or(0400)) < 0)
        return Error::from_errno(errno, "make secret " + mount.id);
    prepared_.push_back({"bind", path, mount.target, "", true, 0, {}});
    return {};
}

Result<void> RunMounts::prepare(const std::string& script_name, const std::string& script) {
    for (const auto& mount : mounts_) {
        switch (mount.type) {
            case RunMount::Type::Bind: TRY(prepare_bind(mount)); break;
            case RunMount::Type::Cache: TRY(prepare_cache(mount)); break;
            case RunMount::Type::Secret: TRY(prepare_secret(mount)); break;
            case RunMount::Type::Tmpfs:
                prepared_.push_back({"tmpfs", "", mount.target, "", mount.read_only, mount.size, mount.mode});
        }
    }
    TRY(note_stubs());
    if (script.empty()) return {};
    auto path = fmt::format("{}/script-{}", stage_->job_.files().work().path(), random_hex(8));
    auto file = TRY(os::open(path, O_WRONLY | O_CREAT | O_EXCL, 0755));
    TRY(os::write_all(file, script));
    if (::fchmod(file.get(), 0755) < 0) return Error::from_errno(errno, "chmod " + path);
    prepared_.push_back({"bind", path, "/dev/pipes/" + script_name, "", true, 0, {}});
    return {};
}

boost::json::array RunMounts::container_mounts() const {
    json::array list;
    for (const auto& mount : prepared_) {
        json::object one{{"Type", mount.type}, {"Target", mount.target}, {"ReadOnly", mount.read_only}};
        if (!mount.source.empty()) one["Source"] = mount.source;
        if (mount.type == "image" && !mount.subpath.empty()) one["ImageOptions"] = {{"Subpath", mount.subpath}};
        if (mount.type == "tmpfs" && (mount.size > 0 || mount.mode))
            one["TmpfsOptions"] = {{"SizeBytes", mount.size}, {"Mode", mount.mode.value_or(01777)}};
        list.push_back(std::move(one));
    }
    return list;
}

Result<void> RunMounts::note_stubs() {
    if (prepared_.empty()) return {};
    auto tree = TRY(stage_->tree_of(stage_->image_));
    for (const auto& mount : prepared_) {
        std::vector<std::string> missing;
        std::string path;
        for (auto part : split(std::string_view(mount.target).substr(1), '/')) {
            (path += '/') += part;
            if (!os::open_in_root(tree.root, path, O_PATH)) missing.push_back(path);
        }
        stubs_.push_back(std::move(missing));
    }
    return {};
}

void RunMounts::remove_stubs(const std::string& changes) const {
    auto root = os::open(changes, O_RDONLY | O_DIRECTORY);
    if (!root) return;
    for (const auto& missing : stubs_) {
        for (auto path = missing.rbegin(); path != missing.rend(); ++path) {
            auto slash = path->rfind('/');
            auto parent = os::open_in_root(*root, slash == 0 ? "/" : path->substr(0, slash), O_PATH | O_DIRECTORY);
            if (!parent) break;
            auto name = path->substr(slash + 1);
            struct stat info {};
            if (::fstatat(parent->get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) break;
            if (S_ISREG(info.st_mode) && info.st_size > 0) break;
            if (::unlinkat(parent->get(), name.c_str(), S_ISDIR(info.st_mode) ? AT_REMOVEDIR : 0) < 0) break;
        }
    }
}

}  // namespace pila::build

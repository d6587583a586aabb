// SPDX-License-Identifier: Apache-2.0
#include "registry/repositories.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"
#include "registry/names.h"

namespace pila::registry {

using image::Digest;

namespace {

// What is not there has nothing in it; what cannot be read is an error, which the collector must not take for absence.
Result<std::vector<std::string>> list(const std::string& path) {
    auto names = os::list_directory(path);
    if (!names && names.error().code() == Errc::NotFound) return std::vector<std::string>();
    return names;
}

// ALGORITHM/HEX below a directory.
Result<std::vector<Digest>> digests_in(const std::string& path) {
    std::vector<Digest> found;
    for (const auto& algorithm : TRY(list(path)))
        for (const auto& hex : TRY(list(path + "/" + algorithm)))
            if (auto digest = Digest::parse(algorithm + ":" + hex)) found.push_back(digest.take());
    return found;
}

Result<void> find_names(const std::string& path, const std::string& name, std::vector<std::string>& found) {
    bool repository = false;
    for (const auto& entry : TRY(list(path))) {
        if (entry.starts_with('_'))
            repository = true;
        else
            TRY(find_names(path + "/" + entry, name.empty() ? entry : name + "/" + entry, found));
    }
    if (repository) found.push_back(name);
    return {};
}

// A file of somebody else, which a power cut may have left with the right name and size only.
Result<void> check_content(const std::string& path, const Digest& digest) {
    auto file = TRY(os::open(path, O_RDONLY));
    constexpr std::size_t piece = 256U << 10;
    auto buffer = std::make_unique_for_overwrite<char[]>(piece);
    image::Hasher hasher(digest.algorithm());
    while (auto got = TRY(os::read_some(file, buffer.get(), piece))) hasher.update({buffer.get(), got});
    if (hasher.finish() == digest) return {};
    return Error(Errc::Invalid, fmt::format("{} is not {}", path, digest.text()));
}

Result<void> copy_file(const std::string& from, const std::string& to) {
    auto source = TRY(os::open(from, O_RDONLY));
    auto target = TRY(os::open(to, O_WRONLY | O_CREAT | O_EXCL, 0600));
    constexpr std::size_t piece = 256U << 10;
    auto buffer = std::make_unique_for_overwrite<char[]>(piece);
    while (auto got = TRY(os::read_some(source, buffer.get(), piece))) TRY(os::write_all(target, {buffer.get(), got}));
    return {};
}

}  // namespace

Result<std::unique_ptr<Repositories>> Repositories::create(const std::string& root) {
    auto tree = TRY(DurableTree::create(root));
    auto made = std::unique_ptr<Repositories>(new Repositories(std::move(tree)));
    made->blobs_ = TRY(image::BlobStore::create(root));
    TRY(made->tree_.make_directories(root + "/blobs/sha512"));
    TRY(made->tree_.make_directories(root + "/repositories"));
    return made;
}

std::string Repositories::place(const std::string& name, std::string_view kind, const Digest& digest) const {
    return fmt::format("{}/{}/{}/{}", directory(name), kind, digest.algorithm(), digest.hex());
}

Result<std::vector<std::string>> Repositories::all_names() const {
    std::vector<std::string> found;
    TRY(find_names(tree_.root() + "/repositories", "", found));
    std::sort(found.begin(), found.end());
    return found;
}

Result<std::vector<std::string>> Repositories::names() const {
    auto found = TRY(all_names());
    std::erase_if(found, [&](const auto& name) { return !exists(name); });
    return found;
}

// Asked with every request: must not list thousands.
bool Repositories::exists(const std::string& name) const {
    for (const char* algorithm : {"sha256", "sha512"}) {
        auto path = fmt::format("{}/_manifests/{}", directory(name), algorithm);
        std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(path.c_str()), &::closedir);
        while (auto* entry = entries ? ::readdir(entries.get()) : nullptr)
            if (entry->d_name[0] != '.') return true;
    }
    return false;
}

bool Repositories::has_blob(const std::string& name, const Digest& digest) const {
    if (!blobs_->has(digest)) return false;
    // One call: is it there, and it was needed now.
    return ::utimensat(AT_FDCWD, place(name, "_layers", digest).c_str(), nullptr, 0) == 0;
}

Result<void> Repositories::add_blob(const std::string& name, const Digest& digest) {
    if (has_blob(name, digest)) return {};
    return tree_.put(place(name, "_layers", digest), "");
}

Result<void> Repositories::remove_blob(const std::string& name, const Digest& digest) {
    return tree_.remove(place(name, "_layers", digest));
}

void Repositories::touch_manifest(const std::string& name, const Digest& digest) const {
    ::utimensat(AT_FDCWD, place(name, "_manifests", digest).c_str(), nullptr, 0);
}

void Repositories::forget_blob(const std::string& name, const Digest& digest) {
    ignore(os::remove_file(place(name, "_layers", digest)), "the next collection tries again");
}

bool Repositories::has_manifest(const std::string& name, const Digest& digest) const {
    return os::exists(place(name, "_manifests", digest)) && blobs_->has(digest);
}

Result<StoredManifest> Repositories::manifest(const std::string& name, const Digest& digest) const {
    StoredManifest stored;
    stored.media_type = TRY(os::read_file(place(name, "_manifests", digest), 1024));
    stored.bytes = TRY(blobs_->read(digest, max_manifest_bytes));
    stored.digest = digest;
    return stored;
}

Result<void> Repositories::put_manifest(const std::string& name, const Document& document,
                                        const StoredManifest& manifest, const std::string& tag) {
    auto guard = changes_.lock(name);
    TRY(put_content(manifest.digest, manifest.bytes));
    if (document.subject) {
        auto path = fmt::format("{}/_referrers/{}/{}", directory(name), document.subject->hex(), manifest.digest.hex());
        TRY(tree_.put(path, describe_referrer(document, manifest.digest, manifest.bytes.size())));
    }
    TRY(tree_.put(place(name, "_manifests", manifest.digest), manifest.media_type));
    if (!tag.empty()) TRY(tree_.put(fmt::format("{}/_tags/{}", directory(name), tag), manifest.digest.text()));
    return {};
}

Result<void> Repositories::remove_manifest(const std::string& name, const Digest& digest) {
    auto guard = changes_.lock(name);
    auto stored = TRY(manifest(name, digest));
    for (const auto& one : TRY(tags(name)))
        if (auto named = tag(name, one); named && *named == digest)
            TRY(tree_.remove(fmt::format("{}/_tags/{}", directory(name), one)));
    TRY(tree_.remove(place(name, "_manifests", digest)));
    auto document = read_document(stored.bytes, stored.media_type);
    if (document && document->subject)
        ignore(
            tree_.remove(fmt::format("{}/_referrers/{}/{}", directory(name), document->subject->hex(), digest.hex())),
            "one that is left is not shown: its manifest is gone");
    return {};
}

Result<std::vector<Digest>> Repositories::manifests(const std::string& name) const {
    return digests_in(directory(name) + "/_manifests");
}

Result<Digest> Repositories::tag(const std::string& name, const std::string& tag) const {
    auto text = TRY(os::read_file(fmt::format("{}/_tags/{}", directory(name), tag), 256));
    return Digest::parse(text);
}

Result<void> Repositories::remove_tag(const std::string& name, const std::string& tag) {
    auto guard = changes_.lock(name);
    return tree_.remove(fmt::format("{}/_tags/{}", directory(name), tag));
}

Result<std::vector<std::string>> Repositories::tags(const std::string& name) const {
    return list(directory(name) + "/_tags");
}

Result<std::vector<std::string>> Repositories::referrers(const std::string& name, const Digest& subject) const {
    auto path = fmt::format("{}/_referrers/{}", directory(name), subject.hex());
    std::vector<std::string> found;
    for (const auto& hex : TRY(list(path))) {
        auto digest = Digest::parse((hex.size() == 128 ? "sha512:" : "sha256:") + hex);
        if (!digest || !has_manifest(name, *digest)) continue;
        if (auto text = os::read_file(path + "/" + hex, max_manifest_bytes)) found.push_back(text.take());
    }
    return found;
}

Result<void> Repositories::put_content(const Digest& digest, std::string_view bytes) {
    if (blobs_->has(digest)) return {};
    return tree_.put(blobs_->path(digest), bytes);
}

Result<void> Repositories::link_content(const Digest& digest, const std::string& file) {
    if (blobs_->has(digest)) return {};
    TRY(check_content(file, digest));
    auto temporary = tree_.temporary();
    auto made = [&]() -> Result<void> {
        // Another file system, or as many names as an inode may have: a copy is as good.
        if (::link(file.c_str(), temporary.c_str()) < 0) TRY(copy_file(file, temporary));
        return tree_.adopt(temporary, blobs_->path(digest));
    }();
    if (!made) ignore(os::remove_file(temporary), "may not have come to exist");
    return made;
}

Result<void> Repositories::share_content(const Digest& digest, const std::string& file) {
    struct stat own {
    }, other{};
    if (::stat(blobs_->path(digest).c_str(), &own) < 0 || ::stat(file.c_str(), &other) < 0) return {};
    if (own.st_dev != other.st_dev || own.st_ino == other.st_ino || own.st_size != other.st_size) return {};
    TRY(check_content(file, digest));
    auto temporary = tree_.temporary();
    if (::link(file.c_str(), temporary.c_str()) < 0) return {};
    return tree_.adopt(temporary, blobs_->path(digest));
}

Result<std::vector<Repositories::Use>> Repositories::uses(const std::string& name, const char* kind) const {
    std::vector<Use> found;
    for (auto& digest : TRY(digests_in(fmt::format("{}/{}", directory(name), kind)))) {
        struct stat info {};
        if (::stat(place(name, kind, digest).c_str(), &info) == 0) found.push_back({digest, info.st_mtime});
    }
    return found;
}

}  // namespace pila::registry

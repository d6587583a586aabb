// SPDX-License-Identifier: Apache-2.0
#include "image/layer_commit.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <thread>

#include <fmt/core.h>

#include "image/overlay_form.h"
#include "image/recipe.h"
#include "image/tar_writer.h"
#include "os/file.h"

namespace pila::image {

namespace {

constexpr int max_depth = 1024;
constexpr off_t clone_from = 256 << 10;  // below it, reading is cheaper than asking for a clone
constexpr std::string_view whiteout_prefix = ".wh.";

// Hashes what is pushed on a thread of its own.
class HashThread {
public:
    HashThread() : thread_([this] { run(); }) {}
    ~HashThread() {
        queue_.finish();
        if (thread_.joinable()) thread_.join();
    }
    // Small pieces are gathered: waking the other thread costs more than hashing them.
    Result<void> push(Chunk chunk) {
        count_ += chunk.bytes.size();
        bool small = chunk.bytes.size() < gather_below;
        if (small) *gathered_ += chunk.bytes;
        if (!gathered_->empty() && (!small || gathered_->size() >= chunk_bytes)) TRY(flush());
        return small ? Result<void>() : queue_.push(std::move(chunk));
    }
    Digest finish() {
        ignore(flush(), "the queue is refused only by its reader, which never does");
        queue_.finish();
        thread_.join();
        return hasher_.finish();
    }
    std::uint64_t count() const { return count_; }

private:
    static constexpr std::size_t gather_below = 64U << 10;
    Result<void> flush() {
        auto full = std::exchange(gathered_, std::make_shared<std::string>());
        return full->empty() ? Result<void>() : queue_.push({*full, full});
    }
    void run() {
        ::pthread_setname_np(::pthread_self(), "image-hash");
        for (;;) {
            auto chunk = queue_.next();
            if (!chunk || chunk->bytes.empty()) return;
            hasher_.update(chunk->bytes);
        }
    }
    ChunkQueue queue_;
    Hasher hasher_;
    std::uint64_t count_ = 0;
    std::shared_ptr<std::string> gathered_ = std::make_shared<std::string>();
    std::thread thread_;
};

struct Source {
    std::string path, name;  // path: in the layer
    struct stat info {};
    Xattrs xattrs;
};

class Committer {
public:
    Committer(const Context& context, RecipeWriter& recipe, bool in_place = false, std::optional<WallTime> newest = {})
        : context_(context), recipe_(recipe), in_place_(in_place), newest_(newest) {}

    Result<void> walk(FdView from, FdView to, const std::string& path, int depth);
    Result<void> finish() {
        TRY(raw(tar_end()));
        return recipe_.finish();
    }
    Digest digest() { return hash_.finish(); }
    std::uint64_t tar_size() const { return hash_.count(); }
    std::uint64_t size() const { return size_; }
    bool empty() const { return entries_ == 0; }

private:
    Result<void> copy(FdView from, FdView to, Source source, int depth);
    Result<void> copy_directory(FdView from, FdView to, Source& source, int depth);
    Result<void> copy_file(FdView from, FdView to, Source& source);
    Result<void> copy_content(FdView from, FdView to, const Source& source);
    Result<void> copy_special(FdView from, FdView to, const Source& source);
    Result<void> write_whiteout(FdView to, const Source& source);
    Result<void> set_attributes(FdView to, const Source& source);
    Result<void> header(TarType type, const Source& source, std::uint64_t size, std::string link = {});
    Result<void> raw(std::string_view bytes) {
        TRY(recipe_.raw(bytes));
        return hash_.push({bytes, nullptr});
    }

    Result<void> clamp_time(FdView from, Source& source);

    const Context& context_;
    RecipeWriter& recipe_;
    const bool in_place_;  // `from` is the layer, there is no `to`
    const std::optional<WallTime> newest_;
    HashThread hash_;
    std::map<ino_t, std::string> linked_;  // files with several names: where the first one is
    FdView root_{-1};
    std::uint64_t size_ = 0, entries_ = 0;
};

Error failed(const Source& source) { return Error::from_errno(errno, "commit " + source.path); }

Result<void> Committer::walk(FdView from, FdView to, const std::string& path, int depth) {
    if (depth == 0) root_ = to;
    if (depth > max_depth)
        return Error(Errc::Exhausted, fmt::format("commit: directories nested deeper than {}", max_depth));
    auto names = TRY(os::list_directory(fmt::format("/proc/self/fd/{}", from.get())));
    for (auto& name : names) {
        if (entries_++ % 256 == 0) TRY(context_.check());
        Source source{.path = path.empty() ? name : path + "/" + name, .name = std::move(name)};
        if (::fstatat(from.get(), source.name.c_str(), &source.info, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT) continue;  // the container runs on
            return failed(source);
        }
        if (in_place_ && S_ISSOCK(source.info.st_mode)) {
            if (::unlinkat(from.get(), source.name.c_str(), 0) < 0) return failed(source);
            continue;
        }
        TRY(clamp_time(from, source));
        TRY(copy(from, to, std::move(source), depth));
    }
    return {};
}

Result<void> Committer::clamp_time(FdView from, Source& source) {
    if (!newest_) return {};
    timespec limit{newest_->nanoseconds / 1'000'000'000, newest_->nanoseconds % 1'000'000'000};
    if (!earlier(limit, source.info.st_mtim)) return {};
    source.info.st_mtim = limit;
    timespec times[2] = {limit, limit};
    if (::utimensat(from.get(), source.name.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return failed(source);
    return {};
}

Result<void> Committer::header(TarType type, const Source& source, std::uint64_t size, std::string link) {
    TarEntry entry;
    entry.path = source.path + (type == TarType::Directory ? "/" : "");
    entry.link = std::move(link);
    entry.type = type;
    entry.mode = source.info.st_mode & 07777;
    entry.uid = source.info.st_uid;
    entry.gid = source.info.st_gid;
    entry.size = size;
    entry.modified = source.info.st_mtim;
    entry.xattrs = source.xattrs;
    if (type == TarType::CharacterDevice || type == TarType::BlockDevice) {
        entry.device_major = major(source.info.st_rdev);
        entry.device_minor = minor(source.info.st_rdev);
    }
    auto bytes = TRY(tar_header(entry));
    return raw(bytes);
}

Result<void> Committer::copy(FdView from, FdView to, Source source, int depth) {
    if (S_ISSOCK(source.info.st_mode)) return {};
    if (is_whiteout(source.info)) return write_whiteout(to, source);
    if (!S_ISDIR(source.info.st_mode) && source.info.st_nlink > 1) {
        auto [first, is_new] = linked_.emplace(source.info.st_ino, source.path);
        if (!is_new) {
            if (!in_place_ && ::linkat(root_.get(), first->second.c_str(), to.get(), source.name.c_str(), 0) < 0)
                return failed(source);
            return header(TarType::HardLink, source, 0, first->second);
        }
    }
    if (S_ISDIR(source.info.st_mode)) return copy_directory(from, to, source, depth);
    if (S_ISREG(source.info.st_mode)) return copy_file(from, to, source);
    source.xattrs = TRY(xattrs_of_link(from, source.name).in("commit " + source.path));
    return copy_special(from, to, source);
}

Result<void> Committer::write_whiteout(FdView to, const Source& source) {
    if (!in_place_) {
        if (::mknodat(to.get(), source.name.c_str(), S_IFCHR, makedev(0, 0)) < 0) return failed(source);
        timespec times[2] = {source.info.st_mtim, source.info.st_mtim};
        if (::utimensat(to.get(), source.name.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return failed(source);
    }
    Source marker = source;
    marker.path.insert(marker.path.size() - source.name.size(), whiteout_prefix);
    marker.info.st_mode = S_IFREG | 0600;
    return header(TarType::File, marker, 0);
}

Result<void> Committer::copy_directory(FdView from, FdView to, Source& source, int depth) {
    auto below = os::open_at(from, source.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!below)
        return below.error().code() == Errc::NotFound ? Result<void>() : below.take_error().in("commit " + source.path);
    source.xattrs = TRY(xattrs_of(*below).in("commit " + source.path));
    Fd copy;
    if (!in_place_) {
        if (::mkdirat(to.get(), source.name.c_str(), 0700) < 0) return failed(source);
        copy = TRY(os::open_at(to, source.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    }
    TRY(header(TarType::Directory, source, 0));
    if (is_opaque(*below)) {
        if (!in_place_) TRY(mark_opaque(copy));
        Source marker = source;
        marker.path += "/.wh..wh..opq";
        marker.info.st_mode = S_IFREG | (source.info.st_mode & 0777);
        marker.info.st_mtim = {};
        marker.xattrs.clear();
        TRY(header(TarType::File, marker, 0));
    }
    TRY(walk(*below, copy, source.path, depth + 1));
    if (in_place_) return {};
    TRY(set_xattrs(copy, source.xattrs).in("commit " + source.path));
    return set_attributes(to, source);
}

Result<void> Committer::copy_file(FdView from, FdView to, Source& source) {
    auto content = os::open_at(from, source.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!content)
        return content.error().code() == Errc::NotFound ? Result<void>()
                                                        : content.take_error().in("commit " + source.path);
    source.xattrs = TRY(xattrs_of(*content).in("commit " + source.path));
    Fd copy;
    if (!in_place_) copy = TRY(os::open_at(to, source.name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    auto size = static_cast<std::uint64_t>(source.info.st_size);
    size_ += size;
    TRY(header(TarType::File, source, size));
    if (size > 0) {
        TRY(recipe_.file(source.path, size));
        bool cloned =
            !in_place_ && source.info.st_size >= clone_from && ::ioctl(copy.get(), FICLONE, content->get()) == 0;
        // The clone is read instead of the original: it holds still. Its length may have changed since we looked.
        if (cloned && ::ftruncate(copy.get(), source.info.st_size) < 0) return failed(source);
        TRY(cloned ? copy_content(copy, FdView(-1), source) : copy_content(*content, copy, source));
        TRY(raw(tar_padding(size)));
    }
    if (in_place_) return {};
    TRY(set_xattrs(copy, source.xattrs).in("commit " + source.path));
    return set_attributes(to, source);
}

// As many bytes as the header has promised, whatever happens to the file meanwhile.
Result<void> Committer::copy_content(FdView from, FdView to, const Source& source) {
    auto left = static_cast<std::uint64_t>(source.info.st_size);
    while (left > 0) {
        auto most = static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk_bytes));
        std::shared_ptr<char[]> buffer(new char[most]);
        std::size_t got = TRY(os::read_some(from, buffer.get(), most).in("commit " + source.path));
        if (got == 0) {
            got = most;
            std::fill_n(buffer.get(), most, '\0');
        }
        Chunk chunk{{buffer.get(), got}, buffer};
        if (to.get() >= 0) TRY(os::write_all(to, chunk.bytes).in("commit " + source.path));
        TRY(hash_.push(std::move(chunk)));
        left -= got;
    }
    return {};
}

Result<void> Committer::copy_special(FdView from, FdView to, const Source& source) {
    auto kind = source.info.st_mode & S_IFMT;
    std::string target;
    if (kind == S_IFLNK) {
        target.resize(static_cast<std::size_t>(source.info.st_size) + 1);
        auto length = ::readlinkat(from.get(), source.name.c_str(), target.data(), target.size());
        if (length < 0) return errno == ENOENT ? Result<void>() : failed(source);
        target.resize(static_cast<std::size_t>(length));
        if (!in_place_ && ::symlinkat(target.c_str(), to.get(), source.name.c_str()) < 0) return failed(source);
    } else if (!in_place_ && ::mknodat(to.get(), source.name.c_str(), source.info.st_mode, source.info.st_rdev) < 0) {
        return failed(source);
    }
    auto type = kind == S_IFLNK   ? TarType::SymbolicLink
                : kind == S_IFIFO ? TarType::Fifo
                : kind == S_IFBLK ? TarType::BlockDevice
                                  : TarType::CharacterDevice;
    TRY(header(type, source, 0, target));
    if (in_place_) return {};
    TRY(set_xattrs_of_link(to, source.name, source.xattrs).in("commit " + source.path));
    return set_attributes(to, source);
}

Result<void> Committer::set_attributes(FdView to, const Source& source) {
    const char* name = source.name.c_str();
    if (::geteuid() == 0 && (source.info.st_uid != 0 || source.info.st_gid != 0) &&
        ::fchownat(to.get(), name, source.info.st_uid, source.info.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(source);
    if (!S_ISLNK(source.info.st_mode) && ::fchmodat(to.get(), name, source.info.st_mode & 07777, 0) < 0)
        return failed(source);
    // fchown(2) takes a file's capabilities away.
    auto capability = source.xattrs.find("security.capability");
    if (capability != source.xattrs.end() && source.info.st_uid + source.info.st_gid != 0)
        TRY(set_xattrs_of_link(to, source.name, {*capability}).in("commit " + source.path));
    timespec times[2] = {source.info.st_mtim, source.info.st_mtim};
    if (::utimensat(to.get(), name, times, AT_SYMLINK_NOFOLLOW) < 0) return failed(source);
    return {};
}

void finish(Committer& committer, CommittedLayer& committed) {
    auto& layer = committed.layer;
    layer.diff_id = committer.digest();
    layer.size = committer.size();
    layer.tar_size = committer.tar_size();
    committed.empty = committer.empty();
}

}  // namespace

Result<CommittedLayer> commit_layer(const Context& context, LayerStore& layers, const std::string& upper_directory) {
    auto upper = TRY(os::open(upper_directory, O_RDONLY | O_DIRECTORY).in("commit"));
    CommittedLayer committed{.layer = TRY(layers.begin())};
    auto& layer = committed.layer;
    auto recipe = TRY(RecipeWriter::create(layer.path() + "/recipe.zst"));
    auto tree = TRY(os::open(layer.path() + "/tree", O_RDONLY | O_DIRECTORY));
    Committer committer(context, *recipe);
    TRY(committer.walk(upper, tree, "", 0));
    TRY(committer.finish());
    finish(committer, committed);
    return committed;
}

Result<CommittedLayer> take_layer(const Context& context, LayerStore& layers, const std::string& upper_directory,
                                  std::optional<WallTime> newest) {
    CommittedLayer committed{.layer = TRY(layers.begin())};
    auto& layer = committed.layer;
    TRY(os::rename(upper_directory, layer.path() + "/tree").in("commit"));
    auto tree = TRY(os::open(layer.path() + "/tree", O_RDONLY | O_DIRECTORY));
    auto recipe = TRY(RecipeWriter::create(layer.path() + "/recipe.zst"));
    Committer committer(context, *recipe, true, newest);
    TRY(committer.walk(tree, FdView(-1), "", 0));
    TRY(committer.finish());
    finish(committer, committed);
    return committed;
}

}  // namespace pila::image

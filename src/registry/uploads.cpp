// SPDX-License-Identifier: Apache-2.0
#include "registry/uploads.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <cerrno>
#include <ctime>

#include <fmt/core.h>

#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "os/file.h"

namespace pila::registry {

using image::Digest;

static constexpr std::size_t piece_bytes = 256U << 10;
static constexpr std::uint64_t flush_bytes = 8ULL << 20;
static constexpr std::uint64_t room_check_bytes = 16ULL << 20;
static constexpr std::chrono::seconds busy_wait{5};

Result<void> Uploads::create_directory() {
    return repositories_.tree().make_directories(repositories_.tree().root() + "/uploads");
}

std::string Uploads::path(const std::string& id) const { return repositories_.tree().root() + "/uploads/" + id; }

// The identifier is part of a path.
Result<void> Uploads::check(const std::string& repository, const std::string& id) const {
    auto unknown = [&] { return Error(Errc::NotFound, "upload " + printable(id) + " is not known"); };
    if (id.size() != 32 || !is_hex(id)) return unknown();
    auto name = os::read_file(path(id) + "/repository", 256);
    if (!name || *name != repository) return unknown();
    return {};
}

Result<std::string> Uploads::begin(const std::string& repository) {
    auto id = random_hex(32);
    const auto& tree = repositories_.tree();
    auto half = tree.temporary();
    auto made = [&]() -> Result<void> {
        TRY(os::make_directory(half, 0700));
        auto name = TRY(os::open(half + "/repository", O_WRONLY | O_CREAT | O_EXCL, 0600));
        TRY(os::write_all(name, repository));
        TRY(os::open(half + "/data", O_WRONLY | O_CREAT | O_EXCL, 0600));
        return os::rename(half, path(id));
    }();
    if (!made) {
        ignore(os::remove_tree(half), "emptied at the next start otherwise");
        return made.take_error();
    }
    return id;
}

Result<std::uint64_t> Uploads::size(const std::string& repository, const std::string& id) const {
    TRY(check(repository, id));
    auto file = TRY(os::open(path(id) + "/data", O_RDONLY));
    return static_cast<std::uint64_t>(TRY(os::stat_of(file)).st_size);
}

Result<Uploads::Session> Uploads::open(const std::string& repository, const std::string& id) {
    TRY(check(repository, id));
    Session session(this, id);
    {
        Lock lock(mutex_);
        auto until = std::chrono::steady_clock::now() + busy_wait;
        for (auto found = active_.find(id); found != active_.end() && found->second.busy; found = active_.find(id)) {
            if (closed_.wait_until(lock, until)) continue;
            session.owner_ = nullptr;
            return Error(Errc::Conflict, "another request is busy with this upload");
        }
        auto& active = active_[id];
        active.busy = true;
        session.hashed_ = active.hashed;
        session.hasher_ = std::move(active.hasher);
    }
    session.file_ = TRY(os::open(path(id) + "/data", O_RDWR));
    session.size_ = static_cast<std::uint64_t>(TRY(os::stat_of(session.file_)).st_size);
    session.flushed_ = session.room_checked_at_ = session.size_;
    if (::lseek(session.file_.get(), 0, SEEK_END) < 0) return Error::from_errno(errno, "seek in upload " + id);
    return session;
}

void Uploads::close(Session& session, bool gone) {
    Lock lock(mutex_);
    if (gone) {
        active_.erase(session.id_);
    } else {
        auto& active = active_[session.id_];
        active.busy = false;
        active.hashed = session.hashed_;
        active.hasher = std::move(session.hasher_);
    }
    closed_.notify_all();
}

std::optional<std::chrono::seconds> Uploads::expire(std::chrono::seconds age) {
    std::optional<std::chrono::seconds> next;
    auto names = os::list_directory(repositories_.tree().root() + "/uploads");
    if (!names) return next;
    for (const auto& id : *names) {
        struct stat info {};
        if (::stat((path(id) + "/data").c_str(), &info) == 0) {
            auto left = age - std::chrono::seconds(::time(nullptr) - info.st_mtime);
            if (left.count() > 0) {
                next = next ? std::min(*next, left) : left;
                continue;
            }
        }
        {
            Lock lock(mutex_);
            auto found = active_.find(id);
            if (found != active_.end() && found->second.busy) continue;
            active_.erase(id);
        }
        log::info("registry: upload {} was abandoned", id);
        ignore(os::remove_tree(path(id)), "tried again the next time");
    }
    return next;
}

Uploads::Session::Session(Session&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)),
      id_(std::move(other.id_)),
      file_(std::move(other.file_)),
      size_(other.size_),
      hashed_(other.hashed_),
      flushed_(other.flushed_),
      room_checked_at_(other.room_checked_at_),
      hasher_(std::move(other.hasher_)) {}

Uploads::Session::~Session() {
    if (owner_) owner_->close(*this, false);
}

std::string Uploads::Session::data() const { return owner_->path(id_) + "/data"; }

Result<void> Uploads::Session::check_room() {
    room_checked_at_ = size_;
    struct statvfs room {};
    if (::fstatvfs(file_.get(), &room) < 0) return {};
    if (static_cast<std::uint64_t>(room.f_bavail) * room.f_frsize > free_bytes_left) return {};
    return Error(Errc::Exhausted, fmt::format("upload {}: less than {} MiB are free", id_, free_bytes_left >> 20));
}

Result<void> Uploads::Session::write(std::string_view bytes) {
    if (size_ >= room_checked_at_ + room_check_bytes) TRY(check_room());
    TRY(os::write_all(file_, bytes).in("upload " + id_));
    if (!hasher_ && size_ == 0) hasher_ = std::make_unique<image::Hasher>();
    if (hasher_ && hashed_ == size_) {
        hasher_->update(bytes);
        hashed_ += bytes.size();
    }
    size_ += bytes.size();
    // The disk works while more arrives, so that little is left to wait for at the end.
    if (size_ >= flushed_ + flush_bytes) {
        ::sync_file_range(file_.get(), static_cast<off64_t>(flushed_), static_cast<off64_t>(size_ - flushed_),
                          SYNC_FILE_RANGE_WRITE);
        flushed_ = size_;
    }
    return {};
}

Result<void> Uploads::Session::append(const Context& context, http::BodyReader& body) {
    const auto before = size_;
    auto buffer = std::make_unique_for_overwrite<char[]>(piece_bytes);
    auto written = [&]() -> Result<void> {
        TRY(check_room());
        for (;;) {
            TRY(context.check());
            auto got = TRY(body.read(buffer.get(), piece_bytes));
            if (got == 0) return {};
            TRY(write({buffer.get(), got}));
        }
    }();
    if (written) return written;
    bool full = written.error().code() == Errc::Exhausted || written.error().os_errno() == ENOSPC ||
                written.error().os_errno() == EDQUOT;
    if (!full) return written;
    if (::ftruncate(file_.get(), static_cast<off_t>(before)) == 0) {
        size_ = flushed_ = before;
        if (hashed_ > before) {
            hasher_.reset();
            hashed_ = 0;
        }
    }
    return written.take_error().with_code(Errc::Exhausted);
}

Result<bool> Uploads::Session::is(const Digest& digest) {
    bool known = hasher_ && hashed_ == size_ && digest.algorithm() == "sha256";
    if (!known) {  // after a restart, or another algorithm than most
        hasher_ = std::make_unique<image::Hasher>(digest.algorithm());
        auto buffer = std::make_unique_for_overwrite<char[]>(piece_bytes);
        auto file = TRY(os::open(data(), O_RDONLY));
        while (auto got = TRY(os::read_some(file, buffer.get(), piece_bytes))) hasher_->update({buffer.get(), got});
    }
    auto actual = hasher_->finish();
    hasher_.reset();
    hashed_ = 0;
    return actual == digest;
}

Result<void> Uploads::Session::adopt(const Digest& digest) {
    if (!owner_->repositories_.blobs().has(digest))
        TRY(owner_->repositories_.tree().adopt(data(), owner_->repositories_.blobs().path(digest)));
    return cancel();
}

Result<void> Uploads::Session::cancel() {
    auto* owner = std::exchange(owner_, nullptr);
    auto removed = os::remove_tree(owner->path(id_));
    owner->close(*this, true);
    return removed;
}

}  // namespace pila::registry

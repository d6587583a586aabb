// SPDX-License-Identifier: Apache-2.0
#pragma once
// Uploads that have begun and not ended: ROOT/uploads/ID/{repository,data}. What was acknowledged outlives the process;
// its checksum is computed on the way, or again from the file after a restart. Threads: any; an upload has one user at
// a time, a second one waits a moment for the first (whose client may be gone) to end.

#include <map>
#include <memory>
#include <string>

#include "base/context.h"
#include "base/mutex.h"
#include "registry/repositories.h"

namespace pila::registry {

inline constexpr std::uint64_t free_bytes_left = 64ULL << 20;  // what uploads leave to everybody else on that disk

class Uploads {
public:
    // One request's exclusive use of one upload.
    class Session {
    public:
        Session(Session&& other) noexcept;
        Session& operator=(Session&&) = delete;
        ~Session();

        std::uint64_t size() const { return size_; }
        // What arrived before an error stays, except that a full disk (Exhausted) takes back what this call wrote.
        Result<void> append(const Context& context, http::BodyReader& body);
        Result<bool> is(const image::Digest& digest);     // its content
        Result<void> adopt(const image::Digest& digest);  // becomes content, is no upload any more
        Result<void> cancel();

    private:
        friend class Uploads;
        Session(Uploads* owner, std::string id) : owner_(owner), id_(std::move(id)) {}
        Result<void> write(std::string_view bytes);
        Result<void> check_room();
        std::string data() const;

        Uploads* owner_;
        std::string id_;
        Fd file_;
        std::uint64_t size_ = 0, hashed_ = 0, flushed_ = 0, room_checked_at_ = 0;
        std::unique_ptr<image::Hasher> hasher_;
    };

    explicit Uploads(Repositories& repositories) : repositories_(repositories) {}
    Result<void> create_directory();

    Result<std::string> begin(const std::string& repository);
    // NotFound: no such upload to this repository. Conflict: another request is busy with it.
    Result<Session> open(const std::string& repository, const std::string& id);
    Result<std::uint64_t> size(const std::string& repository, const std::string& id) const;

    // Those that nobody touched for so long. Returns when the next one is due.
    std::optional<std::chrono::seconds> expire(std::chrono::seconds age);

private:
    struct Active {
        bool busy = true;
        std::uint64_t hashed = 0;
        std::unique_ptr<image::Hasher> hasher;  // of what was hashed; null: none yet
    };
    void close(Session& session, bool gone);
    std::string path(const std::string& id) const;
    Result<void> check(const std::string& repository, const std::string& id) const;

    Repositories& repositories_;
    Mutex mutex_;
    Condition closed_;
    std::map<std::string, Active> active_ GUARDED_BY(mutex_);
};

}  // namespace pila::registry

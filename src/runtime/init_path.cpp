// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <climits>

#include "base/text.h"
#include "os/file.h"
#include "runtime/init_internal.h"

namespace pila::runtime::init {

namespace {

// Walks one component at a time with every directory held open, as openat2(RESOLVE_IN_ROOT) does, but makes what is
// missing, also behind links that point to nothing yet (/var/run -> /run in an image without /run).
class Walk {
public:
    enum class LastLink { Follow, Keep };
    Walk(FdView root, const std::string& path, mode_t mode, LastLink last)
        : root_(root), path_(path), mode_(mode), last_(last) {
        push(path);
    }

    // All but the last component; its name is returned ("" if the path is the root itself or ends in "..").
    Result<std::string> to_parent() {
        while (!rest_.empty()) {
            std::string name = std::move(rest_.back());
            rest_.pop_back();
            if (name.empty() || name == ".") continue;
            if (name == "..") {
                if (!held_.empty()) held_.pop_back();
                continue;
            }
            if (rest_.empty() && last_ == LastLink::Keep) return name;
            auto link = follow(name);
            if (!link) return std::move(link).take_error();
            if (*link) continue;
            if (rest_.empty()) return name;
            TRY(enter(name));
        }
        return std::string();
    }
    Result<Fd> directory() const { return current_fd().get() == root_.get() ? reopen() : held_.back().duplicate(); }
    FdView current_fd() const { return held_.empty() ? root_ : FdView(held_.back()); }

    Result<void> enter(const std::string& name) {
        int fd = open_here(name);
        if (fd < 0 && errno == ENOENT) {
            if (::mkdirat(current_fd().get(), name.c_str(), mode_) < 0 && errno != EEXIST) return failed("create");
            fd = open_here(name);
        }
        if (fd < 0) return failed("open");
        held_.emplace_back(fd);
        return {};
    }

private:
    Result<Fd> reopen() const { return os::open_at(root_, ".", O_PATH | O_DIRECTORY); }
    int open_here(const std::string& name) {
        // The mount on top of the directory is entered too: openat(2) does so for every component.
        return ::openat(current_fd().get(), name.c_str(), O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
    }
    Error failed(const char* doing) {
        return Error::from_errno(errno, std::string(doing) + " " + path_ + " in the container");
    }

    // true: `name` was a symbolic link, its target is now what comes next.
    Result<bool> follow(const std::string& name) {
        char target[PATH_MAX];
        auto length = ::readlinkat(current_fd().get(), name.c_str(), target, sizeof target - 1);
        if (length < 0) return false;
        if (++links_ > 40) {
            errno = ELOOP;
            return failed("resolve");
        }
        std::string text(target, static_cast<std::size_t>(length));
        if (text[0] == '/') held_.clear();
        push(text);
        return true;
    }
    void push(const std::string& path) {
        auto parts = split(path, '/');
        for (auto part = parts.rbegin(); part != parts.rend(); ++part)
            if (!part->empty()) rest_.emplace_back(*part);
    }

    FdView root_;
    const std::string& path_;
    mode_t mode_;
    LastLink last_;
    std::vector<Fd> held_;
    std::vector<std::string> rest_;  // last first
    int links_ = 0;
};

}  // namespace

Result<Place> make_parent_in_root(FdView root, const std::string& path) {
    Walk walk(root, path, 0755, Walk::LastLink::Keep);
    auto name = TRY(walk.to_parent());
    if (name.empty()) return Error(Errc::Invalid, path + ": names no file in the container");
    return Place{TRY(walk.directory()), std::move(name)};
}

Result<Fd> make_in_root(FdView root, const std::string& path, Missing missing, mode_t mode) {
    auto present = os::open_in_root(root, path, O_PATH);
    if (present || present.error().os_errno() != ENOENT) return present;
    Walk walk(root, path, mode, Walk::LastLink::Follow);
    auto name = TRY(walk.to_parent());
    if (name.empty()) return walk.directory();
    if (missing == Missing::Directory) {
        TRY(walk.enter(name));
        return walk.directory();
    }
    TRY(os::open_at(walk.current_fd(), name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644));
    return os::open_at(walk.current_fd(), name, O_PATH | O_NOFOLLOW);
}

}  // namespace pila::runtime::init

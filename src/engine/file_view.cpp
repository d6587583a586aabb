// SPDX-License-Identifier: Apache-2.0
#include "engine/file_view.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <optional>
#include <thread>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"

namespace pila::engine {

namespace {

constexpr int max_links = 255;  // as Docker's resolver has it

Result<void> enter_mount_namespace(FdView name_space) {
    if (::setns(name_space.get(), CLONE_NEWNS) < 0) return Error::from_errno(errno, "enter the container's mounts");
    return {};
}

struct Part {
    Fd mount;
    const ViewMount* what;
};

// A running container's own mounts, not the paths they came from: with those, a container that has one bind mount
// inside another could swap the inner one's source for a link to anywhere.
Result<void> take_running(ViewPlan& plan, FdView home, std::vector<Part>& parts) {
    auto theirs = TRY(os::open_at(plan.process, "ns/mnt", O_RDONLY));
    TRY(enter_mount_namespace(theirs));
    auto take = [&]() -> Result<void> {
        auto root = TRY(os::open("/", O_PATH | O_DIRECTORY));
        plan.root = TRY(os::clone_mount(root, "", os::Recursive::No));
        for (const auto& mount : plan.mounts) {
            auto place = os::open_in_root(root, mount.target, O_PATH);
            if (!place) continue;  // the container may unmount and remove things, if it has the right to
            parts.push_back({TRY(os::clone_mount(*place, "", os::Recursive::Yes)), &mount});
        }
        return {};
    };
    auto taken = take();
    TRY(enter_mount_namespace(home));
    return taken;
}

Result<void> take_stopped(const ViewPlan& plan, std::vector<Part>& parts) {
    for (const auto& mount : plan.mounts) {
        if (mount.source.empty()) continue;
        auto part = TRY(os::clone_mount(os::current_directory, mount.source, os::Recursive::Yes));
        if (mount.read_only) TRY(os::change_mount(part, MOUNT_ATTR_RDONLY, 0, 0, os::Recursive::No));
        parts.push_back({std::move(part), &mount});
    }
    return {};
}

// As a start makes it: a stopped container may never have had one.
Result<Fd> mount_point(FdView root, const std::string& target, bool is_directory) {
    std::string path;
    for (auto part : split(target, '/')) {
        if (part.empty()) continue;
        auto parent = path;
        (path += '/') += part;
        auto opened = os::open_in_root(root, path, O_PATH);
        if (opened) continue;
        if (opened.error().os_errno() != ENOENT) return opened;
        auto directory = TRY(os::open_in_root(root, parent.empty() ? "/" : parent, O_PATH | O_DIRECTORY));
        std::string name(part);
        bool last = path.size() == target.size();
        auto made = last && !is_directory ? ::mknodat(directory.get(), name.c_str(), S_IFREG | 0644, 0)
                                          : ::mkdirat(directory.get(), name.c_str(), 0755);
        if (made < 0 && errno != EEXIST) return Error::from_errno(errno, "make mount point " + target);
    }
    return os::open_in_root(root, target, O_PATH);
}

Result<void> place(FdView root, const Part& part) {
    auto info = TRY(os::stat_of(part.mount));
    auto target = TRY(mount_point(root, part.what->target, S_ISDIR(info.st_mode)));
    TRY(os::change_mount(part.mount, 0, 0, MS_PRIVATE, os::Recursive::Yes));
    return os::attach_mount(part.mount, target).in("mount " + part.what->target);
}

}  // namespace

Result<FileView> FileView::build(ViewPlan& plan) {
    if (::unshare(CLONE_NEWNS) < 0) return Error::from_errno(errno, "make a mount namespace");
    TRY(os::set_propagation("/", MS_REC | MS_SLAVE));  // what the host unmounts meanwhile goes here too
    auto home = TRY(os::open("/proc/thread-self/ns/mnt", O_RDONLY));
    std::vector<Part> parts;
    TRY(plan.process ? take_running(plan, home, parts) : take_stopped(plan, parts));
    auto place_of_root = TRY(os::open(plan.place, O_PATH | O_DIRECTORY));
    TRY(os::attach_mount(plan.root, place_of_root).in("mount the root"));
    TRY(os::change_mount(plan.root, 0, 0, MS_PRIVATE, os::Recursive::No));
    for (const auto& part : parts) TRY(place(plan.root, part));
    if (plan.root_read_only) TRY(os::change_mount(plan.root, MOUNT_ATTR_RDONLY, 0, 0, os::Recursive::No));
    return FileView(std::move(home), std::move(plan.root));
}

Result<FileView> FileView::create(ViewPlan plan) {
    std::optional<Result<FileView>> outcome;
    // A thread of its own: it changes its mount namespace and ends.
    std::thread builder([&] {
        ::pthread_setname_np(::pthread_self(), "file-view");
        outcome.emplace(build(plan));
    });
    builder.join();
    return std::move(*outcome);
}

Result<void> FileView::run_inside(const std::function<Result<void>()>& work) const {
    Result<void> outcome;
    std::thread inside([&] {
        ::pthread_setname_np(::pthread_self(), "file-view");
        if (::unshare(CLONE_FS) < 0) {
            outcome = Error::from_errno(errno, "leave the other threads' directory");
            return;
        }
        ::umask(0);
        outcome = enter_mount_namespace(namespace_);
        if (outcome) outcome = work();
    });
    inside.join();
    return outcome;
}

Result<Fd> clone_mount_of_process(int pid, const std::string& path) {
    auto name_space = TRY(os::open(fmt::format("/proc/{}/ns/mnt", pid), O_RDONLY));
    Result<Fd> cloned = Error(Errc::Internal, "no mount was cloned");
    std::thread inside([&] {
        if (::unshare(CLONE_FS) < 0) {
            cloned = Error::from_errno(errno, "leave the other threads' directory");
            return;
        }
        auto entered = enter_mount_namespace(name_space);
        cloned = entered ? os::clone_mount(os::current_directory, path, os::Recursive::No) : entered.take_error();
    });
    inside.join();
    return cloned;
}

Result<std::string> resolve_links(FdView root, const std::string& path) {
    std::string done, left = path;
    int links = 0;
    while (!left.empty()) {
        auto slash = left.find('/');
        auto part = left.substr(0, slash);
        left = slash == std::string::npos ? "" : left.substr(slash + 1);
        if (part.empty() || part == ".") continue;
        if (part == "..") {
            done.resize(done.empty() ? 0 : done.rfind('/'));
            continue;
        }
        auto next = done + "/" + part;
        if (next.size() >= PATH_MAX) return Error::from_errno(ENAMETOOLONG, "resolve " + path);
        char target[PATH_MAX];
        auto object = os::open_in_root(root, next, O_PATH | O_NOFOLLOW);
        auto length = object ? ::readlinkat(object->get(), "", target, sizeof target) : -1;
        if (length < 0) {  // no link, or nothing there
            done = next;
            continue;
        }
        if (++links > max_links) return Error::from_errno(ELOOP, "resolve " + path).with_code(Errc::Invalid);
        left = std::string(target, static_cast<std::size_t>(length)) + "/" + left;
        if (target[0] == '/') done.clear();
    }
    return done.empty() ? "/" : done;
}

}  // namespace pila::engine

// SPDX-License-Identifier: Apache-2.0
// `pila-runtime mount`: a few mounts in the namespace of a container that runs (live_mounts.h). The container's
// processes may be turning parts of its tree into links meanwhile: everything is resolved below its root, and what is
// unmounted is first looked at, in a directory that is held.
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/socket.h"
#include "runtime/init_internal.h"
#include "runtime/live_mounts_internal.h"
#include "runtime/protocol_internal.h"
#include "runtime/verbs_internal.h"

namespace pila::runtime {

namespace {

constexpr int order_timeout_ms = 30'000;

bool is_kernels(FdView file) {
    auto type = os::filesystem_type(file);
    return type && (*type == PROC_SUPER_MAGIC || *type == SYSFS_MAGIC);
}

Result<struct statx> look_at(FdView directory, const std::string& name) {
    struct statx info {};
    if (::statx(directory.get(), name.c_str(), AT_SYMLINK_NOFOLLOW | (name.empty() ? AT_EMPTY_PATH : 0), STATX_INO,
                &info) < 0)
        return Error::from_errno(errno, "look at " + name);
    return info;
}

bool is_mount_point(const struct statx& info) { return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0; }

class Worker {
public:
    Worker(std::vector<MountStep> steps, std::vector<Fd> fds) : steps_(std::move(steps)), fds_(std::move(fds)) {}
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    ~Worker() {
        for (auto done = done_.rbegin(); done != done_.rend(); ++done) take_back(*done);
    }

    // With the rights and the paths of the host.
    Result<void> prepare() {
        host_proc_ = TRY(init::open_host_proc());
        for (auto& step : steps_) {
            auto& source = sources_.emplace_back();
            auto index = static_cast<std::size_t>(step.mount.source_fd);
            if (step.mount.source_fd >= 0 && index >= fds_.size())
                return Error(Errc::Invalid, "mounts: fewer descriptors than sources");
            if (step.kind == MountStep::Kind::Detach || (step.mount.flags & MS_BIND) == 0) continue;
            auto recursive = (step.mount.flags & MS_REC) != 0 ? os::Recursive::Yes : os::Recursive::No;
            auto made = step.mount.source_fd < 0 ? os::clone_mount(os::current_directory, step.mount.source, recursive)
                                                 : os::clone_mount(fds_[index], "", recursive);
            // A detached mount that was made in another mount namespace cannot be cloned, only attached.
            if (!made && step.mount.source_fd >= 0) made = fds_[index].duplicate();
            source = TRY(std::move(made));
        }
        return {};
    }

    Result<void> enter(FdView mounts, const Fd* users) {
        if (users) {
            if (::setns(users->get(), CLONE_NEWUSER) < 0)
                return Error::from_errno(errno, "enter the container's user namespace");
            TRY(init::become_mapped_root());
        }
        if (::setns(mounts.get(), CLONE_NEWNS) < 0) return Error::from_errno(errno, "enter the container's mounts");
        ::umask(0);
        root_ = TRY(os::open("/", O_PATH | O_DIRECTORY));
        return {};
    }

    Result<void> work() {
        for (std::size_t i = 0; i < steps_.size(); ++i) {
            auto taken = steps_[i].kind == MountStep::Kind::Attach ? attach(i) : detach(i);
            if (!taken) return taken;
        }
        return {};
    }
    void keep() { done_.clear(); }

private:
    struct Done {
        const MountStep* step;
        Fd mount;  // attached: it itself; detached: a copy
    };

    Result<void> attach(std::size_t index) {
        const auto& step = steps_[index];
        if (auto present = os::open_in_root(root_, step.mount.target, O_PATH)) {
            if (step.if_missing && is_mount_point(TRY(look_at(*present, "")))) return {};
            if (is_kernels(*present))
                return Error(Errc::Invalid,
                             fmt::format("mount on {}: it lies in /proc or /sys", printable(step.mount.target)));
        }
        auto built = build(index);
        if (!built && built.error().os_errno() == EROFS) {
            TRY(make_place_in_read_only_root(index));
            built = build(index);
        }
        auto place = os::open_in_root(root_, step.mount.target, O_PATH);
        // Also one that failed after it was attached.
        if (place && is_mount_point(TRY(look_at(*place, "")))) done_.push_back({&step, place.take()});
        return built;
    }

    Result<void> build(std::size_t index) {
        Plan plan;
        plan.mounts.push_back(steps_[index].mount);
        os::CgroupLayout layout;
        os::Cgroup cgroup;
        init::Setup setup{.plan = plan, .fds = fds_, .stdio = {}, .layout = layout, .cgroup = cgroup};
        setup.root = TRY(root_.duplicate());
        if (sources_[index]) setup.bind_sources.push_back(TRY(sources_[index].duplicate()));
        return init::build_mounts(setup);
    }

    // A start makes such places before the root becomes read-only.
    Result<void> make_place_in_read_only_root(std::size_t index) {
        bool is_file = sources_[index] && !S_ISDIR(TRY(os::stat_of(sources_[index])).st_mode);
        auto writable = TRY(os::clone_mount(root_, "", os::Recursive::No));
        TRY(os::change_mount(writable, 0, MOUNT_ATTR_RDONLY, 0, os::Recursive::No));
        TRY(init::make_in_root(writable, steps_[index].mount.target,
                               is_file ? init::Missing::File : init::Missing::Directory));
        return {};
    }

    Result<void> detach(std::size_t index) {
        const auto& step = steps_[index];
        const auto& target = step.mount.target;
        Fd copy, directory;
        std::string name;
        {
            auto place = os::open_in_root(root_, target, O_PATH);
            if (!place && (place.error().os_errno() == ENOENT || place.error().os_errno() == ENOTDIR)) return {};
            auto target_file = TRY(std::move(place));
            TRY(find_place(target_file, target, directory, name));
            auto mounted = TRY(os::open_at(directory, name, O_PATH | O_NOFOLLOW));
            auto found = TRY(look_at(mounted, ""));
            if (!is_mount_point(found)) return {};  // somebody in the container was faster
            TRY(check_identity(step, mounted, found));
            copy = TRY(os::clone_mount(mounted, "", os::Recursive::Yes));
        }
        // The name is a mount point: nobody can rename or remove it in the directory that we hold (Linux 3.18).
        if (::fchdir(directory.get()) < 0) return Error::from_errno(errno, "enter the directory of " + target);
        int flags = UMOUNT_NOFOLLOW | (step.lazy ? MNT_DETACH : 0);
        int error = ::umount2(name.c_str(), flags) < 0 ? errno : 0;
        ignore(::chdir("/") < 0 ? Error::from_errno(errno, "chdir") : Result<void>{}, "only to hold nothing");
        if (error == EBUSY)
            return Error(Errc::Conflict,
                         fmt::format("{} is in use by a process of the container: end that first, or unmount with "
                                     "force, and it stays there for those that use it",
                                     printable(target)),
                         EBUSY);
        if (error != 0) return Error::from_errno(error, "unmount " + printable(target));
        done_.push_back({&step, std::move(copy)});
        return {};
    }

    // Where the target really is: its directory and its name there, no link any more.
    Result<void> find_place(const Fd& target, const std::string& text, Fd& directory, std::string& name) {
        char path[4096];
        auto length =
            ::readlinkat(host_proc_.get(), fmt::format("self/fd/{}", target.get()).c_str(), path, sizeof path - 1);
        if (length <= 1 || path[0] != '/') return Error(Errc::Invalid, printable(text) + ": no place in the container");
        std::string real(path, static_cast<std::size_t>(length));
        auto slash = real.rfind('/');
        name = real.substr(slash + 1);
        directory = TRY(os::open_in_root(root_, slash == 0 ? "/" : real.substr(0, slash), O_PATH | O_DIRECTORY));
        if (is_kernels(directory))
            return Error(Errc::Invalid, fmt::format("unmount {}: it lies in /proc or /sys", printable(text)));
        return {};
    }

    // Only what is the container's by its owner's wish: whatever else a link may lead to stays.
    Result<void> check_identity(const MountStep& step, FdView mounted, const struct statx& found) {
        bool fits = true;
        if (step.mount.type == "tmpfs") {
            auto type = os::filesystem_type(mounted);
            fits = type && *type == TMPFS_MAGIC;
        } else if (step.mount.source_fd >= 0) {
            auto wanted = TRY(look_at(fds_[static_cast<std::size_t>(step.mount.source_fd)], ""));
            fits = wanted.stx_ino == found.stx_ino && wanted.stx_dev_major == found.stx_dev_major &&
                   wanted.stx_dev_minor == found.stx_dev_minor;
        }
        if (fits) return {};
        return Error(Errc::Conflict, printable(step.mount.target) + ": something else is mounted there by now");
    }

    void take_back(const Done& done) {
        if (done.step->kind == MountStep::Kind::Attach) {
            if (::fchdir(host_proc_.get()) < 0) return;
            auto path = fmt::format("self/fd/{}", done.mount.get());
            ignore(::umount2(path.c_str(), MNT_DETACH) < 0 ? Error::from_errno(errno, "unmount") : Result<void>{},
                   "the container has unmounted it itself");
            return;
        }
        auto place = os::open_in_root(root_, done.step->mount.target, O_PATH);
        if (place) ignore(os::attach_mount(done.mount, *place), "nobody is left to tell");
    }

    std::vector<MountStep> steps_;
    std::vector<Fd> fds_, sources_;
    Fd host_proc_, root_;
    std::vector<Done> done_;
};

Result<void> serve(FdView socket, std::unique_ptr<Worker>& worker) {
    auto parcel = TRY(receive_parcel(socket, order_timeout_ms));
    auto order = TRY(decode_mount_order(parcel.bytes));
    std::size_t namespaces = order.has_user_namespace ? 2 : 1;
    if (parcel.fds.size() < namespaces) return Error(Errc::Invalid, "mounts: without a namespace");
    Fd mounts = std::move(parcel.fds[0]), users;
    if (order.has_user_namespace) users = std::move(parcel.fds[1]);
    parcel.fds.erase(parcel.fds.begin(), parcel.fds.begin() + static_cast<std::ptrdiff_t>(namespaces));
    worker = std::make_unique<Worker>(std::move(order.steps), std::move(parcel.fds));
    TRY(worker->prepare());
    TRY(worker->enter(mounts, users ? &users : nullptr));
    return worker->work();
}

}  // namespace

int mount_verb(int, char**) {
    FdView socket(mount_socket_fd);
    std::unique_ptr<Worker> worker;
    auto served = serve(socket, worker);
    if (!served) worker.reset();  // before the answer: whoever reads it finds everything as it was
    auto report = served ? Report{} : failure(0, served.error());
    if (!send_parcel(socket, encode(report), {}) || !served) return 1;
    auto word = os::receive_message(socket, -1);
    if (word && word->bytes == std::string_view(&mount_kept, 1)) worker->keep();
    return 0;
}

}  // namespace pila::runtime

// SPDX-License-Identifier: Apache-2.0
#include "snapshot/overlay_mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>

#include <fmt/core.h>

#include "base/random.h"
#include "os/file.h"
#include "os/mount.h"

namespace pila::snapshot {

namespace {

constexpr std::string_view mount_point_prefix = ".mount-";
constexpr std::size_t max_fsconfig_string = 255;  // fsconfig(2): strndup_user(value, 256)
constexpr std::size_t max_mount_options = 4095;   // mount(2): one page

// Set once overlay turned out to lack "lowerdir+" (Linux < 6.8) while the classic way worked. Linux 6.5 to 6.7 refuse
// the option; before, an option is text that only the mount itself looks at, so that it is what is refused.
std::atomic<bool> classic_only{false};

bool use_classic() {
    static const bool forced = [] {
        const char* value = std::getenv("PILA_NO_NEW_MOUNT_API");
        return value && *value && *value != '0';
    }();
    return forced || classic_only.load(std::memory_order_relaxed);
}

// Plain upper directories, which commit and diff can walk without knowing overlay's private marks.
constexpr std::pair<const char*, const char*> options[] = {
    {"xino", "off"}, {"metacopy", "off"}, {"redirect_dir", "off"}, {"index", "off"}};

// Directories as overlay's options name them: the path itself, or a short name for a descriptor of it where the path is
// too long or holds a character with a meaning of its own.
class OptionPaths {
public:
    Result<std::string> plain_or_short(const std::string& path) {
        if (path.size() <= max_fsconfig_string && path.find_first_of(":,\\") == std::string::npos) return path;
        return shorten(path);
    }
    Result<std::string> shorten(const std::string& path) {
        descriptors_.push_back(TRY(os::open(path, O_PATH | O_DIRECTORY)));
        return fmt::format("/proc/self/fd/{}", descriptors_.back().get());
    }

private:
    std::vector<Fd> descriptors_;
};

// The kernel's own words about a refused option or mount ("e overlay: ..."), if it has any.
Error context_error(int os_errno, FdView context, std::string doing) {
    char text[512];
    std::string reason;
    for (ssize_t got = 0; (got = ::read(context.get(), text, sizeof text)) > 0;) {
        std::string_view line(text, static_cast<std::size_t>(got));
        if (line.size() > 2 && line[0] == 'e') reason = line.substr(2);
    }
    while (!reason.empty() && reason.back() == '\n') reason.pop_back();
    if (!reason.empty()) doing += " (" + reason + ")";
    return Error::from_errno(os_errno, doing);
}

Result<void> set_option(FdView context, const char* key, const std::string& value) {
    if (::fsconfig(context.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0) return {};
    return context_error(errno, context, fmt::format("mount overlay: set {}={}", key, value));
}

Result<void> set_flag(FdView context, const char* key) {
    if (::fsconfig(context.get(), FSCONFIG_SET_FLAG, key, nullptr, 0) == 0) return {};
    return context_error(errno, context, fmt::format("mount overlay: set {}", key));
}

struct NewApiOutcome {
    bool unsupported = false;
    Result<Fd> mount = Error(Errc::Unsupported, "mount overlay: no fsopen(2)");
};

Result<Fd> finish_new(const OverlayPlan& plan, FdView context, OptionPaths& paths) {
    if (!plan.upper.empty()) {
        auto upper = TRY(paths.plain_or_short(plan.upper));
        TRY(set_option(context, "upperdir", upper));
        auto work = TRY(paths.plain_or_short(plan.work));
        TRY(set_option(context, "workdir", work));
    }
    for (auto [key, value] : options) TRY(set_option(context, key, value));
    if (overlay_uses_user_xattrs()) TRY(set_flag(context, "userxattr"));
    if (plan.no_sync) TRY(set_flag(context, "volatile"));
    ::fsconfig(context.get(), FSCONFIG_SET_STRING, "source", "overlay", 0);  // what mount(8) shows
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0)
        return context_error(errno, context, fmt::format("mount overlay of {} layers", plan.lowers.size()));
    unsigned attributes = plan.upper.empty() ? MOUNT_ATTR_RDONLY : 0;
    Fd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, attributes));
    if (!mount) return context_error(errno, context, "mount overlay: fsmount");
    return mount;
}

NewApiOutcome mount_new(const OverlayPlan& plan) {
    Fd context(::fsopen("overlay", FSOPEN_CLOEXEC));
    if (!context) {
        if (errno == ENOSYS) return {.unsupported = true};
        return {.mount = Error::from_errno(errno, "mount overlay: fsopen")};
    }
    OptionPaths paths;
    for (const auto& lower : plan.lowers) {
        auto name = paths.plain_or_short(lower);
        if (!name) return {.mount = name.take_error()};
        auto added = set_option(context, "lowerdir+", *name);
        if (added) continue;
        return {.unsupported = added.error().os_errno() == EINVAL && &lower == plan.lowers.data(),
                .mount = added.take_error()};
    }
    auto mount = finish_new(plan, context, paths);
    bool unsupported = !mount && mount.error().os_errno() == EINVAL;
    return {.unsupported = unsupported, .mount = std::move(mount)};
}

// A directory that is a mount point for an instant and leaves with this object.
class MountPoint {
public:
    static Result<MountPoint> create(const std::string& scratch_directory) {
        MountPoint point;
        point.path_ = fmt::format("{}/{}{}", scratch_directory, mount_point_prefix, random_hex(12));
        TRY(os::make_directory(point.path_, 0700));
        point.exists_ = true;
        return point;
    }
    MountPoint(MountPoint&& other) noexcept
        : path_(std::move(other.path_)), exists_(std::exchange(other.exists_, false)) {}
    MountPoint& operator=(MountPoint&&) = delete;
    ~MountPoint() {
        if (!exists_) return;
        ::umount2(path_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
        ::rmdir(path_.c_str());
    }
    const std::string& path() const { return path_; }

private:
    MountPoint() = default;
    std::string path_;
    bool exists_ = false;
};

Result<Fd> mount_classic(const OverlayPlan& plan) {
    OptionPaths paths;
    std::string text = "lowerdir=";
    for (const auto& lower : plan.lowers) {
        if (&lower != plan.lowers.data()) text += ':';
        text += TRY(paths.shorten(lower));
    }
    if (!plan.upper.empty()) {
        text += ",upperdir=" + TRY(paths.shorten(plan.upper));
        text += ",workdir=" + TRY(paths.shorten(plan.work));
    }
    for (auto [key, value] : options) text += fmt::format(",{}={}", key, value);
    if (overlay_uses_user_xattrs()) text += ",userxattr";
    if (plan.no_sync) text += ",volatile";
    if (text.size() > max_mount_options)
        return Error(Errc::Exhausted,
                     fmt::format("mount overlay: this kernel cannot join {} layers", plan.lowers.size()));

    auto point = TRY(MountPoint::create(plan.scratch_directory));
    unsigned long flags = plan.upper.empty() ? MS_RDONLY : 0;
    if (::mount("overlay", point.path().c_str(), "overlay", flags, text.c_str()) < 0)
        return Error::from_errno(errno, fmt::format("mount overlay of {} layers", plan.lowers.size()));
    Fd tree(::open_tree(AT_FDCWD, point.path().c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    if (!tree) return Error::from_errno(errno, "mount overlay: open_tree");
    // Where systemd made "/" shared, what is mounted below is its peer's, and no pivot_root takes such a root.
    TRY(os::change_mount(tree, 0, 0, MS_PRIVATE, os::Recursive::No));
    return tree;
}

}  // namespace

std::vector<std::string> without_repetitions(const std::vector<std::string>& lowers) {
    std::vector<std::string> once;
    for (const auto& lower : lowers)
        if (std::find(once.begin(), once.end(), lower) == once.end()) once.push_back(lower);
    return once;
}

bool overlay_uses_user_xattrs() {
    // trusted.* belongs to CAP_SYS_ADMIN of the first user namespace, whose map is the identity of all ids.
    static const bool answer = [] {
        auto map = os::read_file("/proc/self/uid_map", 4096);
        if (!map) return ::geteuid() != 0;
        unsigned long inside = 1, outside = 1, count = 0;
        if (std::sscanf(map->c_str(), "%lu %lu %lu", &inside, &outside, &count) != 3) return true;
        return inside != 0 || outside != 0 || count != 4294967295UL || ::geteuid() != 0;
    }();
    return answer;
}

Result<Fd> mount_overlay(const OverlayPlan& asked) {
    OverlayPlan plan = asked;
    plan.lowers = without_repetitions(asked.lowers);
    if (use_classic()) return mount_classic(plan);
    auto outcome = mount_new(plan);
    if (outcome.mount || !outcome.unsupported) return std::move(outcome.mount);
    auto classic = mount_classic(plan);
    if (!classic) return std::move(outcome.mount);
    classic_only.store(true, std::memory_order_relaxed);
    return classic;
}

void clean_mount_points(const std::string& scratch_directory) {
    auto names = os::list_directory(scratch_directory);
    if (!names) return;
    for (const auto& name : *names) {
        if (!name.starts_with(mount_point_prefix)) continue;
        std::string path = scratch_directory + "/" + name;
        ::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
        ::rmdir(path.c_str());
    }
}

}  // namespace pila::snapshot

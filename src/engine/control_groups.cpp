// SPDX-License-Identifier: Apache-2.0
#include "engine/control_groups.h"

#include <unistd.h>
#include <cerrno>
#include <set>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"
#include "os/file.h"

namespace pila::engine {

static Result<Fd> lock_parent(const os::CgroupLayout& layout, const std::string& parent) {
    os::Cgroup group(layout, parent, os::container_controllers());
    if (!group.valid()) return Fd();
    auto path = group.first_directory();
    for (int attempt = 0;; ++attempt) {
        auto made = group.create();
        if (!made && (made.error().os_errno() == EACCES || made.error().os_errno() == EROFS)) return Fd();
        if (!made) return std::move(made).error();
        auto lock = os::lock_directory(path, os::LockWait::Moment);
        if (lock) return lock;
        bool removed = lock.error().code() == Errc::NotFound;  // by a daemon that has just ended
        if (removed && attempt < 10) continue;
        if (lock.error().code() != Errc::Conflict) return lock;
        return Error(Errc::Conflict, fmt::format("another pila daemon on this machine has the instance name {}: "
                                                 "give this one its own with --instance",
                                                 parent.substr(1)));
    }
}

Result<ControlGroups> ControlGroups::create(std::string parent) {
    auto layout = TRY(os::probe_cgroup_layout());
    ControlGroups groups(std::move(parent), std::move(layout));
    groups.lock_ = TRY(lock_parent(groups.layout_, groups.parent_));
    groups.limits_ = probe_host_limits(groups.layout_, groups.parent_);
    return groups;
}

ControlGroups::~ControlGroups() {
    if (!lock_) return;
    // Plain rmdir: containers that live on keep it.
    for (const auto& hierarchy : layout_.hierarchies) ::rmdir((hierarchy.mount_point + parent_).c_str());
}

std::string ControlGroups::path(const std::string& id, std::string_view parent) const {
    std::vector<std::string> steps;
    for (auto step : split(parent, '/')) {
        if (step == ".." && !steps.empty()) steps.pop_back();
        if (!step.empty() && step != "." && step != "..") steps.emplace_back(step);
    }
    return steps.empty() ? parent_ + "/" + id : "/" + join(steps, "/") + "/" + id;
}

os::Cgroup ControlGroups::group(const std::string& id, std::string_view parent) const {
    return os::Cgroup(layout_, path(id, parent), os::container_controllers());
}

void ControlGroups::clear(const std::string& id, std::string_view parent) const {
    auto left = group(id, parent);
    if (!left.valid()) return;
    ignore(left.kill_all(), "usually the group is gone already");
    if (auto removed = left.remove(); !removed) log::warning("{}", removed.error().message());
}

void ControlGroups::sweep(const std::function<bool(const std::string& id)>& wanted) const {
    std::set<std::string> left;
    for (const auto& hierarchy : layout_.hierarchies) {
        auto names = os::list_directory(hierarchy.mount_point + parent_);
        for (auto& name : names ? *names : std::vector<std::string>{})
            if (name.size() == 64 && is_hex(name) && !wanted(name)) left.insert(std::move(name));
    }
    for (const auto& id : left) clear(id, "");
}

}  // namespace pila::engine

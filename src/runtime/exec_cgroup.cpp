// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec_cgroup_internal.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::runtime {

namespace {

Error wrong(std::string_view option, std::string_view why) {
    return Error(Errc::Invalid, fmt::format("option --cgroup: {}: {}", printable(option), why));
}

// With a slash before it, and none that leads out of the container's group.
Result<std::string> path_below(std::string_view option, std::string_view path) {
    auto below = fmt::format("{}{}", path.starts_with('/') ? "" : "/", path);
    if ((below + "/").find("/../") != std::string::npos) return wrong(option, "must stay below the container's cgroup");
    while (below.ends_with('/')) below.pop_back();
    return below;
}

Result<os::Cgroup> group_that_exists(const os::CgroupLayout& layout, std::string path,
                                     const std::vector<std::string>& controllers) {
    os::Cgroup group(layout, std::move(path), controllers);
    if (!os::exists(group.first_directory()))
        return Error(Errc::NotFound, "option --cgroup: " + group.path() + " does not exist");
    return group;
}

// The group of the container's first process, which may have moved below the container's own (systemd does); on v2 a
// group that has groups of its own takes no processes.
Result<std::string> group_of_first_process(const Record& record) {
    auto text = TRY(os::read_file(fmt::format("/proc/{}/cgroup", record.pid), 65536));
    for (auto line : split(text, '\n'))
        if (line.starts_with("0::" + record.cgroup_path + "/")) return std::string(line.substr(3));
    return record.cgroup_path;
}

}  // namespace

Result<SubGroups> parse_sub_groups(const std::vector<std::string>& options) {
    SubGroups groups;
    for (const auto& option : options) {
        auto colon = option.find(':');
        if (colon == std::string::npos) {
            if (options.size() != 1) return wrong(option, "a path for all controllers can only be alone");
            groups.emplace_back("", TRY(path_below(option, option)));
            continue;
        }
        auto path = TRY(path_below(option, std::string_view(option).substr(colon + 1)));
        if (path.find(':') != std::string::npos) return wrong(option, "must be [CONTROLLER[,CONTROLLER]:]PATH");
        for (auto controller : split(std::string_view(option).substr(0, colon), ',')) {
            if (controller.empty()) return wrong(option, "an empty name of a controller");
            auto same = [&](const auto& group) { return group.first == controller; };
            if (std::any_of(groups.begin(), groups.end(), same))
                return wrong(option, fmt::format("{} is there twice", printable(controller)));
            groups.emplace_back(controller, path);
        }
    }
    return groups;
}

Result<PlaceOfExec> place_of_exec(const std::vector<std::string>& options, const Record& record) {
    auto wanted = TRY(parse_sub_groups(options));
    PlaceOfExec place;
    if (record.cgroup_path.empty()) {
        if (wanted.empty()) return place;
        return Error(Errc::Unsupported, "option --cgroup: the container has no cgroup");
    }
    auto layout = TRY(os::probe_cgroup_layout());
    bool v2 = layout.mode == os::CgroupMode::V2;
    if (wanted.size() == 1 && wanted[0].first.empty()) {
        place.group = TRY(group_that_exists(layout, record.cgroup_path + wanted[0].second, record.controllers));
        return place;
    }
    if (v2 && !wanted.empty())
        return wrong(options[0], "cgroup v2 has one tree for all controllers, only a PATH can be given");
    auto path = v2 ? TRY(group_of_first_process(record)) : record.cgroup_path;
    place.group = os::Cgroup(layout, path, record.controllers);
    for (const auto& [controller, below] : wanted) {
        if (place.group.directory(controller).empty())
            return wrong(controller, "the container has no cgroup of this controller");
        place.moves.push_back(TRY(group_that_exists(layout, path + below, {controller})));
    }
    return place;
}

}  // namespace pila::runtime

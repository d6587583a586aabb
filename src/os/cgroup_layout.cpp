// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/text.h"
#include "os/cgroup.h"
#include "os/file.h"

namespace pila::os {

bool CgroupHierarchy::has(std::string_view controller) const {
    return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

const CgroupHierarchy* CgroupLayout::find(std::string_view controller) const {
    if (mode == CgroupMode::V2) return hierarchies.empty() ? nullptr : &hierarchies.front();
    for (const auto& hierarchy : hierarchies)
        if (hierarchy.has(controller)) return &hierarchy;
    return nullptr;
}

// proc_pid_mountinfo(5): white space and backslashes in paths are octal escapes.
static std::string unescape(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            if (auto code = parse_uint(text.substr(i + 1, 3), 8); code && *code < 256) {
                plain += static_cast<char>(*code);
                i += 3;
                continue;
            }
        }
        plain += text[i];
    }
    return plain;
}

static bool is_controller(std::string_view option) {
    static constexpr std::string_view known[] = {"cpu",     "cpuacct",    "cpuset", "memory",  "devices",
                                                 "freezer", "blkio",      "pids",   "net_cls", "net_prio",
                                                 "hugetlb", "perf_event", "rdma",   "misc"};
    return option.substr(0, 5) == "name=" || std::find(std::begin(known), std::end(known), option) != std::end(known);
}

CgroupLayout parse_cgroup_layout(std::string_view mountinfo) {
    CgroupLayout v1, v2;
    for (auto line : split(mountinfo, '\n')) {
        auto dash = line.find(" - ");
        if (dash == std::string_view::npos) continue;
        auto before = split(line.substr(0, dash), ' ');
        auto after = split(line.substr(dash + 3), ' ');
        if (before.size() < 6 || after.size() < 3) continue;
        CgroupHierarchy hierarchy{unescape(before[4]), unescape(before[3]), {}};
        if (after[0] == "cgroup2") {
            if (v2.hierarchies.empty()) v2.hierarchies.push_back(std::move(hierarchy));
        } else if (after[0] == "cgroup") {
            for (auto option : split(after[2], ','))
                if (is_controller(option)) hierarchy.controllers.emplace_back(option);
            // The same hierarchy may be mounted again elsewhere: the first mount counts.
            if (!hierarchy.controllers.empty() && !v1.find(hierarchy.controllers.front()))
                v1.hierarchies.push_back(std::move(hierarchy));
        }
    }
    bool v1_controls = std::any_of(v1.hierarchies.begin(), v1.hierarchies.end(), [](const auto& hierarchy) {
        return hierarchy.controllers.front().substr(0, 5) != "name=";
    });
    if (v1_controls) {
        v1.mode = CgroupMode::V1;
        return v1;
    }
    if (!v2.hierarchies.empty()) v2.mode = CgroupMode::V2;
    return v2;
}

Result<CgroupLayout> probe_cgroup_layout() {
    auto text = TRY(read_file("/proc/self/mountinfo", 16U << 20));
    return parse_cgroup_layout(text);
}

}  // namespace pila::os

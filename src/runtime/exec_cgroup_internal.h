// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where `exec` puts its process: --cgroup PATH, --cgroup CONTROLLER[,CONTROLLER]:PATH as often as wanted.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "os/cgroup.h"
#include "runtime/container_record_internal.h"

namespace pila::runtime {

// Below the container's group: controller and path, each controller at most once; "" alone: one path for all of them.
using SubGroups = std::vector<std::pair<std::string, std::string>>;
Result<SubGroups> parse_sub_groups(const std::vector<std::string>& options);

struct PlaceOfExec {
    os::Cgroup group;
    std::vector<os::Cgroup> moves;  // v1: from there, each in the hierarchy of its controller
};
Result<PlaceOfExec> place_of_exec(const std::vector<std::string>& options, const Record& record);

}  // namespace pila::runtime

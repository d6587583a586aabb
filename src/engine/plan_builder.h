// SPDX-License-Identifier: Apache-2.0
#pragma once
// From what was asked of a container to the list that its init walks.

#include <map>
#include <string>
#include <vector>

#include "engine/container.h"
#include "engine/exec.h"
#include "engine/security.h"
#include "engine/users.h"
#include "os/user_namespace.h"
#include "runtime/plan.h"

namespace pila::engine {

// A key of source_indices that is no path: /dev/shm of --ipc container:X.
inline constexpr const char* shared_memory_of_donor = "shm";

struct PlanInputs {
    const Container* container;
    std::string files_directory;  // holds hosts, hostname, resolv.conf
    std::string state_directory;
    std::string cgroup_path;
    ResolvedUser user;
    bool own_network = true;         // namespace received as descriptor `network_index`
    std::string network_path;        // joined instead when not empty; neither: the host's
    std::string pid_path, ipc_path;  // --pid / --ipc container:X
    int root_index = 0, network_index = 1;
    const os::UserNamespace* ids = nullptr;  // received as descriptor `user_index`; none: the host's
    int user_index = -1;
    std::map<std::string, int> source_indices;  // of mounts by descriptor, by destination
    SecurityDefaults security;
    std::vector<std::string> cdi_directories;
};

void sort_by_depth(std::vector<VolumeMount>& volumes);
// source_fd: index of its descriptor, -1: by its path.
runtime::MountPlan mount_plan_of(const VolumeMount& volume, int source_fd);
Result<runtime::Plan> build_plan(const PlanInputs& inputs);
// Its user is looked up in the running container's files.
Result<runtime::ProcessPlan> build_exec_process(const Container& container, const ExecSpec& exec,
                                                const SecurityDefaults& security);

}  // namespace pila::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Facts of the machine that `docker info` and `docker version` show.

#include <cstdint>
#include <string>

namespace pila::engine {

struct HostInfo {
    std::string kernel_version, operating_system, os_version, hostname;
    std::string machine;          // uname's: "x86_64"
    std::string go_architecture;  // Docker's: "amd64"
    int cpus = 1;
    std::uint64_t memory_bytes = 0;
    bool cgroup_v2 = false, bridge_netfilter = false;
    std::size_t open_descriptors = 0, threads = 0;  // of this process
};

HostInfo host_info();

}  // namespace pila::engine

// SPDX-License-Identifier: Apache-2.0
#include "engine/host_info.h"

#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::engine {

// A line of /etc/os-release, without its quotes.
static std::string os_release(std::string_view name, std::string fallback) {
    auto text = os::read_file("/etc/os-release", 64U << 10).value_or("");
    for (auto line : split(text, '\n')) {
        if (!line.starts_with(name) || line.substr(name.size(), 1) != "=") continue;
        line.remove_prefix(name.size() + 1);
        if (line.size() >= 2 && line.front() == '"') line = line.substr(1, line.size() - 2);
        return std::string(line);
    }
    return fallback;
}

HostInfo host_info() {
    HostInfo info;
    utsname kernel{};
    ::uname(&kernel);
    struct sysinfo memory {};
    ::sysinfo(&memory);
    info.kernel_version = kernel.release;
    info.hostname = kernel.nodename;
    info.machine = kernel.machine;
    info.go_architecture = info.machine == "x86_64" ? "amd64" : info.machine == "aarch64" ? "arm64" : info.machine;
    info.operating_system = os_release("PRETTY_NAME", "Linux");
    info.os_version = os_release("VERSION_ID", "");
    info.bridge_netfilter = os::exists("/proc/sys/net/bridge/bridge-nf-call-iptables");
    info.cpus = ::get_nprocs();
    info.memory_bytes = static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit;
    info.cgroup_v2 = os::exists("/sys/fs/cgroup/cgroup.controllers");
    info.open_descriptors = os::list_directory("/proc/self/fd").value_or({}).size();
    info.threads = os::list_directory("/proc/self/task").value_or({}).size();
    return info;
}

}  // namespace pila::engine

// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <fmt/core.h>

#include "os/file.h"
#include "os/spawn.h"
#include "runtime/launch_parts_internal.h"

namespace pila::runtime {

static std::string map_text(const std::vector<IdMapping>& mappings) {
    std::string text;
    for (const auto& entry : mappings) text += fmt::format("{} {} {}\n", entry.container_id, entry.host_id, entry.size);
    return text;
}

static Result<void> ask_to_map(const std::string& program, pid_t pid, const std::vector<IdMapping>& mappings) {
    os::Spawn what;
    for (const char* place : {"/usr/bin/", "/bin/", "/usr/local/bin/"})
        if (what.exe.empty() && os::exists(place + program)) what.exe = place + program;
    if (what.exe.empty())
        return Error(Errc::Unsupported, "without root, more than one's own id can be mapped only with " + program +
                                            ", which is not installed");
    what.argv = {program, std::to_string(pid)};
    for (const auto& entry : mappings)
        for (auto number : {entry.container_id, entry.host_id, entry.size}) what.argv.push_back(std::to_string(number));
    what.fds = {{2, 2}};
    auto child = TRY(os::spawn(what));
    auto status = TRY(os::wait_child(child.pidfd));
    return status.code == 0
               ? Result<void>{}
               : Result<void>(Error(Errc::Denied, fmt::format("{}: exit status {}", program, status.code)));
}

Result<void> write_maps(const Plan& plan, pid_t pid) {
    auto base = fmt::format("/proc/{}/", pid);
    auto only = [](const std::vector<IdMapping>& mappings, std::uint32_t id) {
        return mappings.size() == 1 && mappings[0].size == 1 && mappings[0].host_id == id;
    };
    bool root = ::geteuid() == 0;
    if (root || only(plan.uid_mappings, ::geteuid()))
        TRY(os::write_file(base + "uid_map", map_text(plan.uid_mappings)));
    else
        TRY(ask_to_map("newuidmap", pid, plan.uid_mappings));
    if (!root && !only(plan.gid_mappings, ::getegid())) return ask_to_map("newgidmap", pid, plan.gid_mappings);
    // user_namespaces(7): without CAP_SETGID outside, the group map may be written only once setgroups is denied.
    if (!root) TRY(os::write_file(base + "setgroups", "deny"));
    return os::write_file(base + "gid_map", map_text(plan.gid_mappings));
}

}  // namespace pila::runtime

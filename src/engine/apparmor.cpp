// SPDX-License-Identifier: Apache-2.0
#include "engine/apparmor.h"

#include <fcntl.h>
#include <csignal>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"
#include "os/spawn.h"

namespace pila::engine {

static constexpr std::string_view name = "pila-default";
static constexpr int longest_load_ms = 30'000;

// Everything a container does with its own files, processes and network is left to the other walls. Denied is what
// speaks for the whole machine: mounts, processes outside, /proc and /sys beyond one's own processes.
static constexpr std::string_view profile = R"(#include <tunables/global>

profile pila-default flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>
  file,
  network,
  capability,
  umount,
  deny mount,

  # pila's shim, which nothing confines, ends and stops what is inside.
  signal (receive) peer=unconfined,
  signal (send, receive) peer=pila-default,
  ptrace (trace, tracedby, read, readby) peer=pila-default,

  # /proc but for the directories of processes; of its sysctls those of shared memory stay.
  deny @{PROC}/* w,
  deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,
  deny @{PROC}/sys/[^k]** w,
  deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,
  deny @{PROC}/kcore rwklx,
  deny @{PROC}/sysrq-trigger rwklx,

  # /sys but for control groups.
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
}
)";

static bool is_loaded() {
    auto text = os::read_file("/sys/kernel/security/apparmor/profiles", 4U << 20);
    for (auto line : text ? split(*text, '\n') : std::vector<std::string_view>{})
        if (line.starts_with(name) && line.substr(name.size()).starts_with(" (enforce)")) return true;
    return false;
}

static Result<void> load(const std::string& parser, const std::string& file) {
    auto null = TRY(os::open("/dev/null", O_RDWR));
    os::Spawn what;
    what.exe = parser;
    what.argv = {"apparmor_parser", "--replace", "--skip-cache", file};
    what.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    what.fds = {{null.get(), 0}, {null.get(), 1}, {null.get(), 2}};
    auto child = TRY(os::spawn(what));
    auto status = os::wait_child(child.pidfd, longest_load_ms);
    if (!status) {
        ignore(os::send_signal(child.pidfd, SIGKILL), "it has just ended");
        return status.take_error();
    }
    if (status->code != 0) return Error(Errc::Internal, fmt::format("{} ended with {}", parser, status->code));
    return {};
}

Result<std::string> load_apparmor_profile(const std::string& scratch_directory) {
    auto enabled = os::read_file("/sys/module/apparmor/parameters/enabled", 16);
    if (!enabled || !enabled->starts_with('Y') || !os::exists("/sys/kernel/security/apparmor")) return std::string();
    if (is_loaded()) return std::string(name);
    for (std::string parser : {"/sbin/apparmor_parser", "/usr/sbin/apparmor_parser"}) {
        if (!os::exists(parser)) continue;
        auto file = scratch_directory + "/apparmor-profile";
        TRY(os::replace_file(file, profile, 0600, os::Sync::No));
        auto loaded = load(parser, file);
        ignore(os::remove_file(file), "it is only text");
        TRY(std::move(loaded).in("load the AppArmor profile of containers"));
        return std::string(name);
    }
    return Error(Errc::NotFound, "AppArmor is on, but apparmor_parser is not installed (package apparmor)");
}

}  // namespace pila::engine

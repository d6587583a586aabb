// SPDX-License-Identifier: Apache-2.0
#pragma once
// The child's part of a launch: runs in the new namespaces between clone and exec. One thread, a copy of its parent's
// memory. Every step takes what it needs by descriptor; paths of the container never meet the host's tree.

#include <string>
#include <vector>

#include "base/fd.h"
#include "os/cgroup.h"
#include "runtime/launch_internal.h"
#include "runtime/plan.h"

namespace pila::runtime::init {

// Words on the channel. Parent to child:
constexpr char word_mapped = 'U';    // uid_map and gid_map are written
constexpr char word_join = 'J';      // the cgroups exist; entrances come along (v1)
constexpr char word_go = 'G';        // execute
constexpr char word_hooks = 'H';     // both ways: it is time for the hooks of the parent; they have ended
constexpr char word_listener = 'S';  // both ways: number of the seccomp listener here (4 bytes); somebody has it
// Child to parent; the end of the channel means that exec succeeded:
constexpr char word_terminal = 'T';  // master of the terminal comes along
constexpr char word_created = 'C';   // waits at its start socket from now on
constexpr char word_failed = 'E';    // code (1 byte), errno (4 bytes), text

struct Setup {
    const Plan& plan;
    const std::vector<Fd>& fds;
    Stdio stdio;
    const os::CgroupLayout& layout;
    const os::Cgroup& cgroup;
    Fd channel;
    Fd host_proc;  // O_PATH of the host's /proc, checked to be one
    int self_exe = -1;
    bool die_with_parent = true;
    int start_socket = -1;            // listens for word_go of `start`; -1: nobody else is waited for
    bool limits_by_parent = false;    // resource limits, out-of-memory score: who is in a user namespace may not
    bool new_user_namespace = false;  // its maps are yet to be written
    bool in_user_namespace = false;   // new or joined
    std::vector<Fd> bind_sources;     // of plan.mounts, opened by the parent with its rights; empty: for us to open
    Fd place_of_root;                 // where the root is attached, opened before we lose the right to
    bool joined = false;              // cgroups
    Fd root;                          // O_PATH of the container's root
    std::vector<const MountPlan*> late_mounts;  // of control groups
};

bool has_namespace(const Plan& plan, Namespace type);
bool makes_namespace(const Plan& plan, Namespace type);  // a new one rather than a joined one
bool has_parent_hooks(const Plan& plan);                 // between clone and pivot_root

// Root of the user namespace that the process is in.
Result<void> become_mapped_root();
// Takes the process into its groups once they exist and then into a cgroup namespace if there is to be one.
Result<void> join_cgroups(Setup& setup);
Result<void> expect(Setup& setup, char word, std::vector<Fd>* fds = nullptr);

// init_path.cpp: opens `path` below `root` (O_PATH), making what is missing; links stay inside the root.
enum class Missing : std::uint8_t { Directory, File };
Result<Fd> make_in_root(FdView root, const std::string& path, Missing missing, mode_t mode = 0755);
// The directory that holds the last component (made if missing) and that component's name, which may be a link.
struct Place {
    Fd directory;
    std::string name;
};
Result<Place> make_parent_in_root(FdView root, const std::string& path);

// init_root.cpp, init_cgroup_mount.cpp, init_devices.cpp
Result<void> open_place_of_root(Setup& setup);
Result<void> enter_root(Setup& setup);  // setup.root, attached in this mount namespace
Result<void> build_mounts(Setup& setup);
Result<void> build_late_mounts(Setup& setup);
Result<void> mount_cgroups(Setup& setup, const MountPlan& mount);
Result<void> make_devices(Setup& setup);
Result<void> hide_paths(Setup& setup);  // masked and read-only
Result<void> leave_host(Setup& setup);  // pivot_root and what follows

// init_terminal.cpp: a terminal of the container's own devpts; its slave becomes 0, 1, 2.
Result<void> open_terminal(FdView root, FdView channel, const ProcessPlan& process, bool console);

// init_hooks.cpp
pid_t pid_on_host(FdView host_proc);
Result<void> take_part_in_hooks(Setup& setup);
Result<void> make_time_namespace(const Setup& setup);  // if it has offsets; others are made by clone
// The connection over which start was said; it replaces `channel`.
Fd wait_for_start(FdView channel, int start_socket, unsigned preserved_fds);

// init_process.cpp, init_identity.cpp
Result<Fd> open_host_proc();
Result<void> write_sysctl(FdView host_proc, const Plan& plan);
Result<void> place_stdio(const Stdio& stdio, const ProcessPlan& process);
struct Finish {
    const ProcessPlan& process;
    FdView channel;
    FdView host_proc;
    int self_exe = -1;  // >= 0: run it as init around the payload
    bool die_with_parent = true;
    bool limits_by_parent = false;
    int start_socket = -1;
    const Plan* container = nullptr;  // of its first process
    Fd connection;                    // in place of `channel` once `start` was said
};
// Everything of the process itself, in the container's root; ends in exec. An error is for finish.channel as it is
// then.
Error become(Finish& finish);

[[noreturn]] void report_and_exit(FdView channel, const Error& error);
[[noreturn]] void run(Setup& setup);

}  // namespace pila::runtime::init

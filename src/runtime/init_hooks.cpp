// SPDX-License-Identifier: Apache-2.0
// What only bundles ask for on the way: hooks, offsets of clocks, the wait between create and start.
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"
#include "os/socket.h"
#include "runtime/hooks_internal.h"
#include "runtime/init_internal.h"

namespace pila::runtime::init {

pid_t pid_on_host(FdView host_proc) {
    char name[32];
    auto size = ::readlinkat(host_proc.get(), "self", name, sizeof name);
    return static_cast<pid_t>(
        parse_int(std::string_view(name, size > 0 ? static_cast<std::size_t>(size) : 0)).value_or(0));
}

Result<void> take_part_in_hooks(Setup& setup) {
    const auto& hooks = setup.plan.bundle.hooks;
    bool of_parent = has_parent_hooks(setup.plan);
    if (!of_parent && hooks.create_container.empty()) return {};
    // They find the container as it is going to be: in its groups, with its mounts.
    TRY(build_late_mounts(setup));
    TRY(join_cgroups(setup));
    if (of_parent) {
        TRY(os::send_message(setup.channel, std::string_view(&word_hooks, 1)));
        TRY(expect(setup, word_hooks));
    }
    return run_hooks(hooks.create_container, "createContainer",
                     state_text(setup.plan, "creating", pid_on_host(setup.host_proc)));
}

// The offsets of a time namespace can be set while nobody is in it: unshare(2) makes one for children, where we go
// ourselves afterwards (time_namespaces(7)).
Result<void> make_time_namespace(const Setup& setup) {
    const auto& offsets = setup.plan.bundle.time_offsets;
    if (offsets.empty()) return {};
    if (::unshare(CLONE_NEWTIME) < 0) return Error::from_errno(errno, "new time namespace");
    auto file = TRY(os::open_at(setup.host_proc, "self/timens_offsets", O_WRONLY));
    for (const auto& [clock, offset] : offsets) {
        auto text = fmt::format("{} {} {}\n", clock, offset.seconds, offset.nanoseconds);
        if (::write(file.get(), text.data(), text.size()) < 0)
            return Error::from_errno(errno, "set linux.timeOffsets." + clock);
    }
    auto made = TRY(os::open_at(setup.host_proc, "self/ns/time_for_children", O_RDONLY));
    if (::setns(made.get(), CLONE_NEWTIME) < 0) return Error::from_errno(errno, "enter the time namespace");
    return {};
}

// Processes of the container may look at this one from now on, for as long as it takes (`exec` before `start`): it
// holds nothing of the host any more.
static void keep_only(int kept, unsigned preserved) {
    unsigned first = 3 + preserved, at = static_cast<unsigned>(kept);
    if (at > first) ::syscall(SYS_close_range, first, at - 1, 0);
    ::syscall(SYS_close_range, at + 1, ~0U, 0);
}

Fd wait_for_start(FdView channel, int start_socket, unsigned preserved) {
    // Its files in /proc are the host root's then. Who is not root would lose the right to join its namespaces.
    if (::geteuid() == 0) ::prctl(PR_SET_DUMPABLE, 0);
    if (!os::send_message(channel, std::string_view(&word_created, 1))) ::_exit(1);
    keep_only(start_socket, preserved);
    for (;;) {
        Fd connection(::accept4(start_socket, nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection && errno != EINTR && errno != ECONNABORTED) ::_exit(1);
        char word = 0;
        // Somebody who only looked, or was killed: the next one.
        if (!connection || ::read(connection.get(), &word, 1) != 1 || word != word_go) continue;
        ::close(start_socket);
        return connection;
    }
}

}  // namespace pila::runtime::init

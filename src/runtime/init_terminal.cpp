// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cerrno>

#include "os/file.h"
#include "os/mount.h"
#include "os/socket.h"
#include "runtime/init_internal.h"

namespace pila::runtime::init {

// CVE-2025-52565: the console is bound from the descriptor of the terminal itself, onto a file that is not a link.
static Result<void> bind_console(FdView root, FdView terminal) {
    auto place = TRY(make_parent_in_root(root, "/dev/console"));
    auto made = os::open_at(place.directory, place.name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    if (!made && made.error().os_errno() != ENXIO && made.error().os_errno() != EIO) return made.take_error();
    auto target = TRY(os::open_at(place.directory, place.name, O_PATH | O_NOFOLLOW));
    auto mount = TRY(os::clone_mount(terminal, "", os::Recursive::No));
    return os::attach_mount(mount, target);
}

Result<void> open_terminal(FdView root, FdView channel, const ProcessPlan& process, bool console) {
    auto master = TRY(os::open_in_root(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY).in("open a terminal"));
    if (TRY(os::filesystem_type(master)) != DEVPTS_SUPER_MAGIC)
        return Error(Errc::Invalid, "open a terminal: /dev/pts is no devpts");
    int locked = 0;
    if (::ioctl(master.get(), TIOCSPTLCK, &locked) < 0) return Error::from_errno(errno, "unlock terminal");
    // By the master, not by name: nobody can slip another device in between (Linux 4.13).
    Fd slave(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!slave) return Error::from_errno(errno, "open terminal");
    if (process.terminal_rows != 0 || process.terminal_columns != 0) {
        winsize size{process.terminal_rows, process.terminal_columns, 0, 0};
        ::ioctl(master.get(), TIOCSWINSZ, &size);
    }
    if (process.uid != 0 && ::fchown(slave.get(), process.uid, static_cast<gid_t>(-1)) < 0 && errno != EINVAL)
        return Error::from_errno(errno, "owner of terminal");
    if (console) TRY(bind_console(root, slave).in("bind /dev/console"));
    TRY(os::send_message(channel, std::string_view(&word_terminal, 1), {master.get()}));
    for (int fd = 0; fd < 3; ++fd)
        if (::dup2(slave.get(), fd) < 0) return Error::from_errno(errno, "place terminal");
    if (::ioctl(0, TIOCSCTTY, 0) < 0) return Error::from_errno(errno, "make the terminal the controlling one");
    return {};
}

}  // namespace pila::runtime::init

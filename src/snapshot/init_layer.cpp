// SPDX-License-Identifier: Apache-2.0
#include "snapshot/init_layer.h"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>

#include "os/file.h"

namespace pila::snapshot {

Result<void> ensure_init_layer(const std::string& directory) {
    TRY(os::make_directories(directory));
    auto root = TRY(os::open(directory, O_PATH | O_DIRECTORY));
    for (const char* name : {"proc", "sys", "dev", "dev/pts", "dev/shm", "dev/mqueue", "etc"}) {
        if (::mkdirat(root.get(), name, 0755) < 0 && errno != EEXIST)
            return Error::from_errno(errno, std::string("make the init layer: ") + name);
        // mkdir(2) obeys the umask of whoever started the daemon.
        if (::fchmodat(root.get(), name, 0755, 0) < 0)
            return Error::from_errno(errno, std::string("make the init layer: ") + name);
    }
    for (const char* name : {"etc/hosts", "etc/hostname", "etc/resolv.conf", ".dockerenv", "dev/console"}) {
        auto file = os::open_at(root, name, O_WRONLY | O_CREAT | O_NOFOLLOW, 0755);
        if (!file) return file.take_error().in("make the init layer");
        if (::fchmod(file->get(), 0755) < 0) return Error::from_errno(errno, "make the init layer");
    }
    if (::symlinkat("/proc/mounts", root.get(), "etc/mtab") < 0 && errno != EEXIST)
        return Error::from_errno(errno, "make the init layer: etc/mtab");
    return {};
}

}  // namespace pila::snapshot

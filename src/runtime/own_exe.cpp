// SPDX-License-Identifier: Apache-2.0
#include "runtime/own_exe_internal.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>

#include "os/file.h"
#include "os/mount.h"

namespace pila::runtime {

bool own_exe_is_protected() {
    auto exe = os::open("/proc/self/exe", O_RDONLY);
    if (!exe) return false;
    int seals = ::fcntl(exe->get(), F_GET_SEALS);
    if (seals >= 0 && (seals & F_SEAL_WRITE) != 0) return true;
    struct statvfs info {};
    return ::fstatvfs(exe->get(), &info) == 0 && (info.f_flag & ST_RDONLY) != 0;
}

Error execute_protected(char** argv) {
    auto execute = [&]() -> Result<void> {
        auto own = TRY(os::clone_mount(os::current_directory, "/proc/self/exe", os::Recursive::No));
        TRY(os::change_mount(own, MOUNT_ATTR_RDONLY, 0, 0, os::Recursive::No));
        ::syscall(SYS_execveat, own.get(), "", argv, environ, AT_EMPTY_PATH);
        return Error::from_errno(errno, "execute the protected program");
    };
    return execute().take_error();
}

}  // namespace pila::runtime

// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>

namespace pila {

void Fd::reset() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<void> Fd::close() && {
    if (fd_ >= 0 && ::close(std::exchange(fd_, -1)) < 0) return Error::from_errno(errno, "close");
    return {};
}

Result<Fd> Fd::duplicate() const {
    int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return Error::from_errno(errno, "duplicate descriptor");
    return Fd(copy);
}

}  // namespace pila

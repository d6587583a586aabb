// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace pila {

static Errc code_of_errno(int os_errno) {
    switch (os_errno) {
        case ENOENT:
        case ESRCH:
        case ENODEV:
        case ENXIO: return Errc::NotFound;
        case EEXIST: return Errc::AlreadyExists;
        case EPERM:
        case EACCES:
        case EROFS: return Errc::Denied;
        case EBUSY:
        case EADDRINUSE:
        case ENOTEMPTY: return Errc::Conflict;
        case EINVAL:
        case ENAMETOOLONG:
        case ENOTDIR:
        case EISDIR:
        case ELOOP: return Errc::Invalid;
        case ENOSYS:
        case EOPNOTSUPP:
        case EAFNOSUPPORT: return Errc::Unsupported;
        case ENOSPC:
        case EDQUOT:
        case EMFILE:
        case ENFILE:
        case ENOMEM: return Errc::Exhausted;
        case ECONNREFUSED:
        case ECONNRESET:
        case ENETUNREACH:
        case EHOSTUNREACH:
        case EPIPE: return Errc::Unavailable;
        case ETIMEDOUT: return Errc::Timeout;
        default: return Errc::Internal;
    }
}

Error Error::from_errno(int os_errno, std::string_view doing) {
    char buffer[128];
    const char* reason = ::strerror_r(os_errno, buffer, sizeof buffer);  // GNU form: may not use the buffer
    std::string message(doing);
    message += ": ";
    message += reason;
    return Error(code_of_errno(os_errno), std::move(message), os_errno);
}

}  // namespace pila

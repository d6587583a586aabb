// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one table from error codes to what each face of pila answers.

#include "base/result.h"

namespace pila {

constexpr int http_status(Errc code) {
    switch (code) {
        case Errc::NotFound: return 404;
        case Errc::AlreadyExists:
        case Errc::Conflict: return 409;
        case Errc::Invalid: return 400;
        case Errc::Unauthenticated: return 401;
        case Errc::Denied: return 403;
        case Errc::Unsupported: return 501;
        case Errc::Unavailable: return 503;
        case Errc::Gone: return 410;
        case Errc::Timeout:
        case Errc::Exhausted:
        case Errc::Internal: return 500;
    }
    return 500;
}

}  // namespace pila

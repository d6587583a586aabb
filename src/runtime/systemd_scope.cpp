// SPDX-License-Identifier: Apache-2.0
#include "runtime/systemd_scope_internal.h"

namespace pila::runtime {

Result<ScopeName> parse_scope(std::string_view, const std::string&, bool) {
    return Error(Errc::Unsupported, "--systemd-cgroup: systemd is not running here");
}

Result<void> start_scope(const ScopeName&, const std::string&, pid_t) {
    return Error(Errc::Unsupported, "--systemd-cgroup: systemd is not running here");
}

Result<void> stop_scope(const std::string&) { return {}; }

}  // namespace pila::runtime

// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every verb that serves has to do with its process and its sockets.

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace pila::app {

// One server per data directory; the kernel drops the lock with the process. Conflict: another has it.
Result<Fd> lock_directory(const std::string& directory);
// A signalfd(2) of SIGTERM, SIGINT and SIGHUP, for the whole process; SIGPIPE is ignored.
Result<Fd> block_signals();
// Until SIGTERM or SIGINT, which it returns.
int wait_for_signal(const Fd& signals);

struct Place {
    std::string host;
    std::uint16_t port = 0;
    std::string text;  // as it was given
};
Result<Place> parse_place(const std::string& text);  // "ADDRESS:PORT"
// An IPv4 or IPv6 address, "localhost", or "" for all.
Result<Fd> listen_on_tcp(const std::string& host, std::uint16_t port);
bool is_loopback(const std::string& host);

}  // namespace pila::app

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Unix sockets between pila's own processes: whole messages with descriptors.

#include <sys/types.h>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace pila::os {

struct Message {
    std::string bytes;
    std::vector<Fd> fds;
};

// AF_UNIX SOCK_SEQPACKET: message boundaries, close seen as an empty message.
Result<std::pair<Fd, Fd>> message_socket_pair();
// A path longer than sun_path allows is reached through /proc/self/fd of its directory.
Result<Fd> listen_unix(const std::string& path, int type, mode_t mode = 0600, int backlog = 128);
Result<Fd> connect_unix(const std::string& path, int type);

// Whole message in one sendmsg(2), at most 200 KiB and 16 descriptors. SIGPIPE is never raised.
Result<void> send_message(FdView socket, std::string_view bytes, const std::vector<int>& fds = {});
// Waits at most timeout_ms (-1: for ever). Unavailable once the other side has closed.
Result<Message> receive_message(FdView socket, int timeout_ms = -1);

struct PeerCredentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};
Result<PeerCredentials> peer_credentials(FdView socket);

}  // namespace pila::os

// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the daemon and its helper (`pila-runtime helper`) say to each other over a SOCK_SEQPACKET pair: one Request, one
// Reply with the descriptors it announces. Both come from the same build; the magic number guards against others.

#include <sys/socket.h>
#include <cstdint>

namespace pila::os::helper {

inline constexpr std::uint32_t magic = 0x70696c33;
inline constexpr int socket_fd = 3;  // where the helper finds its end

enum class Operation : std::uint32_t {
    NewNamespace,  // with {user namespace that is to own it}, or none; reply: {network namespace, NETLINK_ROUTE socket
                   // inside}
    OpenSocket,    // with {network namespace}; reply: {socket}
    WriteSysctl,   // with {network namespace}
    Join,          // with {network namespace}; reply: {NETLINK_ROUTE socket inside}
};

struct Request {
    std::uint32_t magic;
    Operation operation;
    std::uint64_t sequence;
    // OpenSocket. Address size 0: not bound.
    std::int32_t domain, type, protocol;
    std::uint32_t reuse_address;
    std::int32_t backlog;  // > 0: listen(2)
    std::uint32_t address_size;
    unsigned char address[128];  // sockaddr_storage
    // WriteSysctl
    char path[120];  // below /proc/sys/, "net/ipv6/conf/eth0/disable_ipv6"
    char value[40];
};

struct Reply {
    std::uint32_t magic;
    std::int32_t error;  // errno; 0: done
    std::uint64_t sequence;
    char step[48];  // what failed
};

static_assert(sizeof(Request::address) >= sizeof(sockaddr_storage));

}  // namespace pila::os::helper

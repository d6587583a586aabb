// SPDX-License-Identifier: Apache-2.0
#pragma once
// The daemon's side of `pila-runtime helper`: makes namespaces, opens sockets inside them. The process is started on
// first use and again whenever it died; every request may be repeated. Threads: any; requests are serialised.

#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/mutex.h"
#include "os/helper_protocol.h"
#include "os/net/ip.h"
#include "os/net/netlink.h"
#include "os/spawn.h"

namespace pila::network {

struct SocketRequest {
    int domain, type, protocol = 0;
    os::net::SocketAddress address;  // size 0: not bound
    bool reuse_address = false;
    int backlog = 0;  // > 0: listening
};

struct NewNamespace {
    Fd space;
    os::net::NetlinkSocket netlink;  // NETLINK_ROUTE, inside
};

class HelperClient {
public:
    explicit HelperClient(std::string runtime_exe) : runtime_exe_(std::move(runtime_exe)) {}
    ~HelperClient();
    HelperClient(const HelperClient&) = delete;

    // lo is up, Docker's sysctls are set. `owner`: the user namespace that it belongs to; -1: the daemon's.
    Result<NewNamespace> new_namespace(FdView owner = FdView(-1));
    Result<Fd> open_socket(FdView space, const SocketRequest& request);
    Result<void> write_sysctl(FdView space, std::string_view path, std::string_view value);
    Result<os::net::NetlinkSocket> open_netlink(FdView space);

private:
    Result<std::vector<Fd>> call(os::helper::Request& request, int fd, std::string_view doing);
    Result<std::vector<Fd>> call_once(const os::helper::Request& request, int fd, std::string_view doing)
        REQUIRES(mutex_);
    Result<void> start() REQUIRES(mutex_);

    const std::string runtime_exe_;
    Mutex mutex_;
    Fd socket_ GUARDED_BY(mutex_);
    os::Child process_ GUARDED_BY(mutex_);
    std::uint64_t sequence_ GUARDED_BY(mutex_) = 0;
};

}  // namespace pila::network

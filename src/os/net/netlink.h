// SPDX-License-Identifier: Apache-2.0
#pragma once
// Netlink as batches: several messages go out in one sendmsg(2), the kernel handles them in order, every answer is
// collected. A socket stays in the network namespace it was opened in, so the daemon configures other namespaces
// through sockets that the helper opened there.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <linux/netlink.h>

#include "base/fd.h"
#include "base/mutex.h"

namespace pila::os::net {

// Messages under construction. A message is at most 16 KiB and valid until the next begin().
class Batch {
public:
    // atomic: one nftables transaction, sent in one piece, answered for its last message only (and for failures).
    explicit Batch(bool atomic = false) : atomic_(atomic) {}
    // `doing` is what a failure of this message is called: "add address 172.17.0.1/16 to pila0".
    // An answer of `tolerated` (an errno) counts as success.
    nlmsghdr* begin(std::uint16_t type, std::uint16_t flags, std::string doing, int tolerated = 0);
    // Appends the fixed header of the message type (ifinfomsg, nfgenmsg, ...), zeroed.
    template <typename Header>
    Header* header() {
        return static_cast<Header*>(extra_header(sizeof(Header)));
    }
    nlmsghdr* current() { return reinterpret_cast<nlmsghdr*>(bytes_.data() + messages_.back().offset); }
    bool empty() const { return messages_.empty(); }
    std::size_t size() const { return messages_.size(); }

private:
    friend class NetlinkSocket;
    struct Message {
        std::size_t offset;
        std::string doing;
        int tolerated;
    };
    void* extra_header(std::size_t size);
    std::size_t end_of(std::size_t message) const;

    std::vector<char> bytes_;
    std::vector<Message> messages_;
    bool atomic_;
};

class NetlinkSocket {
public:
    // protocol: NETLINK_ROUTE, NETLINK_NETFILTER.
    static Result<NetlinkSocket> open(int protocol);
    // A socket that was opened elsewhere (inside another namespace).
    static Result<NetlinkSocket> adopt(Fd socket);

    // Sends everything; the first failure becomes the error (later messages of a route batch were still carried out).
    Result<void> run(Batch& batch);
    // One request with NLM_F_DUMP; `each` sees every answer.
    Result<void> dump(Batch& batch, const std::function<void(const nlmsghdr*)>& each);

    FdView fd() const { return socket_; }

private:
    explicit NetlinkSocket(Fd socket) : socket_(std::move(socket)), mutex_(std::make_unique<Mutex>()) {}
    Result<void> run_part(Batch& batch, std::size_t first, std::size_t last);
    Result<void> collect(const Batch& batch, std::size_t first, std::size_t last, std::uint32_t first_sequence);
    Result<void> send(const char* bytes, std::size_t size);

    Fd socket_;
    std::unique_ptr<Mutex> mutex_;
    std::uint32_t sequence_ = 1;
    std::vector<char> receive_buffer_;
};

}  // namespace pila::os::net

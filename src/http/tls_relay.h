// SPDX-License-Identifier: Apache-2.0
#pragma once
// Hijacked connections with TLS, a server's or a client's, for who knows only plain sockets: each is one end of a
// socket pair, the other end is relayed. Threads: any may call begin(); one thread, made with the first connection,
// moves all bytes.

#include <list>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "http/buffer.h"
#include "http/channel.h"

namespace pila::http {

class TlsRelay {
public:
    // When a peer is gone: a server has nobody left to serve; a client still wants all that the peer had sent.
    enum class Side : std::uint8_t { Server, Client };
    ~TlsRelay();                                // closes what is open
    Result<Fd> begin(Channel peer, Side side);  // the plain end, in blocking mode

private:
    struct Link {
        Channel peer;
        Fd plain;
        Side side = Side::Server;
        ByteBuffer to_plain, to_peer;
        bool peer_ended = false, plain_ended = false;  // nothing more to read there
        bool peer_told = false, plain_told = false;    // that nothing more will be written
        bool plain_deaf = false;                       // reads no more
        bool peer_gone = false;                        // only what it had sent is left; poll(2) would not wait for it
        short peer_events = 0, plain_events = 0;       // what the next step waits for
    };
    static bool step(Link& link);  // false: over
    static bool over_after(Link& link, short peer_came, short plain_came);
    static bool read_peer(Link& link, bool& progress);
    static bool write_peer(Link& link, bool& progress);
    static void read_plain(Link& link, bool& progress);
    static void write_plain(Link& link, bool& progress);
    void run();
    bool take_new(std::list<Link>& links);

    Mutex mutex_;
    Fd wakeup_ GUARDED_BY(mutex_);
    std::vector<Link> new_ GUARDED_BY(mutex_);
    bool stopping_ GUARDED_BY(mutex_) = false;
    std::thread thread_ GUARDED_BY(mutex_);
};

}  // namespace pila::http

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Hijacked connections with TLS for who knows only plain sockets: each is one end of a socket pair, the other end is
// relayed. Threads: any may call begin(); one thread, made with the first connection, moves all bytes.

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
    ~TlsRelay();                       // closes what is open
    Result<Fd> begin(Channel client);  // the plain end, in blocking mode

private:
    struct Link {
        Channel client;
        Fd plain;
        ByteBuffer to_plain, to_client;
        bool client_ended = false, plain_ended = false;  // nothing more to read there
        bool client_told = false, plain_told = false;    // that nothing more will be written
        bool plain_deaf = false;                         // reads no more
        short client_events = 0, plain_events = 0;       // what the next step waits for
    };
    static bool step(Link& link);  // false: over
    static bool read_client(Link& link, bool& progress);
    static bool write_client(Link& link, bool& progress);
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

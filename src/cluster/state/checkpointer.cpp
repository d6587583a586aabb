// SPDX-License-Identifier: Apache-2.0
#include "cluster/state/checkpointer.h"

#include <pthread.h>

#include "base/log.h"

namespace pila::cluster::state {

Result<std::unique_ptr<Checkpointer>> Checkpointer::open(const std::string& path) {
    std::unique_ptr<Checkpointer> made(new Checkpointer());
    made->connection_ = TRY(store::Connection::open(path));
    TRY(made->connection_.execute("PRAGMA synchronous = FULL"));
    made->checkpoint_ = TRY(made->connection_.prepare("PRAGMA wal_checkpoint(PASSIVE)"));
    made->thread_ = std::thread([checkpointer = made.get()] { checkpointer->run(); });
    return made;
}

Checkpointer::~Checkpointer() {
    if (!thread_.joinable()) return;
    {
        Lock lock(mutex_);
        is_stopping_ = true;
        changed_.notify_one();
    }
    thread_.join();
}

void Checkpointer::start() {
    Lock lock(mutex_);
    is_running_ = true;
    changed_.notify_one();
}

void Checkpointer::run() {
    ::pthread_setname_np(::pthread_self(), "state-tidy");
    for (;;) {
        {
            Lock lock(mutex_);
            while (!is_running_ && !is_stopping_) changed_.wait(lock);
            if (is_stopping_) return;
        }
        // A later pass tries again.
        if (auto done = checkpoint(checkpoint_); !done)
            log::warning("state: the log could not be moved to its place and grows: {}", done.error().message());
        is_running_ = false;
    }
}

Result<bool> checkpoint(store::Statement& pragma) {
    store::StatementUse use(pragma);
    TRY(use->step());
    return use->integer(0) == 0 && use->integer(1) == use->integer(2);
}

}  // namespace pila::cluster::state

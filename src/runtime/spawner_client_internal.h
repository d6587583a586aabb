// SPDX-License-Identifier: Apache-2.0
#pragma once
// The daemon's side of `pila-runtime spawner` (spawner.cpp). Threads: any.

#include "base/fd.h"
#include "base/mutex.h"

namespace pila::runtime {

// A shim that has not been told what to do; our child.
struct FreshShim {
    Fd connection, process;
};

class SpawnerClient {
public:
    // exe: pila-runtime. group: directory of the v2 control group that the spawner and its shims are born in; invalid:
    // the caller's.
    SpawnerClient(Fd exe, Fd group) : exe_(std::move(exe)), group_(std::move(group)) {}
    ~SpawnerClient();

    Result<FreshShim> take();
    // Orders the one that the next take() finds ready, and does not wait for it.
    void refill();

private:
    Result<void> start() REQUIRES(mutex_);
    void stop() REQUIRES(mutex_);
    Result<void> order() REQUIRES(mutex_);
    Result<FreshShim> receive() REQUIRES(mutex_);

    Fd exe_, group_;
    Mutex mutex_;
    Fd socket_ GUARDED_BY(mutex_), process_ GUARDED_BY(mutex_);
    Fd ordered_ GUARDED_BY(mutex_);  // our end of the connection to a shim that the spawner has not answered for yet
};

}  // namespace pila::runtime

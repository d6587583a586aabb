// SPDX-License-Identifier: Apache-2.0
#pragma once
// The objects on disk: what is written, in which order, and what a start finds again. Threads: the writer's only.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "cluster/state/checkpointer.h"
#include "cluster/state/state.h"
#include "store/sqlite.h"

namespace pila::cluster::state {

class Disk {
public:
    static Result<std::unique_ptr<Disk>> open(const std::string& path);

    struct Loaded {
        std::vector<ObjectPointer> objects;  // in no order
        Revision revision = 0;               // the newest there ever was
    };
    Result<Loaded> load();

    // All of them or none, synced when it returns. In order; `revision` is the last one's.
    Result<void> commit(const std::vector<Event>& events, Revision revision);
    // Sees to it that the log does not grow for ever: to be called between commits.
    void tidy();

private:
    Result<void> prepare(const std::string& path);
    Result<void> migrate();
    Result<void> attempt(const std::vector<Event>& events, Revision revision);
    Result<void> apply(const std::vector<Event>& events, Revision revision);

    Fd lock_;
    store::Connection connection_;  // before the statements: it must go last
    store::Statement begin_, commit_, rollback_, put_, remove_, count_up_, checkpoint_;
    std::unique_ptr<Checkpointer> checkpointer_;
    std::uint64_t pages_logged_ = 0;  // at most; since the last pass began
    unsigned passes_ = 0;             // since the log was last empty
};

}  // namespace pila::cluster::state

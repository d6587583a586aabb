// SPDX-License-Identifier: Apache-2.0
#pragma once
// The objects on disk: what is written, in which order, and what a start finds again. Threads: the writer's only.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

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
    // Moves what was committed to its place when there is enough of it: after the callers have their answers.
    void tidy();

private:
    Result<void> prepare(const std::string& path);
    Result<void> migrate();
    Result<void> apply(const std::vector<Event>& events, Revision revision);

    store::Connection connection_;  // before the statements: it must go last
    store::Statement begin_, commit_, rollback_, put_, remove_, count_up_, checkpoint_;
    std::uint64_t pages_logged_ = 0;  // at most
};

}  // namespace pila::cluster::state

// SPDX-License-Identifier: Apache-2.0
#include "engine/container.h"

#include <doctest/doctest.h>

namespace pila::engine {

TEST_CASE("who found a container just before it was removed is told so, whatever it waits for") {
    for (auto condition : {WaitCondition::Removed, WaitCondition::NextExit, WaitCondition::NotRunning}) {
        Container container({std::string(64, 'a'), {}, {}, {}}, "x", std::make_shared<const ContainerSpec>(), {});
        int early = -1, late = -1;
        container.wait_for(condition, [&](const WaitResult& result) { early = result.status_code; });
        container.notify(WaitCondition::Removed, {7, ""});
        container.wait_for(condition, [&](const WaitResult& result) { late = result.status_code; });
        CHECK(early == (condition == WaitCondition::NotRunning ? 0 : 7));  // it did not run
        CHECK(late == 7);
    }
}

}  // namespace pila::engine

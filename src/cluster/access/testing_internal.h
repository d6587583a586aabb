// SPDX-License-Identifier: Apache-2.0
#pragma once
// A state in memory, with objects as the registry would have written them.

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "cluster/state/state.h"

namespace pila::cluster::access {

class TestState {
public:
    TestState() : state_(state::State::open("").take()) {}
    // `rest`: members behind metadata, with their comma before them.
    void put(const std::string& key, const std::string& uid, const std::string& rest = "") {
        state::Write write;
        write.key = key;
        auto head =
            R"({"kind":"K","apiVersion":"v1","metadata":{"name":"n","uid":")" + uid + R"(","resourceVersion":")";
        write.revision_at = static_cast<std::uint32_t>(head.size());
        write.bytes = head + "\"}" + rest + "}";
        REQUIRE(state_->write(std::move(write)).ok());
    }
    void remove(const std::string& key) {
        state::Write write;
        write.key = key;
        REQUIRE(state_->write(std::move(write)).ok());
    }
    state::State& operator*() { return *state_; }

private:
    std::shared_ptr<state::State> state_;
};

}  // namespace pila::cluster::access

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <vector>

namespace pila::engine {

// Undoes what was done so far unless the creation succeeds.
class Undo {
public:
    ~Undo() {
        for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) (*step)();
    }
    void add(std::function<void()> step) { steps_.push_back(std::move(step)); }
    void release() { steps_.clear(); }

private:
    std::vector<std::function<void()>> steps_;
};

}  // namespace pila::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads what health probes say, so that none of them stands still on a full pipe, and keeps the beginning. One thread
// for all of them, asleep while nobody says anything.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/mutex.h"

namespace pila::engine {

class OutputDrain {
public:
    static constexpr std::size_t kept_bytes = 4096;

    static Result<std::unique_ptr<OutputDrain>> create();
    ~OutputDrain();
    OutputDrain(const OutputDrain&) = delete;
    OutputDrain& operator=(const OutputDrain&) = delete;

    Result<void> add(std::uint64_t key, Fd socket);
    // What has come by now; "..." at its end: there was more. The socket is closed.
    std::string take(std::uint64_t key);

private:
    struct Source {
        Fd socket;
        std::string text;
        bool more = false;
    };
    OutputDrain(Fd epoll, Fd stop);
    void run();
    static bool read_available(Source& source);  // false: the end

    Fd epoll_, stop_;
    Mutex mutex_;
    std::map<std::uint64_t, Source> sources_ GUARDED_BY(mutex_);
    std::thread thread_;
};

}  // namespace pila::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Programs of other processors: run by a user-mode emulator of CPUs (QEMU's) that the kernel calls for them. An
// emulator that the distribution has registered is used; else an installed one is registered as "pila-NAME", for every
// daemon on the machine, until `./dev uninstall`. Threads: any.

#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"

namespace pila::engine {

struct Emulator {
    std::string architecture;  // Docker's name: "arm64"
    std::string program;       // "/usr/bin/qemu-aarch64-static"
};

class Emulation {
public:
    // search_path: where emulators may be, as $PATH.
    explicit Emulation(std::string search_path) : search_path_(std::move(search_path)) {}

    // This machine's processor runs it by itself (an unknown architecture is not doubted).
    static bool is_native(std::string_view architecture);
    // What would run it; NotFound says what to install.
    Result<Emulator> find(std::string_view architecture) const;
    // The same, and from now on the kernel knows it.
    Result<Emulator> enable(std::string_view architecture);
    // Whatever can run here: what the processor runs by itself first (program ""), then what there is an emulator for.
    std::vector<Emulator> all() const;

private:
    const std::string search_path_;
    Mutex mutex_;  // registrations one after the other
};

}  // namespace pila::engine

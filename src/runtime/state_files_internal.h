// SPDX-License-Identifier: Apache-2.0
#pragma once
// The files of a shim's state directory (shim_client.h).

#include <sys/types.h>
#include <cstdint>
#include <string>

#include "runtime/shim_client.h"

namespace pila::runtime {

// Process ids are reused; with its start time (clock ticks since boot) one names a process for good.
struct ProcessName {
    pid_t pid = -1;
    std::uint64_t started = 0;
};
struct PidRecord {
    ProcessName container, shim;
};

Result<ProcessName> process_name(pid_t pid);
bool still_runs(const ProcessName& name);

Result<void> write_pid_record(const std::string& state_directory, const PidRecord& record);
Result<PidRecord> read_pid_record(const std::string& state_directory);
Result<void> write_exit_record(const std::string& state_directory, const ExitRecord& record);
std::string shim_socket_path(const std::string& state_directory);

}  // namespace pila::runtime

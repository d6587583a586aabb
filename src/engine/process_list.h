// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `docker top` shows: the host's own ps, of which only the lines of given processes are kept.

#include <sys/types.h>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::engine {

struct ProcessList {
    std::vector<std::string> titles;
    std::vector<std::vector<std::string>> processes;  // as many cells as titles
};

// `arguments` as the client gave them, separated by spaces; "": "-ef". Takes some milliseconds.
Result<ProcessList> list_processes(std::string_view arguments, const std::vector<pid_t>& wanted);

// The table that ps printed. Lines of threads ("-" for a process id) belong to the process before them.
Result<ProcessList> parse_process_table(std::string_view output, const std::vector<pid_t>& wanted);
// Invalid: an option that names another column "PID" ("-o cmd=PID"), which would choose foreign processes.
Result<void> check_ps_arguments(std::string_view arguments);

}  // namespace pila::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Further processes in running containers. In memory only: after a daemon restart their streams live on, the records do
// not (as Docker's). A record goes when its container ends, or 5 minutes after the exec did. Threads: any.

#include <sys/types.h>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mutex.h"
#include "base/time.h"

namespace pila::engine {

struct ExecSpec {
    std::vector<std::string> command, environment;
    std::string user, working_directory, detach_keys;
    bool tty = false, attach_stdin = false, attach_stdout = false, attach_stderr = false, privileged = false;
    std::uint16_t rows = 0, columns = 0;
};
Result<ExecSpec> parse_exec(const json::object& body);

struct Exec {
    enum class Phase : std::uint8_t { Created, Running, Ended };
    std::string id, container_id;
    ExecSpec spec;
    Phase phase = Phase::Created;
    pid_t pid = 0;
    std::optional<int> exit_code;
    std::chrono::steady_clock::time_point ended;
};

class Execs {
public:
    std::string add(const std::string& container_id, ExecSpec spec);
    Result<Exec> find(const std::string& id) const;  // NotFound: "No such exec instance: ID"
    // Conflict when it was started before.
    Result<Exec> begin(const std::string& id);
    void set_running(const std::string& id, pid_t pid);
    void set_ended(const std::string& id, int exit_code);
    void forget_container(const std::string& container_id);
    std::vector<std::string> of_container(const std::string& container_id) const;  // that have not ended

private:
    void drop_old() REQUIRES(mutex_);
    mutable Mutex mutex_;
    std::map<std::string, Exec> execs_ GUARDED_BY(mutex_);
};

}  // namespace pila::engine

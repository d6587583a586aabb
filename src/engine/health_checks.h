// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs the health checks of running containers: a timer each, one probe of a container at a time, through the shim's
// exec. Its threads begin with the first container that has a health check.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/timer_queue.h"
#include "base/work_queue.h"
#include "engine/container.h"
#include "engine/output_drain.h"
#include "engine/security.h"

namespace pila::engine {

class HealthChecks {
public:
    // Called when a container's status has changed through a probe, on a thread that may block.
    using Changed = std::function<void(const ContainerPointer&)>;
    // Of a probe: "exec_create", "exec_start".
    using Tell = std::function<void(const ContainerPointer&, const char* action, const std::string& exec_id)>;
    HealthChecks(TimerQueue& timers, SecurityDefaults security, Changed changed, Tell tell)
        : timers_(timers), security_(std::move(security)), changed_(std::move(changed)), tell_(std::move(tell)) {}
    // Waits for probes that are being started.
    ~HealthChecks();

    enum class From : std::uint8_t { Start, Resume };
    // Start: the status is "starting" again. Resume (unpaused, or the daemon came back): it stays as it was.
    void running(const ContainerPointer& container, From from);
    // Paused or ended: as Docker says, nobody vouches for it now.
    void not_running(const ContainerPointer& container);
    // False: no probe of ours. Must not block: from the shims' watcher.
    bool exec_exited(const std::string& exec_id, int exit_code);
    void stop();  // no probe from now on

private:
    struct Monitor {
        ContainerPointer container;
        std::uint64_t key = 0;    // of this run of the container; of its probe's output, too
        std::uint64_t timer = 0;  // of the next probe, or of the end of its patience
        std::string exec_id;      // "": no probe is running
        WallTime begun;
        std::chrono::nanoseconds begun_after{};
    };
    void schedule(Monitor& monitor) REQUIRES(mutex_);
    void probe(const std::string& container_id, std::uint64_t key);
    Result<void> start_probe(const ContainerPointer& container, const std::string& exec_id, std::uint64_t key);
    void timed_out(const std::string& container_id, const std::string& exec_id);
    // `exec_id` says which probe; one that is not awaited any more changes nothing.
    void finish(const std::string& container_id, const std::string& exec_id, int exit_code, std::string output);
    Result<void> ensure_threads() REQUIRES(mutex_);

    TimerQueue& timers_;
    const SecurityDefaults security_;  // of the engine's containers
    const Changed changed_;
    const Tell tell_;
    Mutex mutex_;
    std::map<std::string, Monitor> monitors_ GUARDED_BY(mutex_);    // by container
    std::map<std::string, std::string> probed_ GUARDED_BY(mutex_);  // exec -> container
    std::uint64_t next_key_ GUARDED_BY(mutex_) = 1;
    bool stopped_ GUARDED_BY(mutex_) = false;
    std::unique_ptr<WorkQueue> workers_ GUARDED_BY(mutex_);
    std::unique_ptr<OutputDrain> drain_ GUARDED_BY(mutex_);
};

}  // namespace pila::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once
// One container as the engine keeps it. Identity is immutable; the rest is read as snapshots (Container::state(),
// spec()) and changed only by the engine under the container's operation lock. Threads: any.

#include <sys/types.h>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/time.h"
#include "engine/health.h"
#include "engine/spec.h"
#include "image/digest.h"
#include "network/network.h"
#include "runtime/shim_client.h"

namespace pila::engine {

enum class Status : std::uint8_t { Created, Running, Paused, Restarting, Removing, Exited, Dead };
std::string_view name_of(Status status);  // "created", "running", ...

struct ContainerState {
    Status status = Status::Created;
    pid_t pid = 0;
    int exit_code = 0;
    bool oom_killed = false;
    bool stopped_by_user = false;  // restart policies leave it alone
    std::string error;
    WallTime started_at, finished_at;
    int restart_count = 0;
    int quick_restarts = 0;  // in a row, each after less than ten seconds; not stored
    Health health;           // None: no health check, or never run
    std::vector<network::Endpoint> endpoints;
    std::vector<network::PublishedPort> ports;

    bool is_running() const { return status == Status::Running || status == Status::Paused; }
};

struct VolumeMount {  // what a mount turned into, as inspect's Mounts shows it
    std::string type, name, source, destination, driver, mode, propagation;
    bool writable = true;
    bool recursive = true, recursive_read_only = true;
    bool listed = true;   // by inspect
    std::string subpath;  // of the volume or image
};

// The mounts of a container at one moment; cheap to copy.
class VolumeMounts {
public:
    explicit VolumeMounts(std::vector<VolumeMount> mounts)
        : mounts_(std::make_shared<const std::vector<VolumeMount>>(std::move(mounts))) {}
    auto begin() const { return mounts_->begin(); }
    auto end() const { return mounts_->end(); }
    const std::vector<VolumeMount>& list() const { return *mounts_; }

private:
    std::shared_ptr<const std::vector<VolumeMount>> mounts_;
};

struct ContainerIdentity {
    std::string id;
    WallTime created;
    image::Digest image_id;
    std::vector<std::string> layers;  // diff ids as text, uppermost first
    bool transient = false;           // belongs to an operation of this daemon's: recover() removes it
};

enum class WaitCondition : std::uint8_t { NotRunning, NextExit, Removed };

struct WaitResult {
    int status_code = 0;
    std::string error;
};

class Container {
public:
    Container(ContainerIdentity identity, std::string name, SpecPointer spec, std::vector<VolumeMount> volumes)
        : identity_(std::move(identity)),
          volumes_(std::move(volumes)),
          name_(std::move(name)),
          spec_(std::move(spec)) {}

    const std::string& id() const { return identity_.id; }
    const ContainerIdentity& identity() const { return identity_; }
    std::string short_id() const { return identity_.id.substr(0, 12); }

    std::string name() const;
    SpecPointer spec() const;
    VolumeMounts volumes() const;
    ContainerState state() const;
    std::shared_ptr<runtime::ShimClient> shim() const;

    void set_name(std::string name);
    void set_spec(SpecPointer spec);
    void set_volumes(VolumeMounts volumes);
    // Atomic; returns the state afterwards. The only way to change it.
    template <typename Change>
    ContainerState update(Change change) {
        Lock lock(mutex_);
        change(state_);
        return state_;
    }
    void set_shim(std::shared_ptr<runtime::ShimClient> shim);
    // How long it has been running, whatever the wall clock did meanwhile. `before`: of the time under an earlier
    // daemon.
    void started(std::chrono::nanoseconds before = {});
    std::chrono::nanoseconds ran_for() const;

    // A client was told that it is attached before its stream has reached add_pending() or the shim: a start waits for
    // it, or the first output would miss it. The token counts until it is destroyed.
    class Expected {
    public:
        explicit Expected(std::shared_ptr<Container> container);
        ~Expected();
        Expected(const Expected&) = delete;
        Expected& operator=(const Expected&) = delete;

    private:
        std::shared_ptr<Container> container_;
    };
    void await_expected(std::chrono::milliseconds at_most);

    // Streams that clients attached before the start; handed to the shim by it.
    void add_pending(runtime::Attachment attachment);
    std::vector<runtime::Attachment> take_pending();

    // Runs once when the condition is next met, on the thread that brings it about; at once if it is met already.
    // NotRunning counts a container that never ran as met. `key` cancels it.
    std::uint64_t wait_for(WaitCondition condition, std::function<void(WaitResult)> callback);
    void cancel_wait(std::uint64_t key);
    void notify(WaitCondition condition, const WaitResult& result);  // NextExit also meets NotRunning

private:
    struct Waiter {
        std::uint64_t key;
        WaitCondition condition;
        std::function<void(WaitResult)> callback;
    };

    const ContainerIdentity identity_;
    mutable Mutex mutex_;
    VolumeMounts volumes_ GUARDED_BY(mutex_);
    std::string name_ GUARDED_BY(mutex_);
    SpecPointer spec_ GUARDED_BY(mutex_);
    ContainerState state_ GUARDED_BY(mutex_);
    std::shared_ptr<runtime::ShimClient> shim_ GUARDED_BY(mutex_);
    std::vector<runtime::Attachment> pending_ GUARDED_BY(mutex_);
    std::vector<Waiter> waiters_ GUARDED_BY(mutex_);
    std::optional<WaitResult> removed_ GUARDED_BY(mutex_);
    std::chrono::steady_clock::time_point runs_since_ GUARDED_BY(mutex_);
    Condition expected_arrived_;
    int expected_ GUARDED_BY(mutex_) = 0;
    std::uint64_t next_key_ GUARDED_BY(mutex_) = 1;
};
using ContainerPointer = std::shared_ptr<Container>;

}  // namespace pila::engine

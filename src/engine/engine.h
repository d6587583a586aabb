// SPDX-License-Identifier: Apache-2.0
#pragma once
// The model a Docker user sees, and the only owner of life cycles: containers, execs, their streams and logs. Faces
// (docker/, later cluster/node/) translate; this decides.
//
// Files below DATA_DIR: containers/ID/{upper,work} (snapshot), containers/ID/{hosts,hostname,resolv.conf,log.json};
// below RUN_DIR: containers/ID/ (a shim's socket and records). Threads: any may call; operations on one container are
// serialised. recover() adopts the containers whose shims live on and settles those that ended meanwhile.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/keyed_lock.h"
#include "base/timer_queue.h"
#include "base/work_queue.h"
#include "engine/container.h"
#include "engine/container_table.h"
#include "engine/control_groups.h"
#include "engine/emulation.h"
#include "engine/exec.h"
#include "engine/log_settings.h"
#include "engine/names.h"
#include "engine/security.h"
#include "engine/volumes.h"
#include "http/message.h"
#include "image/image_store.h"
#include "image/registry.h"
#include "journal/journal.h"
#include "network/network.h"
#include "os/user_namespace.h"
#include "runtime/shim_client.h"
#include "snapshot/snapshot.h"

namespace pila::engine {

struct EngineOptions {
    std::string instance = "pila";
    std::string data_directory = "/var/lib/pila";
    std::string run_directory = "/run/pila";
    std::string runtime_exe;
    std::string cgroup_parent;  // "/pila" when empty
    LogDefaults logs;
    std::string seccomp_profile;               // --seccomp-profile
    std::vector<std::string> cdi_directories;  // --cdi-spec-dir
    os::IdMap id_map;                          // --userns-remap; empty: containers have the host's ids
    std::string emulator_path = "/usr/bin";    // where emulators of other processors are looked for
};

struct Parts {  // made by app/, outlive the engine
    store::Store& store;
    journal::Journal& journal;
    image::ImageStore& images;
    image::Registry& registry;
    snapshot::Snapshots& snapshots;
    network::NetworkManager& networks;
};

enum class Changed : std::uint8_t { No, Yes };

struct Created {
    std::string id;
    std::vector<std::string> warnings;
};

// Operation: ends with this daemon, and what it writes is not synced (a build's RUN).
enum class Lifetime : std::uint8_t { Own, Operation };

struct CreateOptions {
    std::string_view platform;  // what the image has to be for, else NotFound; "": whatever it is
    Lifetime lifetime = Lifetime::Own;
};

struct RemoveOptions {
    bool force = false, volumes = false;
};

struct AttachOptions {
    bool input = false, output = false, error = false, logs = false, stream = true;
    std::string detach_keys;  // "ctrl-p,ctrl-q" form; "": the default
};

struct LogOptions {
    bool follow = false, output = true, error = true, timestamps = false, details = false;
    std::int64_t tail = -1;  // lines; -1: all
    WallTime since, until;
};

struct CommitOptions {
    std::string container, reference, author, message;
    std::vector<std::string> changes;
    bool pause = true;
    std::optional<image::ImageConfig> config;  // the request's body, over the container's
};

// What is mounted by descriptor at `destination`; "": only to be held until it is.
struct MountSource {
    std::string destination;
    Fd fd;
};

class ContainerFiles;
class HealthChecks;
class LingeringRoots;
class LiveEdit;
class StatsHub;
class Undo;

class Engine : public runtime::ShimEvents {
public:
    static Result<std::unique_ptr<Engine>> create(EngineOptions options, Parts parts);
    ~Engine() override;

    Result<void> recover();
    bool has_running_containers() const;
    void stop_all_containers();  // --stop-containers-on-exit

    // Which container keeps an image from being removed, running ones first.
    image::ImageUse image_user(const image::Digest& id) const;
    const EngineOptions& options() const { return options_; }
    ContainerTable& containers() { return table_; }
    Execs& execs() { return execs_; }
    Volumes& volumes() { return volumes_; }
    Parts& parts() { return parts_; }
    const SecurityDefaults& security() const { return security_; }
    const ControlGroups& groups() const { return groups_; }
    const Emulation& emulation() const { return emulation_; }
    StatsHub& stats() { return *stats_; }
    TimerQueue& timers() { return *timers_; }
    WorkQueue& background() { return *background_; }
    ContainerFiles& files() { return *files_; }  // docker cp, docker export
    // The root file system of a container that is not running, by whoever is alone with it (FileAccess).
    Result<Fd> mount_root(const Container& container, snapshot::Writes writes, const os::UserNamespace* ids);

    Result<Created> create_container(const Context& context, std::string_view name, const json::object& body,
                                     const CreateOptions& options = {});
    Result<Changed> start(const Context& context, std::string_view reference);
    // timeout in seconds, -1: wait for ever; unset: the container's own, or 10.
    Result<Changed> stop(const Context& context, std::string_view reference, std::optional<int> timeout,
                         const std::string& signal);
    Result<void> restart(const Context& context, std::string_view reference, std::optional<int> timeout,
                         const std::string& signal);
    Result<void> kill(const Context& context, std::string_view reference, const std::string& signal);
    Result<void> pause(const Context& context, std::string_view reference, bool paused);
    Result<void> remove(const Context& context, std::string_view reference, const RemoveOptions& options);
    Result<void> rename(const Context& context, std::string_view reference, std::string_view name);
    // Limits and restart policy, of a running container at once; returns warnings. An error: nothing has changed.
    Result<std::vector<std::string>> update(const Context& context, std::string_view reference, json::object changes);
    // Ports, mounts, networks and all that update() changes, together or not at all; of a container that runs without
    // its noticing. `body`: of POST /containers/{id}/set. Returns warnings.
    Result<std::vector<std::string>> set(const Context& context, std::string_view reference, const json::object& body);
    Result<void> resize(std::string_view reference, std::uint16_t rows, std::uint16_t columns);

    // Takes over the client's connection. Before the start: kept until then.
    Result<void> attach(const Context& context, const ContainerPointer& container, const AttachOptions& options,
                        http::Hijacked connection);
    Result<ContainerPointer> find(std::string_view reference) { return table_.find(reference); }

    // Docker's framing unless the container has a terminal. `finish` semantics: the sink returns false once gone.
    Result<void> read_logs(const Container& container, const LogOptions& options,
                           const std::function<bool(std::string_view)>& sink);
    // Parks: everything so far, then what comes, until the container ends or the client goes.
    void follow_logs(const ContainerPointer& container, const LogOptions& options,
                     std::shared_ptr<http::Stream> stream);

    Result<std::string> create_exec(const Context& context, std::string_view reference, const json::object& body);
    // The exec's streams go to `connection`; without one it is detached.
    Result<void> start_exec(const Context& context, const std::string& exec_id,
                            std::optional<http::Hijacked> connection, const std::string& detach_keys, bool terminal);
    // A client asks as soon as its stream has ended, so the answer must not be older than that.
    Result<Exec> inspect_exec(const std::string& exec_id);
    Result<void> resize_exec(const std::string& exec_id, std::uint16_t rows, std::uint16_t columns);

    Result<void> connect_network(const Context& context, std::string_view reference,
                                 const network::EndpointRequest& endpoint);
    Result<void> disconnect_network(const Context& context, std::string_view reference, const std::string& network,
                                    bool force);

    // What a container that has ended changed, in overlay's form, moved to `directory`, which must not be there.
    Result<void> take_changes(std::string_view reference, const std::string& directory);
    Result<image::ImagePointer> commit(const Context& context, const CommitOptions& options);

    std::string volume_user(const std::string& name) const;  // id of a container that has it; "": none
    // Tell everybody who listens to events.
    void publish_volume(const Context& context, const std::string& name, const char* action,
                        std::map<std::string, std::string> attributes = {});
    void publish(const Context& context, const Container& container, std::string action,
                 std::map<std::string, std::string> extra = {});

    // runtime::ShimEvents, on the watcher's thread
    void container_exited(const std::string& container_id, const runtime::ExitRecord& record, Fd root) override;
    void exec_exited(const std::string& container_id, const std::string& exec_id,
                     const runtime::ExitRecord& record) override;
    void out_of_memory(const std::string& container_id) override;
    void log_rotated(const std::string& container_id) override;
    void detached(const std::string& container_id, const std::string& exec_id) override;
    void shim_lost(const std::string& container_id) override;

private:
    friend class ContainerFiles;
    friend class LiveEdit;
    Engine(EngineOptions options, Parts parts, ControlGroups groups);

    std::string container_directory(const std::string& id) const {
        return options_.data_directory + "/containers/" + id;
    }
    std::string state_directory(const std::string& id) const { return options_.run_directory + "/containers/" + id; }

    // A container for as long as nobody else may start, stop or remove it; NotFound if it went while we waited.
    struct Held {
        ContainerPointer container;
        KeyedLock::Guard guard;
    };
    Result<Held> hold(std::string_view reference);
    // engine_users.cpp
    Result<void> check_remap();
    // What a container that is yet to start will live in; none: the host's.
    Result<std::optional<os::UserNamespace>> user_namespace_of(const ContainerSpec& spec) const;

    // engine_volumes.cpp
    Result<std::vector<VolumeMount>> resolve_volumes(const Context& context, const ContainerSpec& spec, Undo& undo);
    Result<VolumeMount> volume_mount(const Context& context, const MountSpec& mount, const std::string& default_driver,
                                     Undo& undo);
    Result<void> fill_volumes(const ContainerSpec& spec, const std::vector<VolumeMount>& mounts,
                              const std::vector<std::string>& layers, const os::UserNamespace* ids);
    Result<void> use_volumes(const Container& container, const std::vector<VolumeMount>& mounts);
    void release_volumes(const Container& container);
    void remove_anonymous_volumes(const Context& context, const Container& container);
    void publish_volumes(const Context& context, const Container& container, const std::vector<VolumeMount>& mounts,
                         const char* action);
    Result<std::vector<MountSource>> open_mount_sources(const std::vector<VolumeMount>& mounts,
                                                        const os::UserNamespace* ids);

    // engine_start.cpp; the operation lock is held
    Result<void> start_locked(const Context& context, const ContainerPointer& container);
    Result<void> prepare_emulation(const Container& container);
    Result<void> launch(const Context& context, const ContainerPointer& container, network::Sandbox& sandbox,
                        runtime::LogPlan log, const os::UserNamespace* ids);
    Result<network::Sandbox> attach_networks(const Context& context, const Container& container,
                                             const os::UserNamespace* ids);
    void note_failed_start(Container& container, const Error& error, int exit_code);

    // engine_stop.cpp
    Result<Changed> stop_locked(const Context& context, const ContainerPointer& container, std::optional<int> timeout,
                                const std::string& signal);
    bool wait_stopped(const Context& context, const ContainerPointer& container,
                      std::optional<std::chrono::milliseconds> at_most);
    void settle_exit(const ContainerPointer& container, const runtime::ExitRecord& record);
    static bool wants_restart(const ContainerSpec& spec, const ContainerState& state);
    void after_exit(const ContainerPointer& container, std::chrono::nanoseconds ran_for);
    void schedule_restart(const ContainerPointer& container, std::chrono::nanoseconds ran_for);
    Result<void> remove_locked(const Context& context, const ContainerPointer& container, bool remove_volumes);

    void publish_endpoints(const Context& context, const Container& container, const char* action,
                           const std::vector<network::Endpoint>& endpoints);
    // With the network "host" or "none" if it is in that.
    void publish_networks(const Context& context, const Container& container, const char* action,
                          const std::vector<network::Endpoint>& endpoints);
    void publish_exec(const Context& context, const Container& container, std::string_view action,
                      const std::vector<std::string>& command, const std::string& exec_id);
    void health_changed(const ContainerPointer& container);
    void compress_logs(const Container& container);
    Result<void> recover_container(const ContainerPointer& container);
    void sweep_directories();

    const EngineOptions options_;
    Parts parts_;
    const ControlGroups groups_;
    SecurityDefaults security_;
    ContainerTable table_;
    Execs execs_;
    Volumes volumes_;
    Emulation emulation_;
    KeyedLock operations_;
    KeyedLock transitions_;  // short: a start against the exit it may cause at once. Taken inside operations_
    std::unique_ptr<class LogFollower> follower_;
    std::unique_ptr<class LogCompressor> compressor_;
    std::unique_ptr<StatsHub> stats_;
    std::unique_ptr<HealthChecks> health_;
    std::unique_ptr<ContainerFiles> files_;
    std::unique_ptr<LingeringRoots> lingering_;
    std::unique_ptr<TimerQueue> timers_;     // restarts with back-off
    std::unique_ptr<WorkQueue> background_;  // may take operation locks: exec starts, restarts, automatic removal
    std::unique_ptr<WorkQueue> exits_;       // never takes one: a stop waits for its container's exit
    std::unique_ptr<runtime::ShimSupervisor> supervisor_;
};

// "SIGTERM", "TERM", "15", "RTMIN+3" -> number; Invalid: "Invalid signal: X".
Result<int> parse_signal(std::string_view text);
// "ctrl-p,ctrl-q", "a,ctrl-\\" -> bytes.
Result<std::string> parse_detach_keys(std::string_view text);

}  // namespace pila::engine

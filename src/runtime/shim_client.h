// SPDX-License-Identifier: Apache-2.0
#pragma once
// The daemon's side of a shim: one `pila-runtime shim` process per running container that owns its stdio, log file and
// exit code, and outlives the daemon.
//
// Files in Plan::state_directory (tmpfs): "shim.sock" (SOCK_SEQPACKET, connect again after a daemon restart), "pid"
// (pid and start time of container and shim, before the payload runs), "exit" (ExitRecord, atomically, after).
//
// Life: start() spawns the shim and returns once the payload's exec has succeeded, or its failure. The connection stays
// open; when the payload ends, the shim flushes and closes all attached streams, writes "exit", reports it, waits for
// the daemon's forget() (or for nobody being connected), removes its cgroup and ends. If the daemon is away it writes
// the record and ends. Killing a shim kills its container.
//
// Threads: any thread may call any method; calls of one ShimClient are serialised. Callbacks run on the watcher's
// thread and must not block.

#include <sys/types.h>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/fd.h"
#include "base/time.h"
#include "runtime/plan.h"

namespace pila::runtime {

struct ExitRecord {
    int code = 0;  // 128 + signal when killed
    bool oom_killed = false;
    WallTime finished_at;
};

// A stream that the shim serves directly: the client's own connection (or one end of a socket pair).
// Raw for a terminal; otherwise Docker's framing: {stream (1 stdout, 2 stderr), 0, 0, 0, length (4 bytes, big endian)}.
struct Attachment {
    Fd stream;                 // stream socket
    std::string already_read;  // bytes that the client had sent behind its request
    bool input = false, output = false, error = false;
    bool raw = false;         // no framing although not a terminal (pila's own use)
    std::string detach_keys;  // bytes; "": none. Typed by the client: the stream is closed, the process lives on
    bool close_stdin_when_gone = false;  // StdinOnce: end of this client's input is end of the process's input
};

struct ExecRequest {
    std::string exec_id;
    ProcessPlan process;
    std::optional<Attachment> attachment;
};

// A port of the host that a shim holds by a socket.
struct HeldPort {
    std::uint8_t protocol = 0;  // IPPROTO_*
    std::string address;        // numeric: "0.0.0.0", "::"
    std::uint16_t port = 0;
};

// A relay of the shim's that passes new connections on to somewhere else from now on.
struct RelayMove {
    HeldPort from;  // where it listens
    std::string address;
    std::uint16_t port = 0;
};

struct PortHold {
    std::vector<Fd> sockets;        // to be held from now on
    std::vector<RelayPlan> relays;  // listen_fd: index into `sockets`
    std::vector<RelayMove> moves;
    std::vector<HeldPort> ports;  // let go of these; or, with `keep`, of all others
    bool keep = false;
};

class ShimEvents {  // implemented by the engine
public:
    virtual ~ShimEvents() = default;
    // `root`: its root file system if that came as a descriptor; the last reference to it when the shim has ended.
    virtual void container_exited(const std::string& container_id, const ExitRecord& record, Fd root) = 0;
    virtual void exec_exited(const std::string& container_id, const std::string& exec_id, const ExitRecord& record) = 0;
    // The kernel killed a process of the container for memory, which need not be its end.
    virtual void out_of_memory(const std::string& container_id) = 0;
    // A client typed the detach keys; exec_id "": of the container itself.
    virtual void detached(const std::string& container_id, const std::string& exec_id) = 0;
    // There is a rotated log file more (LogPlan::tell_rotation).
    virtual void log_rotated(const std::string& container_id) = 0;
    // The shim itself died without a record (killed): its container is gone or going.
    virtual void shim_lost(const std::string& container_id) = 0;
};

struct Started {
    pid_t pid = -1;  // payload, in the host's pid namespace
    pid_t shim_pid = -1;
};

class ShimClient {
public:
    virtual ~ShimClient() = default;
    virtual const Started& started() const = 0;
    virtual Result<void> attach(Attachment attachment) = 0;
    virtual Result<pid_t> exec(const Context& context,
                               ExecRequest request) = 0;  // after exec succeeded; NotFound/Denied: 127/126
    virtual Result<void> resize(const std::string& exec_id, std::uint16_t rows,
                                std::uint16_t columns) = 0;                 // "": the container
    virtual Result<void> kill(const std::string& exec_id, int signal) = 0;  // "": PID 1 of the container
    virtual Result<void> kill_all() = 0;                                    // SIGKILL to everything in it
    virtual Result<void> pause(bool paused) = 0;                            // freezer
    virtual Result<std::vector<pid_t>> processes() = 0;
    virtual Result<void> update(const ResourcePlan& resources) = 0;
    virtual Result<void> reopen_log() = 0;
    // Connections that a relay has accepted go on. Unsupported: the shim is that of an older pila.
    virtual Result<void> hold_ports(const PortHold& wanted) = 0;
    virtual void forget() = 0;  // the exit was recorded; the shim may go
};

// A shim that makes its control groups while the daemon still puts together what is to run in them. Unmade when it is
// destroyed without having been used.
class PreparedShim {
public:
    virtual ~PreparedShim() = default;
};

// Starts shims and watches all of them on one thread.
class ShimSupervisor {
public:
    // runtime_exe: the pila-runtime program; it is copied once into a sealed memfd and always executed from there.
    static Result<std::unique_ptr<ShimSupervisor>> create(const std::string& runtime_exe, ShimEvents& events);
    virtual ~ShimSupervisor() = default;

    // Descriptors are referred to by index from the plan (root_fd, NamespacePlan::received_fd).
    // Error codes: NotFound (program or directory missing: Docker's 127), Denied (not executable: 126), others.
    // `prepared`: of this supervisor, with the plan's cgroup_path.
    virtual Result<std::shared_ptr<ShimClient>> start(const Context& context, const Plan& plan, std::vector<Fd> fds,
                                                      std::vector<Attachment> attachments,
                                                      std::unique_ptr<PreparedShim> prepared = nullptr) = 0;
    virtual Result<std::unique_ptr<PreparedShim>> prepare(const std::string& cgroup_path) = 0;
    // After a daemon restart: connects to a shim that still runs; nullptr-free. If it has ended meanwhile: NotFound,
    // and read_exit_record says how.
    virtual Result<std::shared_ptr<ShimClient>> adopt(const std::string& container_id,
                                                      const std::string& state_directory) = 0;
};

Result<ExitRecord> read_exit_record(const std::string& state_directory);

}  // namespace pila::runtime

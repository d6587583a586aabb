// SPDX-License-Identifier: Apache-2.0
#pragma once
// What daemon and shim say to each other over their SOCK_SEQPACKET connection. One request, one reply with its number;
// reports of exits come unasked. Descriptors travel beside the message that names them by index.

#include <sys/types.h>
#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "runtime/plan.h"
#include "runtime/shim_client.h"

namespace pila::runtime {

// Numbers and fields are for good: a new daemon takes over the shims of an older one.
enum class Verb : std::uint8_t {
    Start,
    Adopt,
    Attach,
    Exec,
    Resize,
    Kill,
    KillAll,
    Pause,
    Processes,
    Update,
    ReopenLog,
    Forget,
    Prepare,  // no reply; Start follows, or the end of the connection
    Ports,    // plan: PortsRequest
};

// An Attachment without its stream: streams follow the plan's descriptors, in this order.
struct AttachOptions {
    std::string already_read;
    bool input = false, output = false, error = false, raw = false;
    std::string detach_keys;
    bool close_stdin_when_gone = false;
};

// What Ports asks for; the descriptors that come along are held.
// RelayPlan::listen_fd of a PortsRequest: the listener of the relay that is at ports[index] and stays there. A shim
// that does not know it refuses it as no descriptor of the request's.
inline int listener_at(std::size_t index) { return -2 - static_cast<int>(index); }
inline bool is_listener_at(int listen_fd) { return listen_fd <= -2; }

struct PortsRequest {
    std::vector<RelayPlan> relays;  // listen_fd: of those descriptors
    std::vector<HeldPort> ports;
    bool keep = false;  // hold no others than `ports` and what came along; otherwise `ports` are let go
};
std::string encode(const PortsRequest& request);
Result<PortsRequest> decode_ports(std::string_view bytes);

struct Request {
    Verb verb = Verb::Start;
    std::uint32_t number = 0;
    std::string plan;  // Start: Plan; Exec: ProcessPlan; both as serialize() writes them. Prepare: path of the groups
    std::vector<AttachOptions> attachments;
    std::string exec_id;
    std::uint16_t rows = 0, columns = 0;
    std::int32_t signal = 0;
    bool paused = false;
    ResourcePlan resources;
};

struct Report {
    enum class Kind : std::uint8_t { Reply, Exited, ExecExited, OutOfMemory, LogRotated, Detached };
    Kind kind = Kind::Reply;
    std::uint32_t number = 0;
    // Reply
    bool ok = true;
    Errc code = Errc::Internal;
    std::int32_t os_errno = 0;
    std::string message;
    std::int32_t pid = -1;
    std::int32_t shim_pid = -1;
    std::vector<std::int32_t> pids;
    // Exited, ExecExited
    std::string exec_id;
    std::int32_t exit_code = 0;
    bool oom_killed = false;
    std::int64_t finished_at = 0;
};

std::string encode(const Request& request);
std::string encode(const Report& report);
Result<Request> decode_request(std::string_view bytes);
Result<Report> decode_report(std::string_view bytes);

Report failure(std::uint32_t number, const Error& error);
Error error_of(const Report& report);
AttachOptions options_of(const Attachment& attachment);
Attachment attachment_of(const AttachOptions& options, Fd stream);

struct Parcel {
    std::string bytes;
    std::vector<Fd> fds;
};

// Any number of descriptors and any size: split over several messages, long bodies in a memfd.
Result<void> send_parcel(FdView socket, std::string_view bytes, const std::vector<int>& fds);
// Unavailable once the other side has closed.
Result<Parcel> receive_parcel(FdView socket, int timeout_ms);

}  // namespace pila::runtime

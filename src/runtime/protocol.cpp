// SPDX-License-Identifier: Apache-2.0
#include "runtime/protocol_internal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>

#include "os/file.h"
#include "os/socket.h"
#include "runtime/plan_codec_internal.h"

namespace pila::runtime {

template <typename A>
static void describe(A& archive, AttachOptions& options) {
    archive(options.already_read, options.input, options.output, options.error, options.raw, options.detach_keys,
            options.close_stdin_when_gone);
}

template <typename A>
static void describe(A& archive, Request& request) {
    archive(request.verb, request.number, request.plan, request.attachments, request.exec_id, request.rows,
            request.columns, request.signal, request.paused, request.resources);
    archive.require(request.verb <= Verb::Ports);
}

template <typename A>
static void describe(A& archive, HeldPort& port) {
    archive(port.protocol, port.address, port.port);
}

template <typename A>
static void describe(A& archive, PortsRequest& request) {
    archive(request.relays, request.ports, request.keep);
}

template <typename A>
static void describe(A& archive, Report& report) {
    archive(report.kind, report.number, report.ok, report.code, report.os_errno, report.message, report.pid,
            report.shim_pid, report.pids, report.exec_id, report.exit_code, report.oom_killed, report.finished_at);
    archive.require(report.kind <= Report::Kind::Detached && report.code <= Errc::Internal);
}

std::string encode(const Request& request) { return codec::encode(request); }
std::string encode(const Report& report) { return codec::encode(report); }

std::string encode(const PortsRequest& request) { return codec::encode(request); }

Result<PortsRequest> decode_ports(std::string_view bytes) {
    PortsRequest request;
    if (!codec::decode(bytes, request)) return Error(Errc::Invalid, "ports for a shim: malformed or cut short");
    return request;
}

Result<Request> decode_request(std::string_view bytes) {
    Request request;
    if (!codec::decode(bytes, request)) return Error(Errc::Invalid, "request to a shim: malformed or cut short");
    return request;
}

Result<Report> decode_report(std::string_view bytes) {
    Report report;
    if (!codec::decode(bytes, report)) return Error(Errc::Invalid, "report of a shim: malformed or cut short");
    return report;
}

Report failure(std::uint32_t number, const Error& error) {
    Report report;
    report.number = number;
    report.ok = false;
    report.code = error.code();
    report.os_errno = error.os_errno();
    report.message = error.message();
    return report;
}

Error error_of(const Report& report) { return Error(report.code, report.message, report.os_errno); }

AttachOptions options_of(const Attachment& attachment) {
    return {.already_read = attachment.already_read,
            .input = attachment.input,
            .output = attachment.output,
            .error = attachment.error,
            .raw = attachment.raw,
            .detach_keys = attachment.detach_keys,
            .close_stdin_when_gone = attachment.close_stdin_when_gone};
}

Attachment attachment_of(const AttachOptions& options, Fd stream) {
    Attachment attachment;
    attachment.stream = std::move(stream);
    attachment.already_read = options.already_read;
    attachment.input = options.input;
    attachment.output = options.output;
    attachment.error = options.error;
    attachment.raw = options.raw;
    attachment.detach_keys = options.detach_keys;
    attachment.close_stdin_when_gone = options.close_stdin_when_gone;
    return attachment;
}

namespace {

// First byte of each message.
constexpr char more_descriptors = 'F';  // nothing but descriptors that belong to the message after it
constexpr char whole_body = 'B';
constexpr char body_in_memfd = 'M';  // the last descriptor holds the body

constexpr std::size_t fds_a_message = 16;
constexpr std::size_t longest_body = 96U << 10;  // well below the default socket buffer of 208 KiB
constexpr std::size_t longest_memfd_body = 16U << 20;
constexpr std::size_t most_fds = 512;

Result<Fd> memfd_with(std::string_view bytes) {
    Fd memory(::memfd_create("pila-plan", MFD_CLOEXEC));
    if (!memory) return Error::from_errno(errno, "create memfd");
    TRY(os::write_all(memory, bytes));
    if (::lseek(memory.get(), 0, SEEK_SET) < 0) return Error::from_errno(errno, "rewind memfd");
    return memory;
}

}  // namespace

Result<void> send_parcel(FdView socket, std::string_view bytes, const std::vector<int>& fds) {
    std::vector<int> rest = fds;
    std::string body(1, whole_body);
    Fd memory;
    if (bytes.size() > longest_body) {
        memory = TRY(memfd_with(bytes));
        rest.push_back(memory.get());
        body[0] = body_in_memfd;
    } else {
        body += bytes;
    }
    while (rest.size() > fds_a_message) {
        auto middle = rest.begin() + fds_a_message;
        TRY(os::send_message(socket, std::string_view(&more_descriptors, 1), {rest.begin(), middle}));
        rest.erase(rest.begin(), middle);
    }
    return os::send_message(socket, body, rest);
}

Result<Parcel> receive_parcel(FdView socket, int timeout_ms) {
    Parcel parcel;
    for (;;) {
        auto message = TRY(os::receive_message(socket, timeout_ms));
        for (auto& fd : message.fds) parcel.fds.push_back(std::move(fd));
        if (message.bytes.empty() || parcel.fds.size() > most_fds)
            return Error(Errc::Invalid, "message between daemon and shim: not understood");
        char kind = message.bytes[0];
        if (kind == more_descriptors) continue;
        if (kind == whole_body) {
            parcel.bytes = message.bytes.substr(1);
            return parcel;
        }
        if (kind != body_in_memfd || parcel.fds.empty())
            return Error(Errc::Invalid, "message between daemon and shim: not understood");
        Fd memory = std::move(parcel.fds.back());
        parcel.fds.pop_back();
        parcel.bytes = TRY(os::read_all(memory, longest_memfd_body));
        return parcel;
    }
}

}  // namespace pila::runtime

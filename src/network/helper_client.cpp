// SPDX-License-Identifier: Apache-2.0
#include "network/helper_client.h"

#include <csignal>
#include <cstring>

#include <fmt/core.h>

#include "os/socket.h"

namespace pila::network {

namespace helper = os::helper;

static constexpr int answer_timeout_ms = 20'000;  // the kernel may hold a namespace back for seconds under load
static constexpr int end_timeout_ms = 2'000;

HelperClient::~HelperClient() {
    socket_.reset();
    if (!process_.pidfd) return;
    if (os::wait_child(process_.pidfd, end_timeout_ms)) return;
    ignore(os::send_signal(process_.pidfd, SIGKILL), "it may just have ended");
    ignore(os::wait_child(process_.pidfd), "only reaps");
}

Result<void> HelperClient::start() {
    if (process_.pidfd) {
        ignore(os::send_signal(process_.pidfd, SIGKILL), "usually it has ended already");
        ignore(os::wait_child(process_.pidfd), "only reaps");
        process_ = {};
    }
    auto [ours, theirs] = TRY(os::message_socket_pair());
    os::Spawn spawn;
    spawn.exe = runtime_exe_;
    spawn.argv = {"pila-runtime", "helper"};
    spawn.fds = {{2, 2}, {theirs.get(), helper::socket_fd}};
    process_ = TRY(os::spawn(spawn).in("starting the network helper"));
    socket_ = std::move(ours);
    return {};
}

Result<std::vector<Fd>> HelperClient::call_once(const helper::Request& request, int fd, std::string_view doing) {
    std::string_view bytes(reinterpret_cast<const char*>(&request), sizeof request);
    std::vector<int> fds;
    if (fd >= 0) fds.push_back(fd);
    auto sent = os::send_message(socket_, bytes, fds);
    if (!sent) return std::move(sent).take_error().with_code(Errc::Unavailable);
    for (;;) {
        auto message = TRY(os::receive_message(socket_, answer_timeout_ms));
        helper::Reply reply;
        if (message.bytes.size() != sizeof reply) return Error(Errc::Internal, "network helper of another build");
        std::memcpy(&reply, message.bytes.data(), sizeof reply);
        if (reply.sequence != request.sequence) continue;  // of a request that was given up
        reply.step[sizeof reply.step - 1] = '\0';
        if (reply.error) return Error::from_errno(reply.error, fmt::format("{}: {}", doing, reply.step));
        return std::move(message.fds);
    }
}

Result<std::vector<Fd>> HelperClient::call(helper::Request& request, int fd, std::string_view doing) {
    Lock lock(mutex_);
    request.magic = helper::magic;
    request.sequence = ++sequence_;
    if (socket_) {
        auto answer = call_once(request, fd, doing);
        if (answer || answer.error().code() != Errc::Unavailable) return answer;
    }
    TRY(start());
    return call_once(request, fd, doing);
}

Result<NewNamespace> HelperClient::new_namespace(FdView owner) {
    helper::Request request{};
    request.operation = helper::Operation::NewNamespace;
    auto fds = TRY(call(request, owner.get(), "new network namespace"));
    if (fds.size() != 2) return Error(Errc::Internal, "network helper: namespace expected");
    auto netlink = TRY(os::net::NetlinkSocket::adopt(std::move(fds[1])));
    return NewNamespace{std::move(fds[0]), std::move(netlink)};
}

Result<Fd> HelperClient::open_socket(FdView space, const SocketRequest& wanted) {
    helper::Request request{};
    request.operation = helper::Operation::OpenSocket;
    request.domain = wanted.domain;
    request.type = wanted.type;
    request.protocol = wanted.protocol;
    request.reuse_address = wanted.reuse_address;
    request.backlog = wanted.backlog;
    request.address_size = wanted.address.size;
    std::memcpy(request.address, &wanted.address.storage, wanted.address.size);
    auto fds = TRY(call(request, space.get(), "socket in a container's network namespace"));
    if (fds.size() != 1) return Error(Errc::Internal, "network helper: socket expected");
    return std::move(fds[0]);
}

Result<void> HelperClient::write_sysctl(FdView space, std::string_view path, std::string_view value) {
    helper::Request request{};
    request.operation = helper::Operation::WriteSysctl;
    if (path.size() >= sizeof request.path || value.size() >= sizeof request.value)
        return Error(Errc::Invalid, fmt::format("sysctl {} too long", path));
    std::memcpy(request.path, path.data(), path.size());
    std::memcpy(request.value, value.data(), value.size());
    TRY(call(request, space.get(), fmt::format("sysctl {} in a container's network namespace", path)));
    return {};
}

Result<os::net::NetlinkSocket> HelperClient::open_netlink(FdView space) {
    helper::Request request{};
    request.operation = helper::Operation::Join;
    auto fds = TRY(call(request, space.get(), "netlink socket in a container's network namespace"));
    if (fds.size() != 1) return Error(Errc::Internal, "network helper: netlink socket expected");
    return os::net::NetlinkSocket::adopt(std::move(fds[0]));
}

}  // namespace pila::network

// SPDX-License-Identifier: Apache-2.0
#include "runtime/spawner_client_internal.h"

#include <poll.h>
#include <utility>

#include "os/socket.h"
#include "os/spawn.h"
#include "runtime/protocol_internal.h"

namespace pila::runtime {

SpawnerClient::~SpawnerClient() {
    Lock lock(mutex_);
    stop();
}

void SpawnerClient::stop() {
    if (ordered_ && socket_) ignore(receive(), "its shim ends with its connection");
    socket_.reset();
    if (process_) ignore(os::wait_child(process_), "only reaps");
    process_.reset();
}

Result<void> SpawnerClient::start() {
    auto [ours, theirs] = TRY(os::message_socket_pair());
    os::Spawn what;
    what.exe = "pila-runtime";
    what.exe_fd = exe_;
    // As long as a shim's command line, which is written over this one.
    what.argv = {"pila-runtime", "shim", std::string(64, '-')};
    what.fds = {{theirs.get(), 3}};
    what.cgroup = group_;
    process_ = TRY(os::spawn(what).in("start the spawner of shims")).pidfd;
    socket_ = std::move(ours);
    return {};
}

Result<void> SpawnerClient::order() {
    auto [ours, theirs] = TRY(os::message_socket_pair());
    TRY(os::send_message(socket_, "shim", {theirs.get()}));
    ordered_ = std::move(ours);
    return {};
}

Result<FreshShim> SpawnerClient::receive() {
    FreshShim shim{std::exchange(ordered_, {}), {}};
    auto answer = TRY(receive_parcel(socket_, -1));
    auto report = TRY(decode_report(answer.bytes));
    if (!report.ok) return error_of(report);
    if (answer.fds.empty()) return Error(Errc::Internal, "no descriptor of its process came");
    shim.process = std::move(answer.fds[0]);
    return shim;
}

static bool has_ended(const FreshShim& shim) {
    pollfd process{shim.process.get(), POLLIN, 0};
    return ::poll(&process, 1, 0) == 1;
}

Result<FreshShim> SpawnerClient::take() {
    Lock lock(mutex_);
    if (ordered_) {
        auto ready = receive();
        if (ready && !has_ended(*ready)) return ready;
        if (ready) ignore(os::wait_child(ready->process), "killed while it waited: only reaps");
    }
    // Twice: the spawner may have been killed, too.
    for (bool again : {true, false}) {
        if (!socket_) TRY(start());
        auto ordered = order();
        auto shim = ordered ? receive() : Result<FreshShim>(ordered.take_error());
        if (shim) return shim;
        stop();
        if (!again) return std::move(shim).take_error().in("start a shim");
    }
    return Error(Errc::Internal, "start a shim");
}

void SpawnerClient::refill() {
    Lock lock(mutex_);
    if (ordered_) return;
    if (socket_ && order()) return;
    stop();  // killed
    if (auto started = start(); started) ignore(order(), "take() starts it again");
}

}  // namespace pila::runtime

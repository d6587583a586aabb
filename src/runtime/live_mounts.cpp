// SPDX-License-Identifier: Apache-2.0
#include "runtime/live_mounts_internal.h"

#include <csignal>

#include "os/socket.h"
#include "runtime/plan_codec_internal.h"
#include "runtime/protocol_internal.h"

namespace pila::runtime {

static constexpr int answer_timeout_ms = 30'000;  // a file server may take its time
static constexpr int end_timeout_ms = 10'000;

template <typename A>
static void describe(A& archive, MountStep& step) {
    archive(step.kind, step.mount, step.lazy, step.if_missing);
    archive.require(step.kind <= MountStep::Kind::Detach);
}

template <typename A>
static void describe(A& archive, MountOrder& order) {
    archive(order.version, order.has_user_namespace, order.steps);
    archive.require(order.version == 1);
}

std::string encode(const MountOrder& order) { return codec::encode(order); }

Result<MountOrder> decode_mount_order(std::string_view bytes) {
    MountOrder order;
    if (!codec::decode(bytes, order)) return Error(Errc::Invalid, "mounts: malformed, or of another build");
    return order;
}

Result<LiveMounts> LiveMounts::apply(const std::string& runtime_exe, const MountJob& job) {
    auto [ours, theirs] = TRY(os::message_socket_pair());
    os::Spawn spawn;
    spawn.exe = runtime_exe;
    spawn.argv = {"pila-runtime", "mount"};
    spawn.fds = {{2, 2}, {theirs.get(), mount_socket_fd}};
    LiveMounts mounts(TRY(os::spawn(spawn).in("start pila-runtime mount")), std::move(ours));
    theirs.reset();
    MountOrder order{1, job.user_namespace.valid(), job.steps};
    std::vector<int> fds{job.mount_namespace.get()};
    if (order.has_user_namespace) fds.push_back(job.user_namespace.get());
    for (const auto& source : job.sources) fds.push_back(source.get());
    TRY(send_parcel(mounts.socket_, encode(order), fds).in("ask pila-runtime mount"));
    auto parcel = TRY(receive_parcel(mounts.socket_, answer_timeout_ms).in("wait for pila-runtime mount"));
    auto report = TRY(decode_report(parcel.bytes));
    if (!report.ok) return error_of(report);
    return mounts;
}

void LiveMounts::keep() {
    ignore(os::send_message(socket_, std::string_view(&mount_kept, 1)), "without it they are taken back");
    end();
}

void LiveMounts::end() {
    socket_.reset();
    if (!process_.pidfd) return;
    if (!os::wait_child(process_.pidfd, end_timeout_ms)) {
        ignore(os::send_signal(process_.pidfd, SIGKILL), "it may just have ended");
        ignore(os::wait_child(process_.pidfd), "only reaps");
    }
    process_.pidfd.reset();
}

LiveMounts::~LiveMounts() { end(); }

}  // namespace pila::runtime

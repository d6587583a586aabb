// SPDX-License-Identifier: Apache-2.0
#pragma once
// The fields of plan.h, in their order on the wire.

#include "runtime/codec_internal.h"
#include "runtime/plan.h"

namespace pila::runtime {

template <typename A>
void describe(A& archive, NamespacePlan& plan) {
    archive(plan.type, plan.path, plan.received_fd);
    archive.require(plan.type <= Namespace::Time);
}

template <typename A>
void describe(A& archive, IdMapping& plan) {
    archive(plan.container_id, plan.host_id, plan.size);
}

template <typename A>
void describe(A& archive, MountPlan& plan) {
    archive(plan.source, plan.target, plan.type, plan.flags, plan.propagation, plan.data, plan.source_fd,
            plan.recursive_readonly, plan.copy_up);
}

template <typename A>
void describe(A& archive, DevicePlan& plan) {
    archive(plan.path, plan.type, plan.major, plan.minor, plan.mode, plan.uid, plan.gid);
}

template <typename A>
void describe(A& archive, DeviceRule& plan) {
    archive(plan.allow, plan.type, plan.major, plan.minor, plan.access);
}

template <typename A>
void describe(A& archive, DeviceLimit& plan) {
    archive(plan.major, plan.minor, plan.value);
}

template <typename A>
void describe(A& archive, ResourcePlan& plan) {
    archive(plan.devices, plan.memory_limit, plan.memory_swap, plan.memory_reservation, plan.memory_swappiness,
            plan.oom_kill_disable, plan.cpu_shares, plan.cpu_quota_us, plan.cpu_period_us, plan.cpu_realtime_runtime_us,
            plan.cpu_realtime_period_us, plan.cpuset_cpus, plan.cpuset_mems, plan.block_weight,
            plan.block_weight_devices, plan.read_bytes_devices, plan.write_bytes_devices, plan.read_operations_devices,
            plan.write_operations_devices, plan.pids_limit, plan.unified);
}

template <typename A>
void describe(A& archive, RlimitPlan& plan) {
    archive(plan.resource, plan.soft, plan.hard);
}

template <typename A>
void describe(A& archive, CapabilityPlan& plan) {
    archive(plan.bounding, plan.effective, plan.permitted, plan.inheritable, plan.ambient);
}

template <typename A>
void describe(A& archive, ProcessPlan& plan) {
    archive(plan.args, plan.environment, plan.working_directory, plan.uid, plan.gid, plan.additional_gids, plan.umask,
            plan.terminal, plan.terminal_rows, plan.terminal_columns, plan.keep_stdin_open, plan.capabilities,
            plan.rlimits, plan.no_new_privileges, plan.oom_score_adj, plan.apparmor_profile, plan.selinux_label,
            plan.seccomp_bpf, plan.seccomp_flags);
}

template <typename A>
void describe(A& archive, LogPlan& plan) {
    archive(plan.path, plan.format, plan.attributes, plan.max_bytes, plan.max_files, plan.tell_rotation);
    archive.require(plan.format <= LogFormat::Local);
}

template <typename A>
void describe(A& archive, RelayPlan& plan) {
    archive(plan.listen_fd, plan.address, plan.port);
}

template <typename A>
void describe(A& archive, Plan& plan) {
    archive(plan.id, plan.root_path, plan.root_fd, plan.root_readonly, plan.root_propagation, plan.hostname,
            plan.domainname, plan.namespaces, plan.uid_mappings, plan.gid_mappings, plan.mounts, plan.devices,
            plan.masked_paths, plan.readonly_paths, plan.sysctl, plan.cgroup_path, plan.resources, plan.process,
            plan.init, plan.state_directory, plan.log, plan.held_fds, plan.relays);
}

}  // namespace pila::runtime

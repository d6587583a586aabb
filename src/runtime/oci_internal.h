// SPDX-License-Identifier: Apache-2.0
#pragma once
// OCI bundles: config.json (runtime specification 1.0 to 1.2) -> Plan.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/plan.h"
#include "runtime/seccomp_filter.h"

#include <boost/json/fwd.hpp>

namespace pila::runtime::oci {

// `bundle`: absolute path of its directory; relative paths in the configuration start there.
Result<Plan> plan_of_config(std::string_view config_json, const std::string& bundle);

// One process section; of `exec --process`: what it leaves out is as the container's.
Result<void> read_process(const boost::json::object& process, ProcessPlan& into);
Result<ProcessPlan> process_of_json(std::string_view json, const ProcessPlan& container);
// "0-2,5", bit n = CPU n.
std::optional<std::vector<std::uint64_t>> parse_cpu_list(std::string_view text);

// linux.resources of the "linux" section.
Result<void> read_resources(const boost::json::object& linux_section, Plan& plan);
// The same object by itself, as `update --resources` takes it: limits alone, no device rules.
Result<ResourcePlan> limits_of_json(std::string_view json);

// The linux.seccomp object (the same form as Docker's --security-opt seccomp=FILE, less its "includes").
Result<seccomp::Profile> seccomp_profile(const boost::json::object& section);
// Its flags and listener into the plan.
Result<void> read_seccomp_options(const boost::json::object& section, const seccomp::Profile& profile, Plan& plan);

// Options of a mount as fstab and the specification write them, into flags, propagation and data of `mount`.
Result<void> apply_mount_option(std::string_view option, MountPlan& mount);

std::vector<std::string> seccomp_flag_names();

// All that apply_mount_option knows, sorted: `features` tells them.
std::vector<std::string> mount_option_names();

// What `spec` writes.
std::string example_config(bool rootless, unsigned uid, unsigned gid);

}  // namespace pila::runtime::oci

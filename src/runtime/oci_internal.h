// SPDX-License-Identifier: Apache-2.0
#pragma once
// OCI bundles: config.json (runtime specification 1.0 to 1.2) -> Plan.

#include <string>
#include <string_view>

#include "runtime/plan.h"
#include "runtime/seccomp_filter.h"

#include <boost/json/fwd.hpp>

namespace pila::runtime::oci {

// `bundle`: absolute path of its directory; relative paths in the configuration start there.
Result<Plan> plan_of_config(std::string_view config_json, const std::string& bundle);

// linux.resources of the "linux" section.
Result<void> read_resources(const boost::json::object& linux_section, Plan& plan);

// The linux.seccomp object (the same form as Docker's --security-opt seccomp=FILE, less its "includes").
Result<seccomp::Profile> seccomp_profile(const boost::json::object& section);

// Options of a mount as fstab and the specification write them, into flags, propagation and data of `mount`.
Result<void> apply_mount_option(std::string_view option, MountPlan& mount);

// What `spec` writes.
std::string example_config(bool rootless, unsigned uid, unsigned gid);

}  // namespace pila::runtime::oci

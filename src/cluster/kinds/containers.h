// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parts of the rules of pods that need to know the pod around them.

#include <map>
#include <optional>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "cluster/kinds/path.h"
#include "cluster/kinds/report.h"

namespace pila::cluster::kinds {

using Volumes = std::map<std::string_view, const json::object*>;

// A pod's spec, and what its containers look up in it.
struct PodContext {
    const json::object& spec;
    Volumes volumes;
    std::optional<std::int64_t> grace;  // terminationGracePeriodSeconds
    std::string_view restart_policy;
    bool host_users = true;
};

void check_mounts(const json::object& container, const PodContext& pod, const Path& path, Report& report);
void check_resize_policy(const json::object& container, const PodContext& pod, const Path& path, Report& report);
void check_probes(const json::object& container, const PodContext& pod, const Path& path, Report& report);
void check_placement(const json::object& spec, const Path& path, Report& report);  // gates, spread
void check_system(const json::object& spec, const Path& path, Report& report);     // name servers, operating system
void check_port_number_or_name(const json::value* port, const Path& path, Report& report);
void check_descending_path(std::string_view path_text, const Path& path, Report& report);  // relative, no ".."

}  // namespace pila::cluster::kinds

// SPDX-License-Identifier: Apache-2.0
#pragma once
// --log-driver and --log-opt: which there are, what they may be (dockerd's words), and what follows for the shim.

#include <map>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "runtime/plan.h"

namespace pila::engine {

struct ContainerSpec;

using LogOptionMap = std::map<std::string, std::string>;

struct LogDefaults {  // of the daemon, for containers that do not name a driver
    std::string driver = "json-file";
    LogOptionMap options;
};

// The drivers there are and their options' names. Values are looked at when a container starts, as dockerd does it.
Result<void> check_log_config(const std::string& driver, const LogOptionMap& options);
// Fills in the daemon's defaults: LogConfig of a HostConfig, as it is stored and shown.
Result<void> settle_log_config(json::object& host_config, const LogDefaults& defaults);

// Of the log below `directory`; "": nothing is kept.
std::string log_path_of(const ContainerSpec& spec, const std::string& directory);
runtime::LogFormat log_format_of(const ContainerSpec& spec);
bool logs_are_compressed(const ContainerSpec& spec);

struct LogSubject {  // what a tag and attributes may tell about a container
    std::string id, name, image_id;
};
// "failed to initialize logging driver: ..." when a value is no good.
Result<runtime::LogPlan> plan_log(const ContainerSpec& spec, const LogSubject& subject, const std::string& directory);

}  // namespace pila::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once
// `pila daemon`'s settings: flags, over those of --config FILE (YAML; the keys are the flags' names), over the
// defaults.

#include <map>
#include <string>
#include <vector>

#include "app/control_plane.h"
#include "app/registry_options.h"
#include "base/log.h"
#include "base/result.h"

namespace pila::app {

struct DaemonOptions {
    std::string instance = "pila";
    std::string data_directory;            // /var/lib/INSTANCE
    std::string run_directory;             // /run/INSTANCE
    std::string docker_socket;             // RUN_DIR/docker.sock
    std::string socket_group;              // may use the socket; "": INSTANCE's group if there is one
    std::vector<std::string> hosts;        // further addresses: tcp://127.0.0.1:2375, unix:///path
    bool tls = false, tls_verify = false;  // of tcp:// hosts; verify: clients need certificates
    std::string tls_ca, tls_certificate, tls_key;
    std::vector<std::string> registry_mirrors, insecure_registries;
    std::string bridge_subnet;                 // of the default network; "": chosen
    std::vector<std::string> cdi_directories;  // {"/etc/cdi", "/var/run/cdi"} if empty
    std::string seccomp_profile;               // file, "unconfined"; "": the built-in one
    std::string userns_remap;                  // "default", "USER[:GROUP]", ...; "": none
    std::string runtime_exe;                   // pila-runtime; "": beside this program
    std::string log_driver = "json-file";      // of containers that name none
    std::map<std::string, std::string> log_driver_options;
    log::Level log_level = log::Level::Info;
    log::Format log_format = log::Format::Text;
    bool runs_engine = true, runs_control_plane = true, has_role = false;  // roles; has: not the default
    ControlPlaneOptions control_plane;
    RegistryOptions registry;  // listens nowhere: there is none
    bool stop_containers_on_exit = false;
    bool help = false;
};

Result<DaemonOptions> parse_daemon_options(const std::vector<std::string>& arguments);
std::string daemon_help();

}  // namespace pila::app

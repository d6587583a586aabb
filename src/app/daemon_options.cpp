// SPDX-License-Identifier: Apache-2.0
#include "app/daemon_options.h"

#include <functional>
#include <list>

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

#include "app/setting.h"
#include "base/text.h"
#include "os/file.h"

namespace pila::app {

namespace {

// A setting is one row: the same name as flag and as key of the configuration file.
struct Setting {
    std::string_view name, argument, help;  // argument "": a switch
    std::function<Result<void>(DaemonOptions&, const std::string& value)> apply;
};

Result<void> set(std::string& target, const std::string& value) {
    target = value;
    return {};
}

Result<void> set_instance(DaemonOptions& options, const std::string& value) {
    // Part of interface names (15 characters in all) and of paths.
    bool good = !value.empty() && value.size() <= 10 &&
                value.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
    if (!good) return Error(Errc::Invalid, "must be 1 to 10 of a-z, 0-9 and -");
    options.instance = value;
    return {};
}

Result<void> set_log_level(DaemonOptions& options, const std::string& value) {
    for (auto [name, level] : {std::pair{"debug", log::Level::Debug}, std::pair{"info", log::Level::Info},
                               std::pair{"warning", log::Level::Warning}, std::pair{"error", log::Level::Error}})
        if (value == name) {
            options.log_level = level;
            return {};
        }
    return Error(Errc::Invalid, "must be debug, info, warning or error");
}

Result<void> set_log_format(DaemonOptions& options, const std::string& value) {
    if (value != "text" && value != "json") return Error(Errc::Invalid, "must be text or json");
    options.log_format = value == "json" ? log::Format::Json : log::Format::Text;
    return {};
}

Result<void> add_log_option(DaemonOptions& options, const std::string& value) {
    auto equals = value.find('=');
    if (equals == std::string::npos || equals == 0) return Error(Errc::Invalid, "must be NAME=VALUE");
    options.log_driver_options[value.substr(0, equals)] = value.substr(equals + 1);
    return {};
}

// The first that is given takes the place of the default, which is all of them.
Result<void> add_role(DaemonOptions& options, const std::string& value) {
    if (value != "engine" && value != "control-plane" && value != "all")
        return Error(Errc::Invalid, "must be engine, control-plane or all");
    if (!options.has_role) options.runs_engine = options.runs_control_plane = false;
    options.has_role = true;
    if (value != "control-plane") options.runs_engine = true;
    if (value != "engine") options.runs_control_plane = true;
    return {};
}

Result<void> set_audit_size(DaemonOptions& options, const std::string& value) {
    std::uint64_t megabytes = 0;
    TRY(set_number(megabytes, value));
    if (megabytes == 0) return Error(Errc::Invalid, "must be 1 or more");
    options.control_plane.audit_log.max_bytes = megabytes << 20;
    return {};
}

// Those of `pila registry`, with another name here.
void add_registry_settings(std::vector<Setting>& settings) {
    static std::list<std::string> names;
    for (const auto& row : registry_settings())
        settings.push_back({names.emplace_back("registry-" + std::string(row.name)), row.argument, row.help,
                            [&row](auto& options, auto& value) { return row.apply(options.registry, value); }});
}

std::vector<Setting> make_settings() {
    std::vector<Setting> all = {
        {"instance", "NAME",
         "names of the bridge, firewall table and cgroup; several may run side by side (default pila)", set_instance},
        {"data-dir", "DIR", "images, containers, volumes (default /var/lib/INSTANCE)",
         [](auto& o, auto& v) { return set_path(o.data_directory, v); }},
        {"run-dir", "DIR", "sockets and state of running containers (default /run/INSTANCE)",
         [](auto& o, auto& v) { return set_path(o.run_directory, v); }},
        {"docker-socket", "PATH", "where docker clients connect (default RUN_DIR/docker.sock)",
         [](auto& o, auto& v) { return set_path(o.docker_socket, v); }},
        {"socket-group", "GROUP",
         "group that may use the socket: its members are root on this machine (default: root only)",
         [](auto& o, auto& v) { return set(o.socket_group, v); }},
        {"role", "ROLE", "engine (containers), control-plane (Kubernetes API) or all (default all; repeatable)",
         add_role},
        {"kube-listen", "ADDRESS:PORT", "where clients of Kubernetes connect (default 127.0.0.1:6443)",
         [](auto& o, auto& v) {
             o.control_plane.listen_is_given = true;
             return set(o.control_plane.listen, v);
         }},
        {"kube-name", "NAME", "a further host name or address that its certificate is good for (repeatable)",
         [](auto& o, auto& v) -> Result<void> {
             o.control_plane.names.push_back(v);
             return {};
         }},
        {"token-auth-file", "FILE",
         "lines of TOKEN,USER,UID,\"GROUP,GROUP\": who may ask the Kubernetes API by a token",
         [](auto& o, auto& v) { return set_path(o.control_plane.token_file, v); }},
        {"audit-policy-file", "FILE", "which requests to the Kubernetes API are logged (audit.k8s.io/v1 Policy)",
         [](auto& o, auto& v) { return set_path(o.control_plane.audit_policy_file, v); }},
        {"audit-log-path", "FILE", "... and where to",
         [](auto& o, auto& v) { return set_path(o.control_plane.audit_log.path, v); }},
        {"audit-log-maxsize", "MB", "a log that would be larger is put aside and begun anew (default 100)",
         set_audit_size},
        {"audit-log-maxbackup", "NUMBER", "how many logs that were put aside are kept (default 0: all)",
         [](auto& o, auto& v) { return set_number(o.control_plane.audit_log.max_backups, v); }},
        {"audit-log-maxage", "DAYS", "for how long they are kept (default 0: for ever)",
         [](auto& o, auto& v) { return set_number(o.control_plane.audit_log.max_days, v); }},
        {"tls", "", "tcp:// addresses speak TLS", [](auto& o, auto& v) { return set_switch(o.tls, v); }},
        {"tlsverify", "", "... and serve only clients with a certificate of --tlscacert",
         [](auto& o, auto& v) { return set_switch(o.tls_verify, v); }},
        {"tlscacert", "FILE", "authorities of the clients' certificates (PEM)",
         [](auto& o, auto& v) { return set_path(o.tls_ca, v); }},
        {"tlscert", "FILE", "the daemon's certificate (PEM)",
         [](auto& o, auto& v) { return set_path(o.tls_certificate, v); }},
        {"tlskey", "FILE", "the key of that certificate (PEM)",
         [](auto& o, auto& v) { return set_path(o.tls_key, v); }},
        {"host", "ADDRESS",
         "a further address to listen on: unix:///PATH, tcp://127.0.0.1:PORT, with --tlsverify any tcp:// (repeatable)",
         [](auto& o, auto& v) -> Result<void> {
             o.hosts.push_back(v);
             return {};
         }},
        {"registry-mirror", "URL", "asked first for images of docker.io (repeatable)",
         [](auto& o, auto& v) -> Result<void> {
             o.registry_mirrors.push_back(v);
             return {};
         }},
        {"insecure-registry", "HOST[:PORT]", "may be spoken to without TLS (repeatable)",
         [](auto& o, auto& v) -> Result<void> {
             o.insecure_registries.push_back(v);
             return {};
         }},
        {"bridge-subnet", "CIDR", "addresses of the default network (default: one that is free)",
         [](auto& o, auto& v) { return set(o.bridge_subnet, v); }},
        {"cdi-spec-dir", "DIR",
         "device descriptions for --device VENDOR/CLASS=NAME (repeatable, later ones win; default /etc/cdi, "
         "/var/run/cdi)",
         [](auto& o, auto& v) -> Result<void> {
             o.cdi_directories.push_back(v);
             return {};
         }},
        {"seccomp-profile", "FILE",
         "system calls that containers may make, in Docker's form, or builtin (default) or unconfined",
         [](auto& o, auto& v) { return set(o.seccomp_profile, v); }},
        {"userns-remap", "USER[:GROUP]",
         "containers run as the subordinate ids of this user (name or number; default: of dockremap), not as root's",
         [](auto& o, auto& v) { return set(o.userns_remap, v); }},
        {"runtime", "PATH", "the pila-runtime program (default: beside this one)",
         [](auto& o, auto& v) { return set_path(o.runtime_exe, v); }},
        {"log-driver", "DRIVER", "of containers that name none: json-file, local or none (default json-file)",
         [](auto& o, auto& v) { return set(o.log_driver, v); }},
        {"log-opt", "NAME=VALUE", "an option of that driver, as for docker run (repeatable)", add_log_option},
        {"log-level", "LEVEL", "debug, info, warning or error (default info)", set_log_level},
        {"log-format", "FORMAT", "text or json (default text)", set_log_format},
        {"stop-containers-on-exit", "", "stop them when the daemon is told to end, instead of leaving them running",
         [](auto& o, auto& v) { return set_switch(o.stop_containers_on_exit, v); }},
    };
    add_registry_settings(all);
    return all;
}

const std::vector<Setting>& settings() {
    static const std::vector<Setting> all = make_settings();
    return all;
}

const Setting* find_setting(std::string_view name) {
    for (const auto& setting : settings())
        if (setting.name == name) return &setting;
    return nullptr;
}

Result<void> read_config_file(DaemonOptions& options, const std::string& path) {
    auto text = TRY(os::read_file(path, 1U << 20).in("configuration"));
    try {
        auto root = YAML::Load(text);
        if (root.IsNull()) return {};
        if (!root.IsMap()) return Error(Errc::Invalid, path + ": must be a list of NAME: VALUE lines");
        for (const auto& item : root) {
            auto key = item.first.as<std::string>();
            const auto* setting = find_setting(key);
            if (!setting) return Error(Errc::Invalid, fmt::format("{}: unknown setting {}", path, key));
            std::vector<std::string> values;
            if (item.second.IsSequence())
                for (const auto& value : item.second) values.push_back(value.as<std::string>());
            else
                values.push_back(item.second.as<std::string>());
            for (const auto& value : values) TRY(setting->apply(options, value).in(fmt::format("{}: {}", path, key)));
        }
    } catch (const YAML::Exception& failure) {
        return Error(Errc::Invalid, fmt::format("{}: {}", path, failure.what()));
    }
    return {};
}

}  // namespace

Result<DaemonOptions> parse_daemon_options(const std::vector<std::string>& arguments) {
    DaemonOptions options;
    std::vector<std::pair<const Setting*, std::string>> given;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        std::string_view argument = arguments[i];
        if (argument == "-h" || argument == "--help") {
            options.help = true;
            return options;
        }
        if (argument == "-H") argument = "--host";
        auto flag = TRY(Flag::read(argument));
        auto name = flag.name();
        const auto* setting = find_setting(name);
        if (!setting && name != "config") return Error(Errc::Invalid, fmt::format("unknown flag --{}", name));
        auto value = TRY(flag.value(setting && setting->argument.empty(), arguments, i));
        if (setting)
            given.emplace_back(setting, value);
        else
            TRY(read_config_file(options, value));
    }
    for (const auto& [setting, value] : given)
        TRY(setting->apply(options, value).in(fmt::format("--{} {}", setting->name, value)));
    if (options.data_directory.empty()) options.data_directory = "/var/lib/" + options.instance;
    if (options.run_directory.empty()) options.run_directory = "/run/" + options.instance;
    if (options.docker_socket.empty()) options.docker_socket = options.run_directory + "/docker.sock";
    if (options.cdi_directories.empty()) options.cdi_directories = {"/etc/cdi", "/var/run/cdi"};
    return options;
}

std::string daemon_help() {
    std::string text =
        "Usage: pila daemon [OPTIONS]\n\nRuns the engine in the foreground. SIGTERM ends it; containers run "
        "on.\n\nOptions:\n";
    text += fmt::format("  {:<30} {}\n", "--config FILE", "YAML file of the settings below, without the dashes");
    for (const auto& setting : settings())
        text += fmt::format("  {:<30} {}\n", fmt::format("--{} {}", setting.name, setting.argument), setting.help);
    return text;
}

}  // namespace pila::app

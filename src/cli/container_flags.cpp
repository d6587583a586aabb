// SPDX-License-Identifier: Apache-2.0
#include "cli/container_options.h"
#include "cli/container_values.h"
#include "cli/units.h"

namespace pila::cli {

namespace {

// A plain list that `changed` alone cannot tell from an empty value: --entrypoint "".
FlagSetter text_and_mark(std::string& target, bool& mark) {
    return [&target, &mark](std::string_view value) -> Result<void> {
        target = value;
        mark = true;
        return {};
    };
}

FlagSetter number_and_mark(std::int64_t& target, bool& mark) {
    return [&target, &mark](std::string_view value) -> Result<void> {
        target = TRY(parse_go_int(value));
        mark = true;
        return {};
    };
}

FlagSetter any_sysctl(Texts& target) { return sysctl(target); }

void add_process_flags(Flags& flags, ContainerOptions& o) {
    flags.add({
        {"attach", 'a', stream_name(o.attach), "Attach to STDIN, STDOUT or STDERR", "list"},
        {"interactive", 'i', &o.interactive, "Keep STDIN open even when nothing is attached"},
        {"tty", 't', &o.tty, "Give the process a terminal"},
        {"env", 'e', environment_variable(o.environment), "Set an environment variable", "list"},
        {"env-file", 0, &o.environment_files, "Read environment variables from a file"},
        {"label", 'l', label(o.labels), "Set a label", "list"},
        {"label-file", 0, &o.label_files, "Read labels from a file, one a line"},
        {"group-add", 0, &o.group_add, "Join a further group"},
        {"entrypoint", 0, text_and_mark(o.entrypoint, o.has_entrypoint), "Replace the image's entry point", "string"},
        {"user", 'u', &o.user, "User to run as: <name|uid>[:<group|gid>]"},
        {"workdir", 'w', &o.working_directory, "Working directory in the container"},
        {"stop-signal", 0, &o.stop_signal, "Signal that stops the container"},
        {"stop-timeout", 0, number_and_mark(o.stop_timeout, o.has_stop_timeout),
         "Seconds between that signal and SIGKILL", "int"},
        {"init", 0, &o.init, "Run a small init that forwards signals and reaps processes"},
        {"annotation", 0, &o.annotations, "Add an annotation for the OCI runtime", "map", "map[]", 43},
    });
}

void add_network_flags(Flags& flags, ContainerOptions& o) {
    flags.add({
        {"hostname", 'h', &o.hostname, "Host name of the container"},
        {"domainname", 0, &o.domainname, "NIS domain name of the container"},
        {"mac-address", 0, &o.mac_address, "MAC address (e.g., 92:d0:c6:0a:29:33)"},
        {"ip", 0, &o.ip, "IPv4 address (e.g., 172.30.100.104)"},
        {"ip6", 0, &o.ip6, "IPv6 address (e.g., 2001:db8::33)"},
        {"network", 0, network(o.networks), "Connect the container to a network", "network"},
        {"net", 0, network(o.networks), "", "network", "", 0, true},
        {"network-alias", 0, &o.network_aliases, "Further name of the container on that network"},
        {"net-alias", 0, &o.network_aliases, "", "", "", 0, true},
        {"link-local-ip", 0, &o.link_local_ips, "Link-local address of the container"},
        {"link", 0, link_name(o.links), "Add a link to another container", "list"},
        {"add-host", 0, extra_host(o.extra_hosts), "Add a line to /etc/hosts (host:ip)", "list"},
        {"dns", 0, dns_server(o.dns), "DNS server to ask", "list"},
        {"dns-search", 0, dns_domain(o.dns_search), "DNS search domain", "list"},
        {"dns-option", 0, &o.dns_options, "DNS resolver option"},
        {"dns-opt", 0, &o.dns_options, "", "", "", 0, true},
        {"publish", 'p', &o.publish, "Publish a port to the host: [[ip:]port:]port[/protocol]"},
        {"publish-all", 'P', &o.publish_all, "Publish every exposed port to a free port of the host"},
        {"expose", 0, &o.expose, "Expose a port or a range of ports"},
    });
}

void add_file_system_flags(Flags& flags, ContainerOptions& o) {
    flags.add({
        {"volume", 'v', &o.volumes, "Mount a volume or a directory of the host: [source:]path[:options]"},
        {"mount", 0, mount(o.mounts), "Mount something: type=bind|volume|tmpfs|image,source=..,target=..", "mount"},
        {"volumes-from", 0, &o.volumes_from, "Mount the volumes of another container"},
        {"volume-driver", 0, &o.volume_driver, "Driver of volumes made for this container"},
        {"tmpfs", 0, &o.tmpfs, "Mount a tmpfs directory"},
        {"storage-opt", 0, &o.storage_options, "Option of the storage driver for this container"},
        {"device", 0, &o.devices, "Give the container a device of the host"},
        {"device-cgroup-rule", 0, device_rule(o.device_cgroup_rules), "Add a rule to the devices cgroup", "list"},
        {"read-only", 0, &o.read_only, "Mount the root file system read-only"},
        {"shm-size", 0, ram_size(o.shm_size), "Size of /dev/shm", "bytes"},
    });
}

void add_isolation_flags(Flags& flags, ContainerOptions& o) {
    flags.add({
        {"pid", 0, &o.pid, "PID namespace to use"},
        {"ipc", 0, &o.ipc, "IPC namespace to use"},
        {"uts", 0, &o.uts, "UTS namespace to use"},
        {"userns", 0, &o.userns, "User namespace to use"},
        {"cgroupns", 0, &o.cgroupns, "Cgroup namespace to use (host|private)", "", "", 41},
        {"cgroup-parent", 0, &o.cgroup_parent, "Parent cgroup of the container"},
        {"isolation", 0, &o.isolation, "Isolation technology"},
        {"runtime", 0, &o.runtime, "OCI runtime to use"},
        {"gpus", 0, gpu_request(o.gpus), "GPUs to give the container ('all' for all)", "gpu-request", "", 40},
        {"cap-add", 0, &o.cap_add, "Add a Linux capability"},
        {"cap-drop", 0, &o.cap_drop, "Drop a Linux capability"},
        {"security-opt", 0, &o.security_options, "Security option"},
        {"sysctl", 0, any_sysctl(o.sysctls), "Set a kernel parameter of the namespaces", "map", "map[]"},
        {"privileged", 0, &o.privileged, "Give the container the rights of the host's root"},
        {"use-api-socket", 0,
         FlagSetter([](std::string_view) -> Result<void> { return Error(Errc::Unsupported, "not supported"); }), "", "",
         "", 0, true},
    });
}

void add_resource_flags(Flags& flags, ContainerOptions& o) {
    flags.add({
        {"memory", 'm', ram_size(o.memory), "Memory limit", "bytes"},
        {"memory-reservation", 0, ram_size(o.memory_reservation), "Memory soft limit", "bytes"},
        {"memory-swap", 0, swap_size(o.memory_swap), "Memory and swap together; '-1' for unlimited swap", "bytes"},
        {"memory-swappiness", 0, &o.memory_swappiness, "Memory swappiness (0 to 100)", "", "-1"},
        {"kernel-memory", 0, ram_size(o.kernel_memory), "Kernel memory limit", "bytes"},
        {"cpus", 0, cpu_number(o.nano_cpus), "Number of CPUs", "decimal"},
        {"cpu-shares", 'c', &o.cpu_shares, "CPU shares (relative weight)"},
        {"cpu-period", 0, &o.cpu_period, "Period of the CPU bandwidth limit"},
        {"cpu-quota", 0, &o.cpu_quota, "Quota of the CPU bandwidth limit"},
        {"cpu-rt-period", 0, &o.cpu_rt_period, "Real-time period in microseconds"},
        {"cpu-rt-runtime", 0, &o.cpu_rt_runtime, "Real-time runtime in microseconds"},
        {"cpuset-cpus", 0, &o.cpuset_cpus, "CPUs to run on (0-3, 0,1)"},
        {"cpuset-mems", 0, &o.cpuset_mems, "Memory nodes to use (0-3, 0,1)"},
        {"cpu-count", 0, &o.cpu_count, "CPU count (Windows only)", "", "", windows_only},
        {"cpu-percent", 0, &o.cpu_percent, "CPU percent (Windows only)", "", "", windows_only},
        {"io-maxbandwidth", 0, ram_size(o.io_max_bandwidth), "IO bandwidth (Windows only)", "bytes", "", windows_only},
        {"io-maxiops", 0, &o.io_max_iops, "IO operations (Windows only)", "uint", "", windows_only},
        {"pids-limit", 0, &o.pids_limit, "Most processes in the container (-1: no limit)"},
        {"oom-score-adj", 0, &o.oom_score, "Preference of the OOM killer (-1000 to 1000)"},
        {"oom-kill-disable", 0, &o.oom_kill_disable, "Disable the OOM killer"},
        {"ulimit", 0, ulimit(o.ulimits), "Resource limit: name=soft[:hard]", "ulimit", "[]"},
        {"blkio-weight", 0, unsigned_16(o.blkio_weight), "Block IO weight (10 to 1000; 0: default)", "uint16", "0"},
        {"blkio-weight-device", 0, weight_device(o.blkio_weight_devices), "Block IO weight of a device", "list", "[]"},
        {"device-read-bps", 0, bytes_rate(o.read_bps), "Most bytes per second read from a device", "list", "[]"},
        {"device-write-bps", 0, bytes_rate(o.write_bps), "Most bytes per second written to a device", "list", "[]"},
        {"device-read-iops", 0, operations_rate(o.read_iops), "Most reads per second from a device", "list", "[]"},
        {"device-write-iops", 0, operations_rate(o.write_iops), "Most writes per second to a device", "list", "[]"},
    });
}

void add_life_flags(Flags& flags, ContainerOptions& o) {
    flags.add({
        {"name", 0, &o.name, "Name of the container"},
        {"restart", 0, &o.restart, "What to do when the container exits", "", "\"no\""},
        {"rm", 0, &o.remove, "Remove the container and its anonymous volumes when it exits"},
        {"cidfile", 0, &o.cid_file, "Write the container's id to a file"},
        {"log-driver", 0, &o.log_driver, "Logging driver"},
        {"log-opt", 0, &o.log_options, "Option of the logging driver"},
        {"health-cmd", 0, &o.health_command, "Command that checks the container's health"},
        {"health-interval", 0, duration(o.health_interval), "Time between two checks (ms|s|m|h)", "duration", "0s"},
        {"health-timeout", 0, duration(o.health_timeout), "Longest time of one check (ms|s|m|h)", "duration", "0s"},
        {"health-start-period", 0, duration(o.health_start_period), "Time to start before failures count (ms|s|m|h)",
         "duration", "0s"},
        {"health-start-interval", 0, duration(o.health_start_interval), "Time between checks while starting (ms|s|m|h)",
         "duration", "0s", 44},
        {"health-retries", 0, &o.health_retries, "Failures in a row that mean unhealthy"},
        {"no-healthcheck", 0, &o.no_healthcheck, "Disable the image's health check"},
        {"platform", 0, &o.platform, "Platform of the image", "", "", 32},
        {"pull", 0, &o.pull, "Pull the image first (\"always\", \"missing\", \"never\")", "", "\"missing\""},
        {"quiet", 'q', &o.quiet, "Suppress the output of pulling"},
        {"disable-content-trust", 0, &o.distrust, "Skip image verification", "", "true"},
    });
}

}  // namespace

void add_container_flags(Flags& flags, ContainerOptions& options) {
    add_process_flags(flags, options);
    add_network_flags(flags, options);
    add_file_system_flags(flags, options);
    add_isolation_flags(flags, options);
    add_resource_flags(flags, options);
    add_life_flags(flags, options);
}

}  // namespace pila::cli

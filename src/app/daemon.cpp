// SPDX-License-Identifier: Apache-2.0
#include "app/daemon.h"

#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>

#include <fmt/core.h>

#include "app/notify.h"
#include "app/process.h"
#include "app/registry_verb.h"
#include "base/log.h"
#include "base/time.h"
#include "build/builder.h"
#include "docker/api.h"
#include "engine/engine.h"
#include "engine/user_remap.h"
#include "http/client.h"
#include "http/server.h"
#include "http/tls.h"
#include "image/image_store.h"
#include "image/registry.h"
#include "journal/journal.h"
#include "network/network.h"
#include "os/file.h"
#include "os/socket.h"
#include "snapshot/snapshot.h"
#include "store/store.h"

namespace pila::app {

// Services have a short $PATH, or none.
static std::string emulator_path() {
    const char* path = std::getenv("PATH");
    return std::string(path ? path : "") + ":/usr/local/bin:/usr/bin";
}

static Result<Fd> listen_on_socket(const std::string& path, const std::string& group) {
    if (os::connect_unix(path, SOCK_STREAM))
        return Error(Errc::Conflict, fmt::format("{} is in use by another program", path));
    ignore(os::remove_file(path), "usually not there; left by a daemon that was killed otherwise");
    auto socket = TRY(os::listen_unix(path, SOCK_STREAM, 0600, 512));
    const struct group* entry = group.empty() ? nullptr : ::getgrnam(group.c_str());
    if (!group.empty() && !entry) return Error(Errc::NotFound, fmt::format("group {} does not exist", group));
    if (entry && (::chown(path.c_str(), 0, entry->gr_gid) < 0 || ::chmod(path.c_str(), 0660) < 0))
        return Error::from_errno(errno, "give " + path + " to group " + group);
    return socket;
}

// Whoever reaches the API is root here (docs/security.md).
static Result<std::shared_ptr<http::TlsAcceptor>> make_tls(const DaemonOptions& options) {
    if (!options.tls && !options.tls_verify) {
        bool stray = !options.tls_ca.empty() || !options.tls_certificate.empty() || !options.tls_key.empty();
        if (stray) return Error(Errc::Invalid, "--tlscacert, --tlscert and --tlskey are of no use without --tlsverify");
        return std::shared_ptr<http::TlsAcceptor>();
    }
    if (options.tls_certificate.empty() || options.tls_key.empty())
        return Error(Errc::Invalid, "--tls and --tlsverify need --tlscert and --tlskey");
    if (options.tls_verify && options.tls_ca.empty()) return Error(Errc::Invalid, "--tlsverify needs --tlscacert");
    return http::TlsAcceptor::create(
        {options.tls_certificate, options.tls_key, options.tls_verify ? options.tls_ca : ""});
}

static Result<void> listen_on(http::Server& server, const std::string& address, const DaemonOptions& options,
                              const std::shared_ptr<http::TlsAcceptor>& tls) {
    auto endpoint = TRY(http::Endpoint::parse(address));
    if (endpoint.scheme == "unix") {
        auto socket = TRY(listen_on_socket(endpoint.host, options.socket_group));
        return server.listen(std::move(socket));
    }
    if (endpoint.scheme != "http")
        return Error(Errc::Invalid, fmt::format("cannot listen on {}: use unix:// or tcp://", address));
    if (!is_loopback(endpoint.host) && !options.tls_verify)
        return Error(Errc::Denied,
                     fmt::format("refusing to serve the API on {} without TLS and certificates of clients: "
                                 "use --tlsverify, or 127.0.0.1 and a tunnel",
                                 endpoint.host));
    auto socket = TRY(listen_on_tcp(endpoint.host, endpoint.port));
    return server.listen(std::move(socket), tls);
}

static Result<std::string> find_runtime(const std::string& given) {
    if (!given.empty()) return given;
    char self[4096];
    auto length = ::readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0) return Error::from_errno(errno, "find this program");
    std::string beside(self, static_cast<std::size_t>(length));
    beside = beside.substr(0, beside.find_last_of('/')) + "/pila-runtime";
    for (const auto& path :
         {beside, std::string("/usr/local/libexec/pila/pila-runtime"), std::string("/usr/libexec/pila/pila-runtime")})
        if (os::exists(path)) return path;
    return Error(Errc::NotFound,
                 fmt::format("pila-runtime not found: {} does not exist; give its path with --runtime", beside));
}

static void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    // Once there are threads the kernel waits for RCU (12 ms) whenever the table of descriptors has to grow.
    constexpr int likely_most = 1023;
    Fd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, likely_most));
}

// Every thread takes requests in turn: few malloc arenas keep what one frees usable by the others (docs/decisions/006).
static void keep_memory_small() {
    ::mallopt(M_ARENA_MAX, 2);
    ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    ::mallopt(M_TRIM_THRESHOLD, 512 * 1024);
}

static Result<os::IdMap> remap_of(const DaemonOptions& options) {
    auto remap =
        TRY(engine::parse_user_remap(options.userns_remap, engine::AccountFiles::of_host()).in("--userns-remap"));
    return std::move(remap.map);
}

// The cluster's objects alone need neither root nor a kernel with anything.
static Result<void> run_control_plane(const DaemonOptions& options) {
    log::configure(options.log_level, options.log_format);
    keep_memory_small();
    raise_descriptor_limit();
    ::umask(022);
    auto signals = TRY(block_signals());
    TRY(os::make_directories(options.data_directory, 0711));
    auto lock = TRY(lock_directory(options.data_directory));
    auto settings = options.control_plane;
    settings.listen_is_given = true;
    auto control_plane = TRY(ControlPlane::open(settings, options.data_directory));
    if (auto told = notify_service_manager("READY=1"); !told) log::warning("{}", told.error().message());
    wait_for_signal(signals);
    ignore(notify_service_manager("STOPPING=1"), "it only makes a status line clearer");
    return {};
}

Result<void> run_daemon(const DaemonOptions& options) {
    if (!options.runs_engine) return run_control_plane(options);
    if (::geteuid() != 0)
        return Error(Errc::Denied,
                     "needs root for mounts, networks and control groups of containers: start it with sudo");
    auto started_at = now_wall();
    auto begin = std::chrono::steady_clock::now();
    log::configure(options.log_level, options.log_format);
    keep_memory_small();
    raise_descriptor_limit();
    ::umask(022);
    auto signals = TRY(block_signals());
    auto runtime_exe = TRY(find_runtime(options.runtime_exe));
    TRY(os::make_directories(options.data_directory, 0711));
    TRY(os::make_directories(options.run_directory, 0711));
    auto lock = lock_directory(options.data_directory);
    if (!lock && lock.error().code() == Errc::Conflict)
        return Error(Errc::Conflict, fmt::format("another pila daemon or registry uses {}: give this one its own "
                                                 "--instance or --data-dir",
                                                 options.data_directory));
    if (!lock) return lock.take_error();

    auto store = TRY(store::Store::open(options.data_directory + "/node.db", store::Durability::Relaxed));
    journal::Journal journal;
    auto images = TRY(image::ImageStore::create(options.data_directory, *store));
    TRY(images->recover().in("recovering images"));
    image::RegistryOptions registry_options;
    registry_options.mirrors = options.registry_mirrors;
    registry_options.insecure = options.insecure_registries;
    registry_options.certificates_directory = "/etc/docker/certs.d";
    auto registry = image::Registry::create(*images, registry_options);
    auto snapshots = TRY(snapshot::Snapshots::create(options.data_directory));
    network::Options network_options;
    network_options.instance = options.instance;
    network_options.runtime_exe = runtime_exe;
    network_options.default_subnet = options.bridge_subnet;
    network_options.enabled = ::geteuid() == 0;
    auto networks = TRY(network::NetworkManager::create(network_options, *store));
    engine::EngineOptions engine_options;
    engine_options.instance = options.instance;
    engine_options.data_directory = options.data_directory;
    engine_options.run_directory = options.run_directory;
    engine_options.runtime_exe = runtime_exe;
    engine_options.logs = {options.log_driver, options.log_driver_options};
    engine_options.seccomp_profile = options.seccomp_profile;
    engine_options.cdi_directories = options.cdi_directories;
    engine_options.id_map = TRY(remap_of(options));
    engine_options.emulator_path = emulator_path();
    TRY(engine::check_log_config(options.log_driver, options.log_driver_options).in("--log-driver, --log-opt"));
    auto engine =
        TRY(engine::Engine::create(engine_options, {*store, journal, *images, *registry, snapshots, *networks}));
    TRY(engine->recover().in("recovering containers"));

    auto builder = TRY(build::Builder::create(*engine));

    docker::Api api(*engine, *builder,
                    {PILA_VERSION, started_at, options.registry_mirrors, options.insecure_registries});
    auto server =
        TRY(http::Server::create([&](http::Request& request) { return api.handle(request); }, docker::error_response));
    auto tls = TRY(make_tls(options));
    auto socket = TRY(listen_on_socket(options.docker_socket, options.socket_group));
    TRY(server->listen(std::move(socket)));
    for (const auto& host : options.hosts) TRY(listen_on(*server, host, options, tls));
    auto registry_settings = options.registry;
    registry_settings.server.insecure = options.insecure_registries;
    auto registry_server =
        TRY(RegistryListener::open(registry_settings, options.data_directory, images.get()).in("--registry-listen"));
    std::unique_ptr<ControlPlane> control_plane;
    if (options.runs_control_plane)
        control_plane = TRY(ControlPlane::open(options.control_plane, options.data_directory));
    auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count();
    log::info("pila {} serves the Docker API on {} ({} ms after its start)", PILA_VERSION, options.docker_socket, took);

    if (auto told = notify_service_manager("READY=1"); !told) log::warning("{}", told.error().message());
    int signal = wait_for_signal(signals);
    log::info("{}: ending; containers run on", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    ignore(notify_service_manager("STOPPING=1"), "it only makes a status line clearer");
    if (options.stop_containers_on_exit) engine->stop_all_containers();
    server->stop();
    control_plane.reset();
    registry_server.reset();
    server.reset();  // streams first: they refer to what follows
    builder.reset();
    bool idle = !engine->has_running_containers();
    engine.reset();
    if (idle) networks->remove_everything();  // bridges come back with the next start
    ignore(os::remove_file(options.docker_socket), "somebody else removed it");
    return {};
}

}  // namespace pila::app

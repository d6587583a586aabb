// SPDX-License-Identifier: Apache-2.0
#include "app/registry_verb.h"

#include <malloc.h>
#include <sys/stat.h>

#include <fmt/core.h>

#include "app/notify.h"
#include "app/process.h"
#include "base/log.h"
#include "base/text.h"
#include "http/client.h"
#include "http/tls.h"
#include "os/file.h"
#include "store/store.h"

namespace pila::app {

namespace {

// Whoever reaches it may replace what others run.
Result<void> check_exposure(const RegistryOptions& options, const std::string& host) {
    bool guarded = !options.server.htpasswd.empty() || !options.tls_client_ca.empty();
    bool encrypted = !options.tls_certificate.empty();
    if (is_loopback(host) || (guarded && encrypted)) return {};
    auto lacks = !guarded && !encrypted ? "users and TLS" : guarded ? "TLS" : "users";
    if (options.allow_insecure) {
        log::warning("registry: on {} without {}: whoever reaches it may read{} everything", host.empty() ? "*" : host,
                     lacks, guarded ? " passwords and" : " and replace");
        return {};
    }
    return Error(Errc::Denied, fmt::format("refusing to serve a registry on {} without {}: see htpasswd, tls-cert and "
                                           "tls-key, or say allow-insecure",
                                           host.empty() ? "all addresses" : host, lacks));
}

Result<std::shared_ptr<http::TlsAcceptor>> make_tls(const RegistryOptions& options) {
    if (options.tls_certificate.empty() != options.tls_key.empty())
        return Error(Errc::Invalid, "tls-cert and tls-key: one is of no use without the other");
    if (options.tls_certificate.empty()) {
        if (!options.tls_client_ca.empty()) return Error(Errc::Invalid, "tls-client-ca needs tls-cert and tls-key");
        return std::shared_ptr<http::TlsAcceptor>();
    }
    return http::TlsAcceptor::create({options.tls_certificate, options.tls_key, options.tls_client_ca});
}

}  // namespace

Result<std::unique_ptr<RegistryListener>> RegistryListener::open(const RegistryOptions& options,
                                                                 const std::string& data_directory,
                                                                 image::ImageStore* images) {
    if (options.listen.empty()) return std::unique_ptr<RegistryListener>();
    auto settings = options.server;
    settings.directory = data_directory + "/registry";
    if (settings.anonymous_pull && settings.challenge != registry::Challenge::Token)
        return Error(Errc::Invalid, "anonymous-pull needs auth token: clients ask for passwords once or never");
    if (!options.upstream_password_file.empty()) {
        auto text = TRY(os::read_file(options.upstream_password_file, 4096));
        settings.upstream_password = trim(text);
    }
    std::unique_ptr<RegistryListener> made(new RegistryListener);
    auto tls = TRY(make_tls(options));
    made->registry_ = TRY(registry::Server::create(settings, images));
    auto* handler = made->registry_.get();
    http::ServerLimits limits;
    limits.max_body_bytes = 1ULL << 40;  // a layer; manifests and forms have limits of their own
    made->server_ = TRY(http::Server::create([handler](http::Request& request) { return handler->handle(request); },
                                             registry::error_body, limits));
    std::vector<Place> places;
    for (const auto& text : options.listen) {
        places.push_back(TRY(parse_place(text)));
        TRY(check_exposure(options, places.back().host));
    }
    for (const auto& place : places) {
        auto socket = TRY(listen_on_tcp(place.host, place.port));
        TRY(made->server_->listen(std::move(socket), tls));
        log::info("registry: serves {} on {}{}", settings.upstream.empty() ? settings.directory : settings.upstream,
                  place.text, tls ? " (TLS)" : "");
    }
    return made;
}

RegistryListener::~RegistryListener() {
    if (server_) server_->stop();
    server_.reset();
}

Result<void> run_registry(const RegistryOptions& options) {
    ::mallopt(M_ARENA_MAX, 2);
    ::umask(022);
    auto signals = TRY(block_signals());
    TRY(os::make_directories(options.data_directory, 0711));
    auto lock = lock_directory(options.data_directory);
    bool engine = os::exists(options.data_directory + "/node.db");
    if (!lock && lock.error().code() == Errc::Conflict && !engine)
        return Error(Errc::Conflict,
                     fmt::format("{} is in use by another `pila registry`: give this one its own --data-dir",
                                 options.data_directory));
    if (!lock && lock.error().code() == Errc::Conflict)
        return Error(Errc::Conflict,
                     fmt::format("{} is in use: start its daemon with --registry-listen {} (or registry-listen in its "
                                 "--config) to have a registry there, or give this one its own --data-dir",
                                 options.data_directory, options.listen.front()));
    if (!lock) return lock.take_error();

    // On the directory of an engine that does not run: its images, too.
    std::unique_ptr<store::Store> store;
    std::unique_ptr<image::ImageStore> images;
    if (engine) {
        store = TRY(store::Store::open(options.data_directory + "/node.db", store::Durability::Relaxed));
        images = TRY(image::ImageStore::create(options.data_directory, *store));
        TRY(images->recover().in("recovering images"));
    }
    auto listener = TRY(RegistryListener::open(options, options.data_directory, images.get()));
    if (auto told = notify_service_manager("READY=1"); !told) log::warning("{}", told.error().message());
    wait_for_signal(signals);
    ignore(notify_service_manager("STOPPING=1"), "it only makes a status line clearer");
    return {};
}

}  // namespace pila::app

// SPDX-License-Identifier: Apache-2.0
#include "app/control_plane.h"

#include <unistd.h>

#include <algorithm>
#include <thread>

#include <fmt/core.h>

#include "app/process.h"
#include "app/setting.h"
#include "base/log.h"
#include "base/text.h"
#include "cluster/api/api.h"
#include "cluster/api/authority.h"
#include "cluster/controllers/controllers.h"
#include "http/tls.h"
#include "os/file.h"

namespace pila::app {

namespace {

std::string pki_of(const std::string& data_directory) { return data_directory + "/cluster/pki"; }

// As clients of this machine reach it.
std::string address_of(const Place& place) {
    auto any = place.host.empty() || place.host == "0.0.0.0" || place.host == "::";
    auto name = any ? std::string("127.0.0.1") : place.host;
    return name.find(':') == name.npos ? fmt::format("{}:{}", name, place.port)
                                       : fmt::format("[{}]:{}", name, place.port);
}

// IPv6 addresses come in brackets.
Result<Place> kube_place(const std::string& text) {
    auto place = TRY(parse_place(text));
    auto& host = place.host;
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    return place;
}

std::vector<std::string> names_of_server(const ControlPlaneOptions& options, const Place& place) {
    auto names = options.names;
    if (!place.host.empty() && place.host != "0.0.0.0" && place.host != "::") names.push_back(place.host);
    char machine[256] = "";
    if (::gethostname(machine, sizeof machine - 1) == 0 && machine[0]) names.emplace_back(machine);
    return names;
}

http::ServerLimits limits() {
    http::ServerLimits limits;
    limits.max_body_bytes = 64U << 20;  // the API refuses more than 3 MiB in its own words
    limits.max_threads = 128;
    limits.max_busy = std::max(24U, 4 * std::thread::hardware_concurrency());  // each waits for its write's commit
    limits.max_connections = 10'000;
    return limits;
}

}  // namespace

ControlPlane::ControlPlane() = default;

Result<std::unique_ptr<ControlPlane>> ControlPlane::open(const ControlPlaneOptions& options,
                                                         const std::string& data_directory) {
    auto place = TRY(kube_place(options.listen));
    auto listening = listen_on_tcp(place.host, place.port);
    if (!listening && !options.listen_is_given) {
        log::warning("no Kubernetes API: {}; give --kube-listen ADDRESS:PORT", listening.error().message());
        return std::unique_ptr<ControlPlane>();
    }
    auto socket = TRY(std::move(listening).in("--kube-listen"));
    std::unique_ptr<ControlPlane> made(new ControlPlane);
    TRY(os::make_directories(data_directory + "/cluster", 0700));
    auto authority = TRY(cluster::api::prepare_authority(pki_of(data_directory), names_of_server(options, place),
                                                         "https://" + address_of(place)));
    made->state_ = TRY(cluster::state::State::open(data_directory + "/cluster/state.db").in("objects of the cluster"));
    cluster::api::ApiOptions api_options;
    api_options.version = PILA_VERSION;
    api_options.address = address_of(place);
    api_options.pki_directory = pki_of(data_directory);
    api_options.token_file = options.token_file;
    if (options.audit_policy_file.empty() != options.audit_log.path.empty())
        return Error(Errc::Invalid, "--audit-policy-file and --audit-log-path go together");
    api_options.audit_policy_file = options.audit_policy_file;
    api_options.audit_log = options.audit_log;
    made->api_ = std::make_unique<cluster::api::Api>(*made->state_, std::move(api_options));
    TRY(made->api_->start());
    cluster::controllers::Options controlled;
    controlled.ca_certificate = TRY(os::read_file(authority.ca_certificate(), 1U << 20));
    made->controllers_ = std::make_unique<cluster::controllers::Controllers>(
        made->api_->registry(), made->api_->directory(), std::move(controlled));
    TRY(made->controllers_->start().in("controllers"));
    http::ServerTls tls;
    tls.certificate = authority.server_certificate();
    tls.key = authority.server_key();
    tls.client_ca = authority.ca_certificate();
    tls.clients_may_have_none = true;
    auto acceptor = TRY(http::TlsAcceptor::create(tls));
    auto* api = made->api_.get();
    made->server_ = TRY(http::Server::create([api](http::Request& request) { return api->handle(request); },
                                             cluster::api::error_response, limits()));
    TRY(made->server_->listen(std::move(socket), acceptor));
    log::info("serves the Kubernetes API on https://{} (pila kubeconfig)", address_of(place));
    return made;
}

ControlPlane::~ControlPlane() {
    if (server_) server_->stop();
    server_.reset();  // streams first: they refer to what follows
    controllers_.reset();
    api_.reset();
    state_.reset();
}

Result<std::string> print_kubeconfig(const std::vector<std::string>& arguments) {
    std::string instance = "pila", data_directory;
    for (std::size_t at = 0; at < arguments.size(); ++at) {
        auto flag = TRY(Flag::read(arguments[at]));
        if (flag.name() == "help")
            return std::string(
                "Usage: pila kubeconfig [OPTIONS]\n\nPrints the administrator's kubeconfig of the cluster that "
                "`pila daemon` serves:\n  pila kubeconfig > ~/.kube/config\n\nOptions:\n"
                "  --instance NAME                of the daemon (default pila)\n"
                "  --data-dir DIR                 of the daemon (default /var/lib/INSTANCE)\n");
        auto value = TRY(flag.value(false, arguments, at));
        if (flag.name() == "instance")
            instance = value;
        else if (flag.name() == "data-dir")
            data_directory = value;
        else
            return Error(Errc::Invalid, fmt::format("unknown flag --{}", flag.name()));
    }
    if (data_directory.empty()) data_directory = "/var/lib/" + instance;
    auto path = pki_of(data_directory) + "/admin.kubeconfig";
    auto text = os::read_file(path, 1U << 20);
    if (!text && text.error().code() == Errc::NotFound)
        return Error(Errc::NotFound, fmt::format("no cluster has run with {}: start `pila daemon`, or name its "
                                                 "--instance or --data-dir",
                                                 data_directory));
    if (!text && text.error().code() == Errc::Denied)
        return Error(Errc::Denied, fmt::format("{} is root's: use sudo", path));
    return text;
}

}  // namespace pila::app

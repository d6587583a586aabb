// SPDX-License-Identifier: Apache-2.0
#include "cli/daemon_address.h"

#include <fmt/core.h>
#include <unistd.h>
#include <cstdlib>

namespace pila::cli {

namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

void settle_tls(GlobalOptions& global, const TlsFlags& flags) {
    auto& tls = global.tls;
    // Only whether they are there counts, as for docker: DOCKER_TLS_VERIFY=0 and --tlsverify=false turn TLS on, too.
    bool by_environment = !environment("DOCKER_TLS_VERIFY").empty();
    tls.on = flags.tls || flags.verify_given || by_environment || !environment("DOCKER_TLS").empty();
    if (!tls.on) return;
    tls.verify = flags.verify_given ? flags.verify : by_environment;
    auto directory = environment("DOCKER_CERT_PATH");
    if (directory.empty()) directory = environment("DOCKER_CONFIG");
    if (directory.empty()) directory = environment("HOME") + "/.docker";
    auto usual = [&](const std::optional<std::string>& given, const char* name) {
        return given ? *given : directory + "/" + name;
    };
    tls.ca = usual(flags.ca, "ca.pem");
    tls.certificate = usual(flags.certificate, "cert.pem");
    tls.key = usual(flags.key, "key.pem");
    // A client may have no certificate; one that was named must be there.
    if (!flags.certificate && ::access(tls.certificate.c_str(), F_OK) != 0) tls.certificate.clear();
    if (!flags.key && ::access(tls.key.c_str(), F_OK) != 0) tls.key.clear();
}

// "tcp://", "tcp://build.example", "tcp://[::1]" -> with docker's name and port.
void complete_tcp(std::string& host) {
    constexpr std::size_t start = std::string_view("tcp://").size();
    if (host.size() == start) host += "localhost";
    auto end = std::min(host.find('/', start), host.size());
    auto colon = host.rfind(':', end);
    auto bracket = host.rfind(']', end);
    bool has_port = colon != std::string::npos && colon >= start && (bracket == std::string::npos || colon > bracket);
    if (!has_port) host.insert(end, ":2375");
}

}  // namespace

void settle_daemon(GlobalOptions& global, const TlsFlags& flags) {
    auto& directory = global.config_directory;
    if (directory.empty()) directory = environment("DOCKER_CONFIG");
    if (directory.empty() && !environment("HOME").empty()) directory = environment("HOME") + "/.docker";
    settle_tls(global, flags);

    auto& host = global.host;
    if (host.empty() && global.instance.empty()) host = environment("PILA_HOST");
    if (host.empty() && global.instance.empty()) host = environment("DOCKER_HOST");
    if (host.empty() && !global.instance.empty())
        host = fmt::format("unix:///run/pila-{}/docker.sock", global.instance);
    if (host.empty()) host = global.tls.on ? "tcp://localhost:2376" : "unix:///run/pila/docker.sock";
    if (host.find("://") == std::string::npos) host = (host.starts_with('/') ? "unix://" : "tcp://") + host;
    if (host.starts_with("tcp://")) complete_tcp(host);
}

}  // namespace pila::cli

// SPDX-License-Identifier: Apache-2.0
#include "app/registry_options.h"

#include <fmt/core.h>

#include "app/setting.h"
#include "base/text.h"

namespace pila::app {

namespace {

// "90s", "15m", "24h"
Result<void> set_time(std::chrono::seconds& target, const std::string& value) {
    auto number = value.empty() ? std::nullopt : parse_uint(std::string_view(value).substr(0, value.size() - 1));
    std::uint64_t unit = value.ends_with('s') ? 1 : value.ends_with('m') ? 60 : value.ends_with('h') ? 3600 : 0;
    if (!number || unit == 0 || *number == 0 || *number > 100'000'000)
        return Error(Errc::Invalid, "must be a time like 90s, 15m or 24h");
    target = std::chrono::seconds(*number * unit);
    return {};
}

Result<void> set_challenge(RegistryOptions& options, const std::string& value) {
    if (value != "basic" && value != "token") return Error(Errc::Invalid, "must be basic or token");
    options.server.challenge = value == "token" ? registry::Challenge::Token : registry::Challenge::Basic;
    return {};
}

Result<void> set_url(std::string& target, const std::string& value) {
    if (!value.starts_with("http://") && !value.starts_with("https://"))
        return Error(Errc::Invalid, "must be an http or https URL");
    target = value;
    while (target.ends_with('/')) target.pop_back();
    return {};
}

}  // namespace

const std::vector<RegistrySetting>& registry_settings() {
    static const std::vector<RegistrySetting> all = {
        {"listen", "ADDRESS:PORT", "where the OCI registry listens (repeatable)",
         [](auto& o, auto& v) -> Result<void> {
             o.listen.push_back(v);
             return {};
         }},
        {"tls-cert", "FILE", "its certificate, with the chain (PEM)",
         [](auto& o, auto& v) { return set_path(o.tls_certificate, v); }},
        {"tls-key", "FILE", "the key of that certificate (PEM)",
         [](auto& o, auto& v) { return set_path(o.tls_key, v); }},
        {"tls-client-ca", "FILE", "only clients with a certificate of these authorities are served (PEM)",
         [](auto& o, auto& v) { return set_path(o.tls_client_ca, v); }},
        {"htpasswd", "FILE", "its users, as `htpasswd -B` writes them (default: everybody may do everything)",
         [](auto& o, auto& v) { return set_path(o.server.htpasswd, v); }},
        {"rights", "FILE",
         "who of them may do what: lines `USER REPOSITORIES pull,push,delete` (default: each everything)",
         [](auto& o, auto& v) { return set_path(o.server.rights, v); }},
        {"auth", "basic|token", "how users say who they are (default basic)", set_challenge},
        {"anonymous-pull", "", "with --auth token: who says nothing may read",
         [](auto& o, auto& v) { return set_switch(o.server.anonymous_pull, v); }},
        {"url", "URL", "what clients call it, where that is not what they connect to",
         [](auto& o, auto& v) { return set_url(o.server.url, v); }},
        {"proxy", "URL", "it is a cache of that registry",
         [](auto& o, auto& v) { return set_url(o.server.upstream, v); }},
        {"proxy-user", "NAME", "who it is to the registry that it caches",
         [](auto& o, auto& v) -> Result<void> {
             o.server.upstream_user = v;
             return {};
         }},
        {"proxy-password-file", "FILE", "holds the password of that user",
         [](auto& o, auto& v) { return set_path(o.upstream_password_file, v); }},
        {"expiry", "TIME", "when uploads that stopped, and blobs no manifest names, are deleted (default 24h)",
         [](auto& o, auto& v) { return set_time(o.server.expiry, v); }},
        {"proxy-keep", "TIME", "how long a cache keeps what nobody asks for (default 168h)",
         [](auto& o, auto& v) { return set_time(o.server.keep, v); }},
        {"read-only", "", "nothing can be pushed or deleted",
         [](auto& o, auto& v) { return set_switch(o.server.read_only, v); }},
        {"allow-insecure", "", "may listen beyond this machine without users or without TLS",
         [](auto& o, auto& v) { return set_switch(o.allow_insecure, v); }},
    };
    return all;
}

Result<RegistryOptions> parse_registry_arguments(const std::vector<std::string>& arguments) {
    RegistryOptions options;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        std::string_view argument = arguments[i];
        if (argument == "-h" || argument == "--help") {
            options.help = true;
            return options;
        }
        auto flag = TRY(Flag::read(argument));
        auto name = flag.name();
        const RegistrySetting* setting = nullptr;
        for (const auto& row : registry_settings())
            if (row.name == name) setting = &row;
        bool known = setting || name == "data-dir" || name == "insecure-registry";
        if (!known) return Error(Errc::Invalid, fmt::format("unknown flag --{}", name));
        auto value = TRY(flag.value(setting && setting->argument.empty(), arguments, i));
        if (name == "insecure-registry")
            options.server.insecure.push_back(value);
        else
            TRY((setting ? setting->apply(options, value) : set_path(options.data_directory, value))
                    .in(fmt::format("--{} {}", name, value)));
    }
    if (options.listen.empty()) options.listen = {"127.0.0.1:5000"};
    if (options.data_directory.empty()) options.data_directory = "/var/lib/pila-registry";
    return options;
}

std::string registry_help() {
    std::string text =
        "Usage: pila registry [OPTIONS]\n\nRuns an OCI registry in the foreground, on 127.0.0.1:5000 unless told "
        "otherwise. `pila daemon\n--registry-listen ADDRESS:PORT` runs one that serves the engine's images, too.\n\n"
        "Options:\n";
    auto line = [&](std::string_view name, std::string_view argument, std::string_view help) {
        text += fmt::format("  {:<30} {}\n", fmt::format("--{} {}", name, argument), help);
    };
    line("data-dir", "DIR", "what was pushed (default /var/lib/pila-registry)");
    line("insecure-registry", "HOST[:PORT]", "that --proxy may speak to without TLS (repeatable)");
    for (const auto& setting : registry_settings()) line(setting.name, setting.argument, setting.help);
    return text;
}

}  // namespace pila::app

// SPDX-License-Identifier: Apache-2.0
#include "cli/registry_auth.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <boost/json/object.hpp>

#include "base/docker_hub.h"
#include "base/text.h"
#include "cli/json_helpers.h"
#include "cli/template.h"
#include "crypto/base64.h"
#include "os/file.h"
#include "os/spawn.h"

namespace pila::cli {

namespace {

std::string url_safe_base64(std::string_view bytes) {
    auto text = crypto::base64_encode(bytes);
    for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return text;
}

std::string config_path(const GlobalOptions& global) { return global.config_directory + "/config.json"; }

Result<json::value> load_config(const GlobalOptions& global) {
    auto file = os::read_file(config_path(global), 4U << 20);
    if (!file) {
        if (file.error().code() == Errc::NotFound) return json::value(json::object());
        return file.take_error();
    }
    if (trim(*file).empty()) return json::value(json::object());
    return parse_json(*file).in("reading " + config_path(global));
}

Result<void> save_config(const GlobalOptions& global, const json::value& config) {
    TRY(os::make_directories(global.config_directory, 0700));
    return os::replace_file(config_path(global), indent_json(compact_json(config), "\t") + "\n", 0600, os::Sync::No);
}

// docker-credential-NAME, the helpers' protocol: a verb as argument, the server or JSON on standard input.
struct HelperAnswer {
    int code = 0;
    std::string output;
};
Result<HelperAnswer> ask_helper(const std::string& helper, const std::string& verb, const std::string& input) {
    if (helper.find('/') != std::string::npos) return Error(Errc::Invalid, "malformed name of a credential helper");
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe2");
    Fd in_read(in[0]), in_write(in[1]), out_read(out[0]), out_write(out[1]);
    os::Spawn what;
    std::string program = "docker-credential-" + helper;
    const char* search = std::getenv("PATH");
    for (auto directory : split(search ? search : "/usr/local/bin:/usr/bin:/bin", ':'))
        if (auto path = fmt::format("{}/{}", directory, program); what.exe.empty() && ::access(path.c_str(), X_OK) == 0)
            what.exe = path;
    if (what.exe.empty())
        return Error(
            Errc::NotFound,
            fmt::format("error getting credentials - err: exec: \"{}\": executable file not found in $PATH", program));
    what.argv = {program, verb};
    for (char** entry = environ; *entry; ++entry) what.environment.emplace_back(*entry);
    what.fds = {{in_read.get(), 0}, {out_write.get(), 1}, {STDERR_FILENO, 2}};
    what.new_session = false;
    auto child = TRY(os::spawn(what));
    in_read.reset();
    out_write.reset();
    auto previous = std::signal(SIGPIPE, SIG_IGN);  // elsewhere its default is what `pila ps | head` needs
    ignore(os::write_all(in_write, input), "a helper may not read it");
    std::signal(SIGPIPE, previous);
    in_write.reset();
    HelperAnswer answer;
    answer.output = TRY(os::read_all(out_read, 1U << 20));
    answer.code = TRY(os::wait_child(child.pidfd)).code;
    return answer;
}

std::string helper_for(const json::value& config, const std::string& server) {
    auto own = as_text(field(field(config, "credHelpers"), server));
    return own.empty() ? text(config, "credsStore") : own;
}

}  // namespace

std::string auth_key(std::string_view registry) {
    if (registry.empty() || registry == "docker.io" || registry == "index.docker.io" || registry == docker_hub_server)
        return std::string(docker_hub_server);
    for (std::string_view scheme : {"https://", "http://"})
        if (registry.starts_with(scheme)) registry.remove_prefix(scheme.size());
    return std::string(registry.substr(0, registry.find('/')));
}

Result<std::optional<Credentials>> load_credentials(const GlobalOptions& global, const std::string& server) {
    auto config = TRY(load_config(global));
    Credentials found;
    if (auto helper = helper_for(config, server); !helper.empty()) {
        auto answer = TRY(ask_helper(helper, "get", server));
        if (answer.code != 0) return std::optional<Credentials>();
        auto parsed = TRY(parse_json(answer.output));
        auto name = text(parsed, "Username"), secret = text(parsed, "Secret");
        if (name == "<token>")
            found.identity_token = secret;
        else
            found = {name, secret, ""};
        return std::optional(found);
    }
    const auto& entry = field(field(config, "auths"), server);
    if (!entry.is_object()) return std::optional<Credentials>();
    auto plain = crypto::base64_decode(text(entry, "auth")).value_or("");
    auto colon = plain.find(':');
    if (colon != std::string::npos) {
        found.username = plain.substr(0, colon);
        found.password = plain.substr(colon + 1);
    }
    found.identity_token = text(entry, "identitytoken");
    return std::optional(found);
}

Result<void> save_credentials(const GlobalOptions& global, const std::string& server, const Credentials& credentials) {
    auto config = TRY(load_config(global));
    auto& root = config.as_object();
    auto& entry =
        root["auths"].is_object() ? root["auths"].get_object()[server] : root["auths"].emplace_object()[server];
    entry = json::object();
    if (auto helper = helper_for(config, server); !helper.empty()) {
        json::object secret{
            {"ServerURL", server},
            {"Username", credentials.identity_token.empty() ? credentials.username : "<token>"},
            {"Secret", credentials.identity_token.empty() ? credentials.password : credentials.identity_token}};
        auto answer = TRY(ask_helper(helper, "store", compact_json(secret)));
        if (answer.code != 0)
            return Error(Errc::Internal, "Error saving credentials: " + std::string(trim(answer.output)));
        return save_config(global, config);
    }
    entry.get_object()["auth"] = crypto::base64_encode(credentials.username + ":" + credentials.password);
    if (!credentials.identity_token.empty()) entry.get_object()["identitytoken"] = credentials.identity_token;
    return save_config(global, config);
}

Result<bool> erase_credentials(const GlobalOptions& global, const std::string& server) {
    auto config = TRY(load_config(global));
    if (auto helper = helper_for(config, server); !helper.empty())
        ignore(ask_helper(helper, "erase", server), "nothing may be stored there");
    auto* auths = config.as_object().if_contains("auths");
    bool there = auths && auths->is_object() && auths->get_object().erase(server) > 0;
    if (there) TRY(save_config(global, config));
    return there;
}

std::string encode_auth(const Credentials& credentials, const std::string& server) {
    json::object auth;
    if (!credentials.identity_token.empty()) {
        auth["identitytoken"] = credentials.identity_token;
    } else {
        auth["username"] = credentials.username;
        auth["password"] = credentials.password;
    }
    auth["serveraddress"] = server;
    return url_safe_base64(compact_json(auth));
}

Result<std::string> registry_auth_header(const GlobalOptions& global, std::string_view domain) {
    auto server = auth_key(domain);
    auto credentials = TRY(load_credentials(global, server));
    if (!credentials) return url_safe_base64("{}");
    return encode_auth(*credentials, server);
}

Result<std::string> registry_config_header(const GlobalOptions& global) {
    if (global.config_directory.empty() || ::access(config_path(global).c_str(), R_OK) != 0) return std::string();
    auto config = TRY(load_config(global));
    const auto& auths = field(config, "auths");
    json::object all;
    if (auths.is_object()) {
        for (const auto& entry : auths.get_object()) {
            std::string server(entry.key());
            auto credentials = TRY(load_credentials(global, server));
            if (!credentials) continue;
            json::object auth{{"serveraddress", server}};
            set_if(auth, "username", credentials->username);
            set_if(auth, "password", credentials->password);
            set_if(auth, "identitytoken", credentials->identity_token);
            all[server] = std::move(auth);
        }
    }
    return all.empty() ? std::string() : url_safe_base64(compact_json(all));
}

std::string preference(const GlobalOptions& global, std::string_view name) {
    if (global.config_directory.empty() || ::access(config_path(global).c_str(), R_OK) != 0) return "";
    auto config = load_config(global);
    return config ? text(*config, name) : "";
}

}  // namespace pila::cli

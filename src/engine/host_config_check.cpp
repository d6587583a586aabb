// SPDX-License-Identifier: Apache-2.0
#include "engine/host_config_check.h"

#include <algorithm>
#include <initializer_list>

#include <fmt/core.h>

#include "base/json_reader.h"
#include "base/text.h"

namespace pila::engine {

namespace {

using Words = std::initializer_list<std::string_view>;

Result<void> check_mode(const char* what, const std::string& mode, Words words, bool of_container) {
    if (mode.empty() || std::find(words.begin(), words.end(), mode) != words.end()) return {};
    if (of_container && mode.starts_with("container:") && mode.size() > 10) return {};
    return Error(Errc::Invalid, fmt::format("invalid {}: {}", what, mode));
}

Result<void> check_modes(JsonReader& host) {
    TRY(check_mode("IPC mode", host.text("IpcMode"), {"none", "private", "shareable", "host"}, true));
    TRY(check_mode("PID mode", host.text("PidMode"), {"host"}, true));
    TRY(check_mode("UTS mode", host.text("UTSMode"), {"host"}, false));
    TRY(check_mode("user namespace mode", host.text("UsernsMode"), {"host"}, false));
    TRY(check_mode("cgroup namespace mode", host.text("CgroupnsMode"), {"host", "private"}, false));
    auto isolation = host.text("Isolation");
    if (!isolation.empty() && isolation != "default")
        return Error(Errc::Invalid,
                     fmt::format("invalid isolation: \"{}\" - linux only supports 'default'", isolation));
    auto runtime = host.text("Runtime");
    Words known = {"", "pila", "runc", "io.containerd.runc.v2"};
    if (std::find(known.begin(), known.end(), runtime) == known.end())
        return Error(Errc::Invalid, "unknown or invalid runtime name: " + runtime);
    if (!host.keys("StorageOpt").empty())
        return Error(Errc::Invalid, "--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
    return {};
}

Result<void> check_conflicts(JsonReader& config, JsonReader& host) {
    auto conflict = [](const char* what) { return Error(Errc::Invalid, fmt::format("conflicting options: {}", what)); };
    auto network = host.text("NetworkMode");
    bool shared = network.starts_with("container:"), on_host = network == "host";
    bool named = !config.text("Hostname").empty(), linked = !host.strings("Links").empty();
    if (named && host.text("UTSMode") == "host") return conflict("hostname and the UTS mode");
    if (shared && named) return conflict("hostname and the network mode");
    if (shared && linked)
        return conflict("container type network can't be used with links. This would result in undefined behavior");
    if (on_host && linked)
        return conflict("host type networking can't be used with links. This would result in undefined behavior");
    if (!shared) return {};
    if (!host.strings("Dns").empty()) return conflict("dns and the network mode");
    if (!host.strings("ExtraHosts").empty()) return conflict("custom host-to-IP mapping and the network mode");
    if (!config.text("MacAddress").empty()) return conflict("mac-address and the network mode");
    if (!host.keys("PortBindings").empty() || host.boolean("PublishAllPorts"))
        return conflict("port publishing and the container type network mode");
    if (!config.keys("ExposedPorts").empty()) return conflict("port exposing and the container type network mode");
    return {};
}

// What stands in a line of /etc/hosts or /etc/resolv.conf must not become two.
bool is_one_word(std::string_view text) {
    return !text.empty() &&
           std::none_of(text.begin(), text.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

Result<void> check_words(JsonReader& host) {
    for (const auto& entry : host.strings("ExtraHosts")) {
        auto colon = entry.find(':');
        if (!is_one_word(entry) || colon == 0 || colon == std::string::npos || colon + 1 == entry.size())
            return Error(Errc::Invalid, fmt::format("bad format for add-host: \"{}\"", printable(entry)));
    }
    for (auto [field, what] :
         {std::pair{"Dns", "IP address"}, std::pair{"DnsSearch", "domain"}, std::pair{"DnsOptions", "DNS option"}})
        for (const auto& entry : host.strings(field))
            if (!is_one_word(entry))
                return Error(Errc::Invalid,
                             fmt::format("HostConfig.{}: invalid {}: \"{}\"", field, what, printable(entry)));
    return {};
}

}  // namespace

Result<void> check_host_config(const json::object& body) {
    JsonReader config(body);
    auto directory = config.text("WorkingDir");
    if (!directory.empty() && directory[0] != '/')
        return Error(Errc::Invalid,
                     fmt::format("the working directory '{}' is invalid, it needs to be an absolute path", directory));
    const auto* own = config.object("HostConfig");
    TRY(config.check());
    if (!own) return {};
    JsonReader host(*own, "HostConfig");
    TRY(check_modes(host));
    TRY(check_conflicts(config, host));
    TRY(check_words(host));
    TRY(config.check());
    return host.check();
}

}  // namespace pila::engine

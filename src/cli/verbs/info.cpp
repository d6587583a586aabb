// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/text.h"
#include "cli/json_helpers.h"
#include "cli/template.h"
#include "cli/units.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

class Report {
public:
    explicit Report(const json::value& info) : info_(info) {}

    std::string text_form() {
        out_ = "Client:\n Version:    " PILA_VERSION "\n Debug Mode: false\n\nServer:\n";
        counts();
        drivers();
        plugins();
        runtimes();
        security();
        system();
        network();
        return out_;
    }

private:
    void line(std::string_view name, const std::string& value) { out_ += fmt::format(" {}: {}\n", name, value); }
    void line_if(std::string_view name, const std::string& value) {
        if (!value.empty()) line(name, value);
    }
    std::string get(std::string_view key) const { return text(info_, key); }
    std::string count(std::string_view key) const { return std::to_string(number(info_, key)); }
    std::string flag(std::string_view key) const { return truthy(info_, key) ? "true" : "false"; }

    void counts() {
        line("Containers", count("Containers"));
        out_ += fmt::format("  Running: {}\n  Paused: {}\n  Stopped: {}\n", number(info_, "ContainersRunning"),
                            number(info_, "ContainersPaused"), number(info_, "ContainersStopped"));
        line("Images", count("Images"));
        line_if("Server Version", get("ServerVersion"));
    }

    void drivers() {
        line_if("Storage Driver", get("Driver"));
        for (const auto& pair : items(info_, "DriverStatus"))
            if (items(pair).size() == 2)
                out_ += fmt::format("  {}: {}\n", as_text(items(pair)[0]), as_text(items(pair)[1]));
        line_if("Logging Driver", get("LoggingDriver"));
        line_if("Cgroup Driver", get("CgroupDriver"));
        line_if("Cgroup Version", get("CgroupVersion"));
    }

    void plugins() {
        out_ += " Plugins:\n";
        for (std::string_view kind : {"Volume", "Network", "Authorization", "Log"}) {
            std::vector<std::string> names;
            for (const auto& name : items(field(info_, "Plugins"), kind)) names.push_back(as_text(name));
            if (!names.empty()) out_ += fmt::format("  {}: {}\n", kind, join(names, " "));
        }
        line_if("Swarm", get("Swarm.LocalNodeState"));
    }

    void runtimes() {
        std::vector<std::string> names;
        for (const auto& pair : members(info_, "Runtimes")) names.emplace_back(pair.key());
        std::sort(names.begin(), names.end());
        if (!names.empty()) line("Runtimes", join(names, " "));
        line_if("Default Runtime", get("DefaultRuntime"));
        line_if("Init Binary", get("InitBinary"));
        if (!field(info_, "ContainerdCommit").is_null()) line("containerd version", get("ContainerdCommit.ID"));
        if (!field(info_, "RuncCommit").is_null()) line("runc version", get("RuncCommit.ID"));
        if (!field(info_, "InitCommit").is_null()) line("init version", get("InitCommit.ID"));
    }

    void security() {
        if (items(info_, "SecurityOptions").empty()) return;
        out_ += " Security Options:\n";
        for (const auto& item : items(info_, "SecurityOptions")) {
            for (auto part : split(as_text(item), ',')) {
                auto equals = part.find('=');
                auto key = part.substr(0, equals);
                auto value = equals == std::string_view::npos ? key : part.substr(equals + 1);
                if (key == "name" || equals == std::string_view::npos)
                    out_ += fmt::format("  {}\n", value);
                else
                    out_ += fmt::format("   {}{}: {}\n", static_cast<char>(std::toupper(key[0])), key.substr(1), value);
            }
        }
    }

    void system() {
        line_if("Kernel Version", get("KernelVersion"));
        line_if("Operating System", get("OperatingSystem"));
        line_if("OSType", get("OSType"));
        line_if("Architecture", get("Architecture"));
        platforms();
        line("CPUs", count("NCPU"));
        line("Total Memory", binary_size(real(info_, "MemTotal")));
        line_if("Name", get("Name"));
        line_if("ID", get("ID"));
        line("Docker Root Dir", get("DockerRootDir"));
        line("Debug Mode", flag("Debug"));
        line_if("HTTP Proxy", get("HttpProxy"));
        line_if("HTTPS Proxy", get("HttpsProxy"));
        line_if("No Proxy", get("NoProxy"));
        if (!items(info_, "Labels").empty()) {
            out_ += " Labels:\n";
            for (const auto& label : items(info_, "Labels")) out_ += fmt::format("  {}\n", as_text(label));
        }
        line("Experimental", flag("ExperimentalBuild"));
    }

    void platforms() {
        if (items(info_, "Platforms").empty()) return;
        out_ += " Platforms:\n";
        for (const auto& one : items(info_, "Platforms")) {
            auto emulator = text(one, "Emulator");
            out_ += fmt::format("  {}{}\n", text(one, "Platform"),
                                emulator.empty() ? "" : " (emulated by " + emulator + ")");
        }
    }

    void network() {
        const auto& registries = field(info_, "RegistryConfig");
        bool any = !members(registries, "IndexConfigs").empty() || !items(registries, "InsecureRegistryCIDRs").empty();
        if (any) {
            out_ += " Insecure Registries:\n";
            for (const auto& pair : members(registries, "IndexConfigs"))
                if (!truthy(pair.value(), "Secure")) out_ += fmt::format("  {}\n", std::string(pair.key()));
            for (const auto& cidr : items(registries, "InsecureRegistryCIDRs"))
                out_ += fmt::format("  {}\n", as_text(cidr));
        }
        if (!items(registries, "Mirrors").empty()) {
            out_ += " Registry Mirrors:\n";
            for (const auto& mirror : items(registries, "Mirrors")) out_ += fmt::format("  {}\n", as_text(mirror));
        }
        line("Live Restore Enabled", flag("LiveRestoreEnabled"));
        line_if("Product License", get("ProductLicense"));
        out_ += '\n';
    }

    const json::value& info_;
    std::string out_;
};

}  // namespace

int info_verb(Invocation& invocation) {
    std::string format;
    Flags flags(invocation, "[OPTIONS]", "Display system-wide information");
    flags.add({{"format", 'f', &format, "Format: 'json' or a Go template"}});
    if (auto code = flags.parse({0, 0})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto info = (*api)->json({.path = "/info"});
    if (!info) return fail(info.error());
    if (format == "json") {
        info->get_object()["ClientInfo"] = json::object{{"Debug", invocation.global.debug}, {"Version", PILA_VERSION}};
        fmt::print("{}\n", compact_json(*info));
        return 0;
    }
    if (!format.empty()) {
        auto shape = Template::parse(format);
        if (!shape) {
            fail("template parsing error: " + shape.error().message());
            return 64;
        }
        std::string out;
        auto shown = shape->execute(*info, out, {.typed = true});
        if (!shown) return fail(shown.error());
        fmt::print("{}\n", out);
        return 0;
    }
    fmt::print("{}", Report(*info).text_form());
    std::fflush(stdout);
    for (const auto& warning : items(*info, "Warnings")) fmt::print(stderr, "{}\n", as_text(warning));
    return 0;
}

}  // namespace pila::cli

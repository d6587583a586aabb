// SPDX-License-Identifier: Apache-2.0
#include <sys/utsname.h>
#include <ctime>

#include "cli/json_helpers.h"
#include "cli/table_writer.h"
#include "cli/template.h"
#include "cli/units.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

std::string go_architecture() {
    utsname system{};
    ::uname(&system);
    std::string_view machine = system.machine;
    if (machine == "x86_64") return "amd64";
    if (machine == "aarch64") return "arm64";
    return std::string(machine);
}

// As Go's time.ANSIC: "Thu May  7 21:09:36 2026".
std::string build_time(const std::string& stamp) {
    auto time = parse_rfc3339(stamp);
    if (!time) return stamp;
    std::tm parts{};
    std::time_t seconds = time->seconds();
    ::gmtime_r(&seconds, &parts);
    char buffer[64];
    return std::string(buffer, std::strftime(buffer, sizeof buffer, "%a %b %e %H:%M:%S %Y", &parts));
}

json::object client_version(int minor) {
    return {{"Version", PILA_VERSION},
            {"ApiVersion", fmt::format("1.{}", minor)},
            {"DefaultAPIVersion", fmt::format("1.{}", newest_api)},
            {"Os", "linux"},
            {"Arch", go_architecture()}};
}

std::string title_of(const json::value& object) {
    auto name = text(object, "Platform.Name");
    return name.empty() ? "" : " " + name;
}

std::string plain_text(const json::value& both) {
    const auto& client = field(both, "Client");
    auto out = fmt::format("Client:{}\n Version:\t{}\n API version:\t{}", title_of(client), text(client, "Version"),
                           text(client, "ApiVersion"));
    if (text(client, "ApiVersion") != text(client, "DefaultAPIVersion"))
        out += fmt::format(" (downgraded from {})", text(client, "DefaultAPIVersion"));
    out += fmt::format("\n OS/Arch:\t{}/{}\n", text(client, "Os"), text(client, "Arch"));
    const auto& server = field(both, "Server");
    if (server.is_null()) return align_columns(out, 20, 1);
    out += fmt::format("\nServer:{}\n", title_of(server));
    for (const auto& component : items(server, "Components")) {
        const auto& details = field(component, "Details");
        bool engine = text(component, "Name") == "Engine";
        out += fmt::format(" {}:\n  Version:\t{}\n", text(component, "Name"), text(component, "Version"));
        if (engine)
            out += fmt::format("  API version:\t{} (minimum version {})\n", text(details, "ApiVersion"),
                               text(details, "MinAPIVersion"));
        if (!text(details, "GoVersion").empty()) out += fmt::format("  Go version:\t{}\n", text(details, "GoVersion"));
        if (details.is_object() && details.get_object().contains("GitCommit"))
            out += fmt::format("  {}:\t{}\n", engine ? "Git commit" : "GitCommit", text(details, "GitCommit"));
        if (!engine) continue;
        if (!text(details, "BuildTime").empty())
            out += fmt::format("  Built:\t{}\n", build_time(text(details, "BuildTime")));
        out += fmt::format("  OS/Arch:\t{}/{}\n", text(details, "Os"), text(details, "Arch"));
        if (!text(details, "Experimental").empty())
            out += fmt::format("  Experimental:\t{}\n", text(details, "Experimental"));
    }
    return align_columns(out, 20, 1);
}

}  // namespace

int version_verb(Invocation& invocation) {
    std::string format;
    Flags flags(invocation, "[OPTIONS]", "Show the versions of client and daemon");
    flags.add({{"format", 'f', &format, "Format: 'json' or a Go template"}});
    if (auto code = flags.parse({0, 0})) return *code;
    std::optional<Template> shape;
    if (!format.empty() && format != "json") {
        auto parsed = Template::parse(format);
        if (!parsed) {
            fail("template parsing error: " + parsed.error().message());
            return 64;
        }
        shape = parsed.take();
    }
    auto api = connect(invocation, flags);
    json::object both{{"Client", client_version(api ? (*api)->minor() : newest_api)}, {"Server", nullptr}};
    std::optional<Error> problem;
    if (!api)
        problem = api.error();
    else if (auto server = (*api)->json({.path = "/version"}))
        both["Server"] = server.take();
    else
        problem = server.error();
    std::string out;
    if (shape) {
        if (auto shown = shape->execute(both, out, {.typed = true}); !shown) return fail(shown.error());
        out += '\n';
    } else {
        out = format == "json" ? compact_json(both) + "\n" : plain_text(both);
    }
    fmt::print("{}", out);
    return problem ? fail(*problem) : 0;
}

}  // namespace pila::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"

#include <fmt/core.h>
#include <algorithm>
#include <array>
#include <csignal>

#include "base/text.h"
#include "cli/daemon_address.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "cli/wrap.h"

namespace pila::cli {

namespace {

std::vector<std::span<const Verb>>& registered() {
    static std::vector<std::span<const Verb>> all{own_verbs()};
    return all;
}

const Verb* find_verb(std::string_view name) {
    const auto& tables = registered();
    for (auto table = tables.rbegin(); table != tables.rend(); ++table)
        for (const auto& verb : *table)
            if (verb.name == name) return &verb;
    return nullptr;
}

bool is_group(std::string_view name) {
    for (const auto& table : registered())
        for (const auto& verb : table)
            if (verb.name.size() > name.size() && verb.name.starts_with(name) && verb.name[name.size()] == ' ')
                return true;
    return false;
}

std::string_view group_summary(std::string_view name) {
    static constexpr std::pair<std::string_view, std::string_view> known[] = {{"container", "Manage containers"},
                                                                              {"image", "Manage images"},
                                                                              {"network", "Manage networks"},
                                                                              {"system", "Manage pila"},
                                                                              {"volume", "Manage volumes"}};
    for (const auto& [group, summary] : known)
        if (group == name) return summary;
    return "";
}

using Lines = std::vector<std::pair<std::string, std::string>>;

void print_commands(std::string_view title, Lines lines) {
    if (lines.empty()) return;
    std::sort(lines.begin(), lines.end());
    std::size_t width = 0;
    for (const auto& [name, summary] : lines) width = std::max(width, name.size());
    fmt::print("\n{}:\n", title);
    for (const auto& [name, summary] : lines) fmt::print("  {:{}}  {}\n", name, width, summary);
}

int group_help(std::string_view group) {
    fmt::print("Usage:  pila {} COMMAND\n\n{}\n", group, group_summary(group));
    Lines lines;
    for (const auto& table : registered())
        for (const auto& verb : table)
            if (verb.section != Section::Hidden && verb.name.starts_with(std::string(group) + " "))
                lines.emplace_back(verb.name.substr(group.size() + 1), verb.summary);
    print_commands("Commands", std::move(lines));
    fmt::print("\nRun 'pila {} COMMAND --help' for more information on a command.\n", group);
    return 0;
}

int top_help() {
    fmt::print("Usage:  pila [OPTIONS] COMMAND\n\nContainers, and what grows from them\n");
    std::array<Lines, 4> sections;
    for (const auto& table : registered()) {
        for (const auto& verb : table) {
            auto space = verb.name.find(' ');
            if (space == std::string_view::npos) {
                sections[static_cast<std::size_t>(verb.section)].emplace_back(verb.name, verb.summary);
                continue;
            }
            auto group = verb.name.substr(0, space);
            auto& groups = sections[static_cast<std::size_t>(Section::Management)];
            bool seen = std::any_of(groups.begin(), groups.end(), [&](auto& line) { return line.first == group; });
            if (!seen) groups.emplace_back(group, group_summary(group));
        }
    }
    print_commands("Common Commands", sections[0]);
    print_commands("Management Commands", sections[1]);
    print_commands("Commands", sections[2]);
    fmt::print("\nGlobal Options:\n{}",
               two_columns({{"      --config string", "Directory of config.json"},
                            {"  -D, --debug", "Say more"},
                            {"  -H, --host string",
                             "Daemon to speak to (default \"unix:///run/pila/docker.sock\"; PILA_HOST, DOCKER_HOST)"},
                            {"      --instance string", "Name of the daemon's instance on this machine"},
                            {"      --tls", "Use TLS; implied by --tlsverify"},
                            {"      --tlscacert string",
                             "Trust certs signed only by this CA (default \"ca.pem\" in "
                             "DOCKER_CERT_PATH, else beside config.json)"},
                            {"      --tlscert string", "Path to TLS certificate file (default \"cert.pem\" there)"},
                            {"      --tlskey string", "Path to TLS key file (default \"key.pem\" there)"},
                            {"      --tlsverify", "Use TLS and verify the remote (DOCKER_TLS_VERIFY)"},
                            {"  -v, --version", "Print version information and quit"}}));
    fmt::print("\nRun 'pila COMMAND --help' for more information on a command.\n");
    return 0;
}

struct Global {
    GlobalOptions options;
    std::size_t verb_at = 0;  // in arguments
    int leave = -1;           // exit code, when there is nothing more to do
};

int refuse(std::string_view message) {
    fmt::print(stderr, "{}\n\nUsage:  pila [OPTIONS] COMMAND [ARG...]\n\nRun 'pila --help' for more information\n",
               message);
    return 125;
}

// The flags before the verb. They end at the first argument that is none.
Global parse_global(const std::vector<std::string>& arguments) {
    Global global;
    bool help = false, version = false;
    Invocation whole{global.options, "", arguments};
    Flags flags(whole, "[OPTIONS] COMMAND [ARG...]", "", Flags::Order::BeforeArguments);
    std::string text;
    TlsFlags tls;
    auto keep = [](std::optional<std::string>& into) -> FlagSetter {
        return [&into](std::string_view value) -> Result<void> {
            into = value;
            return {};
        };
    };
    flags.add({{"host", 'H', &global.options.host, ""},
               {"instance", 0, &global.options.instance, ""},
               {"config", 0, &global.options.config_directory, ""},
               {"debug", 'D', &global.options.debug, ""},
               {"log-level", 'l', &text, ""},
               {"context", 'c', &text, ""},
               {"tls", 0, &tls.tls, ""},
               {"tlsverify", 0, &tls.verify, ""},
               {"tlscacert", 0, keep(tls.ca), "", "string"},
               {"tlscert", 0, keep(tls.certificate), "", "string"},
               {"tlskey", 0, keep(tls.key), "", "string"},
               {"help", 'h', &help, ""},
               {"version", 'v', &version, ""}});
    if (auto code = flags.parse({})) {
        global.leave = *code;
        return global;
    }
    global.verb_at = arguments.size() - flags.arguments().size();
    if (version) {
        fmt::print("pila version " PILA_VERSION "\n");
        global.leave = 0;
    } else if (help && flags.arguments().empty()) {
        global.leave = top_help();
    }
    tls.verify_given = flags.changed("tlsverify");
    settle_daemon(global.options, tls);
    return global;
}

int help_of(const GlobalOptions& global, const std::vector<std::string>& rest) {
    if (rest.empty()) return top_help();
    auto name = join(rest, " ");
    if (const auto* verb = find_verb(name)) {
        Invocation invocation{global, name, {"--help"}};
        return verb->function(invocation);
    }
    if (is_group(name)) return group_help(name);
    fmt::print(stderr, "unknown help topic: {}\n", name);
    return 1;
}

}  // namespace

void register_verbs(std::span<const Verb> verbs) { registered().push_back(verbs); }

int run(int argc, char** argv) {
    ::signal(SIGPIPE, SIG_DFL);
    std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    auto global = parse_global(arguments);
    if (global.leave >= 0) return global.leave;
    std::vector<std::string> rest(arguments.begin() + static_cast<std::ptrdiff_t>(global.verb_at), arguments.end());
    if (rest.empty()) return top_help();
    auto name = rest[0];
    if (name == "help") return help_of(global.options, {rest.begin() + 1, rest.end()});
    std::size_t used = 1;
    if (is_group(name) && rest.size() > 1 && find_verb(name + " " + rest[1])) {
        name += " " + rest[1];
        used = 2;
    }
    if (const auto* verb = find_verb(name)) {
        Invocation invocation{global.options, name, {rest.begin() + static_cast<std::ptrdiff_t>(used), rest.end()}};
        int code = verb->function(invocation);
        std::fflush(stdout);
        return code;
    }
    if (is_group(name)) {
        if (rest.size() == 1 || rest[1] == "--help" || rest[1] == "-h") return group_help(name);
        if (rest[1].starts_with('-')) return refuse(fmt::format("unknown flag: {}", rest[1]));
        fmt::print(
            stderr,
            "pila: unknown command: pila {0} {1}\n\nUsage:  pila {0}\n\nRun 'pila {0} --help' for more information\n",
            name, rest[1]);
        return 1;
    }
    fmt::print(stderr, "pila: unknown command: pila {}\n\nRun 'pila --help' for more information\n", name);
    return 1;
}

Result<std::unique_ptr<Api>> connect(const Invocation& invocation, const Flags& flags) {
    auto api = TRY(Api::connect(invocation.global));
    TRY(flags.check_api(api->minor()));
    return api;
}

bool confirm(std::string_view warning) {
    fmt::print("{} [y/N] ", warning);
    std::fflush(stdout);
    char answer[16] = "";
    if (!std::fgets(answer, sizeof answer, stdin)) return false;
    return trim(answer) == "y" || trim(answer) == "Y";
}

}  // namespace pila::cli

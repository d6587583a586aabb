// SPDX-License-Identifier: Apache-2.0
#include "runtime/command_line_internal.h"

#include <fcntl.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <fmt/core.h>

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"
#include "runtime/options_internal.h"
#include "runtime/verbs_internal.h"

namespace pila::runtime {

namespace {

struct Verb {
    std::string_view name;
    Result<int> (*run)(const Invocation& call);
    const char* help;
    int failed = 1;  // exit code
};

constexpr Verb verbs[] = {
    {"create", create_verb,
     "prepare a container from an OCI bundle: create [--bundle DIR] [--console-socket PATH] [--pid-file FILE]\n"
     "            [--preserve-fds N] [--no-pivot] [--no-new-keyring] ID"},
    {"start", start_verb, "run the program of a created container: start ID"},
    {"run", run_verb,
     "create and start, in the foreground unless --detach: run [--detach] [--keep] [options of create] ID"},
    {"exec", exec_verb,
     "another program in a container: exec [--process FILE] [--tty] [--cwd DIR] [--env A=B] [--user UID[:GID]]\n"
     "            [--additional-gids GID] [--cap CAP] [--no-new-privs] [--apparmor PROFILE] [--process-label LABEL]\n"
     "            [--detach] [--pid-file FILE] [--console-socket PATH] [--preserve-fds N] [--ignore-paused]\n"
     "            [--cgroup [CONTROLLER:]PATH] ID [COMMAND ARGUMENT...]",
     255},
    {"kill", kill_verb, "send a signal, SIGTERM unless told: kill [--all] ID [SIGNAL]"},
    {"delete", delete_verb, "remove what a container that has ended left: delete [--force] ID"},
    {"state", state_verb, "a container's state as JSON: state ID"},
    {"list", list_verb, "all containers below --root: list [--format table|json] [--quiet]"},
    {"ps", ps_verb, "processes of a container: ps [--format table|json] ID [option of ps...]"},
    {"pause", pause_verb, "freeze a container: pause ID"},
    {"resume", resume_verb, "thaw it: resume ID"},
    {"update", update_verb, "other limits for a container: update [--resources FILE] [--memory N] [...] ID"},
    {"events", events_verb, "use of resources and out-of-memory kills as JSON: events [--stats] [--interval TIME] ID"},
    {"spec", spec_verb, "write an example config.json: spec [--rootless] [--bundle DIR]"},
    {"features", features_verb, "what this runtime can do, as JSON"},
    {"seccomp", seccomp_verb, "the default seccomp profile in Docker's form, a reason in each rule"},
};

struct Globals {
    std::string root, log, log_format = "text", rootless = "auto", cgroup_manager;
    bool systemd_cgroup = false, version = false, help = false;
};

int usage(FILE* where, int code) {
    std::fputs(
        "usage: pila-runtime [--root DIR] [--log FILE] [--log-format text|json] [--systemd-cgroup]\n"
        "                    [--rootless auto|true|false] VERB [options]\n\nverbs:\n",
        where);
    for (const auto& verb : verbs) std::fprintf(where, "  %-9s %s\n", verb.name.data(), verb.help);
    return code;
}

std::string default_state_root() {
    if (::geteuid() == 0) return "/run/pila-runtime";
    const char* directory = ::getenv("XDG_RUNTIME_DIR");
    if (directory && *directory) return std::string(directory) + "/pila-runtime";
    return fmt::format("/tmp/pila-runtime-{}", ::geteuid());
}

// Root of a user namespace may be as powerless as anybody.
bool is_rootless() {
    if (::geteuid() != 0) return true;
    auto map = os::read_file("/proc/self/uid_map", 4096);
    std::string words;
    for (char c : map ? *map : std::string())
        if (c != ' ' || (!words.empty() && words.back() != ' ')) words += c;
    return map && trim(words) != "0 0 4294967295";
}

// One error as one line: podman reads the file as a single JSON value, containerd its last line.
void write_log(const Globals& globals, const std::string& message) {
    if (globals.log.empty()) return;
    auto file = os::open(globals.log, O_WRONLY | O_APPEND | O_CREAT, 0644);
    if (!file) return;
    auto time = rfc3339_nano(WallTime{now_wall().seconds() * 1'000'000'000});
    auto line = globals.log_format == "json"
                    ? fmt::format("{{\"level\":\"error\",\"msg\":{},\"time\":\"{}\"}}\n", json_quote(message), time)
                    : fmt::format("time=\"{}\" level=error msg={}\n", time, json_quote(message));
    ignore(os::write_all(*file, line), "standard error has it, too");
}

int report(const Globals& globals, std::string_view doing, const Error& error, int code) {
    write_log(globals, error.message());
    std::fprintf(stderr, "pila-runtime: %.*s%s\n", static_cast<int>(doing.size()), doing.data(),
                 error.message().c_str());
    return code;
}

Result<void> read_globals(Globals& globals, int argc, char** argv, int& first) {
    Options options;
    options.text("root", globals.root)
        .text("log", globals.log)
        .text("log-format", globals.log_format)
        .text("rootless", globals.rootless)
        .text("cgroup-manager", globals.cgroup_manager)
        .flag("systemd-cgroup", globals.systemd_cgroup)
        .flag("version", globals.version, 'v')
        .flag("help", globals.help, 'h')
        .ignored("debug", false)
        .ignored("criu", true);
    TRY(options.parse_front(argc, argv, first));
    if (globals.log_format != "text" && globals.log_format != "json")
        return Error(Errc::Invalid, "option --log-format: must be text or json");
    if (globals.rootless != "auto" && globals.rootless != "true" && globals.rootless != "false")
        return Error(Errc::Invalid, "option --rootless: must be auto, true or false");
    if (globals.cgroup_manager == "systemd") globals.systemd_cgroup = true;
    return {};
}

}  // namespace

int command_line_main(int argc, char** argv) {
    Globals globals;
    int first = 0;
    if (auto read = read_globals(globals, argc - 1, argv + 1, first); !read)
        return report(globals, "", read.error(), 1);
    int at = first + 1;
    if (globals.version) {
        std::printf("pila-runtime version %s\nspec: 1.2.0\n", PILA_VERSION);
        return 0;
    }
    std::string_view name = at < argc ? argv[at] : "";
    if (globals.help || name == "help") return usage(stdout, 0);
    if (name.empty()) return usage(stderr, 1);
    for (const auto& verb : verbs) {
        if (verb.name != name) continue;
        std::string_view next = at + 1 < argc ? argv[at + 1] : "";
        if (next == "--help" || next == "-h") return std::printf("%s\n", verb.help) < 0;
        Invocation call{.state_root = globals.root.empty() ? default_state_root() : globals.root,
                        .systemd_cgroup = globals.systemd_cgroup,
                        .rootless = globals.rootless == "auto" ? is_rootless() : globals.rootless == "true",
                        .argc = argc - at - 1,
                        .argv = argv + at + 1,
                        .command_line = argv};
        auto outcome = verb.run(call);
        if (outcome) return *outcome;
        return report(globals, fmt::format("{}: ", name), outcome.error(), verb.failed);
    }
    return report(globals, "",
                  Error(Errc::Invalid, fmt::format("unknown command \"{}\"; see pila-runtime --help", printable(name))),
                  1);
}

}  // namespace pila::runtime

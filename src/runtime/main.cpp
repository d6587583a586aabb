// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "runtime/helper.h"
#include "runtime/own_exe_internal.h"
#include "runtime/verbs_internal.h"

namespace {

struct Verb {
    std::string_view name;
    int (*run)(int argc, char** argv);  // arguments behind the verb
    const char* help;                   // nullptr: not for people
};

// The whole command line is its to write over.
int spawner(int argc, char** argv) { return pila::runtime::spawner_main(argc + 2, argv - 2); }

constexpr Verb verbs[] = {
    {"run", pila::runtime::run_verb,
     "run a container from an OCI bundle in the foreground: [--root DIR] run [--bundle DIR] [--pid-file FILE] ID"},
    {"spec", pila::runtime::spec_verb, "write an example config.json: spec [--rootless] [--bundle DIR]"},
    {"features", pila::runtime::features_verb, "what this runtime can do, as JSON"},
    {"seccomp", pila::runtime::seccomp_verb, "the default seccomp profile in Docker's form, a reason in each rule"},
    {"shim", spawner, nullptr},
    {"helper", helper_main, nullptr},
    {"mount", pila::runtime::mount_verb, nullptr},
};

// runc and crun take global options before the verb: `--root DIR run ID`. The verbs look for them among their own.
void move_global_options(int argc, char** argv) {
    int end = 1;
    while (end < argc && std::strncmp(argv[end], "--root", 6) == 0) end += argv[end][6] == '=' ? 1 : 2;
    if (end > 1 && end < argc) std::rotate(argv + 1, argv + end, argv + end + 1);
}

int usage(FILE* where, int code) {
    std::fputs("usage: pila-runtime VERB [options]\n\nverbs:\n", where);
    for (const auto& verb : verbs)
        if (verb.help) std::fprintf(where, "  %-9s %s\n", verb.name.data(), verb.help);
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 1) return 1;
    if (::getpid() == 1 && !pila::runtime::own_exe_is_protected()) {
        auto failed = pila::runtime::execute_protected(argv);
        std::fprintf(stderr, "pila-runtime: refuses to be process 1: %s\n", failed.message().c_str());
        return 126;
    }
    if (std::strcmp(argv[0], "pila-init") == 0) return pila::runtime::init_main(argc, argv);
    // A descriptor of ours must never be 0, 1 or 2: the payload's streams are placed there.
    int fd = 0;
    while (fd <= 2) {
        fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0) return 1;
    }
    ::close(fd);
    move_global_options(argc, argv);
    if (argc < 2) return usage(stderr, 1);
    std::string_view name = argv[1];
    for (const auto& verb : verbs) {
        if (verb.name != name) continue;
        bool asked = argc > 2 && (std::strcmp(argv[2], "--help") == 0 || std::strcmp(argv[2], "-h") == 0);
        if (asked && verb.help) return std::printf("%s\n", verb.help) < 0;
        return verb.run(argc - 2, argv + 2);
    }
    if (name == "--version" || name == "-v") {
        std::printf("pila-runtime version %s\nspec: 1.2.0\n", PILA_VERSION);
        return 0;
    }
    if (name == "--help" || name == "-h" || name == "help") return usage(stdout, 0);
    std::fprintf(stderr, "pila-runtime: unknown command \"%s\"; see pila-runtime --help\n", argv[1]);
    return 1;
}

// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string_view>
#include <vector>

#include "app/daemon.h"

static int daemon_main(int argc, char** argv) {
    std::vector<std::string> arguments(argv + 2, argv + argc);
    auto options = pila::app::parse_daemon_options(arguments);
    if (!options) {
        std::fprintf(stderr, "pila daemon: %s\nSee 'pila daemon --help'.\n", options.error().message().c_str());
        return 2;
    }
    if (options->help) {
        std::fputs(pila::app::daemon_help().c_str(), stdout);
        return 0;
    }
    auto ended = pila::app::run_daemon(*options);
    if (ended) return 0;
    std::fprintf(stderr, "pila daemon: %s\n", ended.error().message().c_str());
    return 1;
}

int main(int argc, char** argv) {
    std::string_view verb = argc > 1 ? argv[1] : "";
    if (verb == "daemon") return daemon_main(argc, argv);
    std::fprintf(stderr, "usage: pila daemon [OPTIONS]\n");
    return 125;
}

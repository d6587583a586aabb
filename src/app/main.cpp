// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string_view>
#include <vector>

#include "app/daemon.h"
#include "app/registry_verb.h"
#include "cli/cli.h"

static int daemon_main(pila::cli::Invocation& invocation) {
    auto options = pila::app::parse_daemon_options(invocation.arguments);
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

static int registry_main(pila::cli::Invocation& invocation) {
    auto options = pila::app::parse_registry_arguments(invocation.arguments);
    if (!options) {
        std::fprintf(stderr, "pila registry: %s\nSee 'pila registry --help'.\n", options.error().message().c_str());
        return 2;
    }
    if (options->help) {
        std::fputs(pila::app::registry_help().c_str(), stdout);
        return 0;
    }
    auto ended = pila::app::run_registry(*options);
    if (ended) return 0;
    std::fprintf(stderr, "pila registry: %s\n", ended.error().message().c_str());
    return 1;
}

static int kubeconfig_main(pila::cli::Invocation& invocation) {
    auto text = pila::app::print_kubeconfig(invocation.arguments);
    if (text) {
        std::fputs(text->c_str(), stdout);
        return 0;
    }
    std::fprintf(stderr, "pila kubeconfig: %s\n", text.error().message().c_str());
    return text.error().code() == pila::Errc::Invalid ? 2 : 1;
}

static constexpr pila::cli::Verb verbs[] = {
    {"kubeconfig", "Print the kubeconfig of the cluster's administrator", kubeconfig_main,
     pila::cli::Section::Management},
    {"registry", "Run an OCI registry", registry_main, pila::cli::Section::Management},
    {"daemon", "Run the engine", daemon_main, pila::cli::Section::Management},
};

int main(int argc, char** argv) {
    pila::cli::register_verbs(verbs);
    return pila::cli::run(argc, argv);
}

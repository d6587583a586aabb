// SPDX-License-Identifier: Apache-2.0
#pragma once
// The command line: docker's verbs spoken to a daemon over its API. One thread, except while `run` or `start -a` waits.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pila::cli {

// How tcp:// addresses are spoken to; unix sockets take no notice.
struct TlsOptions {
    bool on = false, verify = false;
    std::string ca, certificate, key;  // PEM files; no certificate, no key: a client without
};

// What stands before the verb, and the environment.
struct GlobalOptions {
    std::string host;      // "unix:///run/pila/docker.sock", "tcp://..."
    std::string instance;  // "": the default one
    std::string config_directory;
    TlsOptions tls;
    bool debug = false;
};

// One call of one verb.
struct Invocation {
    const GlobalOptions& global;
    std::string name;                    // "ps", "container ls": as it was called, without the program's name
    std::vector<std::string> arguments;  // after the verb
};

using VerbFunction = int (*)(Invocation&);  // returns the exit code

enum class Section : unsigned char { Common, Management, Other, Hidden };

struct Verb {
    std::string_view name;  // "ps", "container ls"; a name of another verb's group makes the group
    std::string_view summary;
    VerbFunction function;
    Section section = Section::Other;
};

// Adds verbs that live elsewhere (daemon, doctor, vm, ...). Before run(); `verbs` must outlive it. Later ones win.
void register_verbs(std::span<const Verb> verbs);

int run(int argc, char** argv);

}  // namespace pila::cli

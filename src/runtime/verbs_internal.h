// SPDX-License-Identifier: Apache-2.0
#pragma once
// What pila-runtime can be asked to do; main.cpp holds the table.

#include <string>

#include "base/result.h"

namespace pila::runtime {

// One call of the command line that runc and crun share.
struct Invocation {
    std::string state_root;  // --root, or where it is without
    bool systemd_cgroup = false;
    bool rootless = false;  // without the rights of the host's root: no root, or one of a user namespace
    int argc;               // behind the verb
    char** argv;
    char** command_line;  // all of it, to execute it again
};

// The value is the exit code.
Result<int> run_verb(const Invocation& call);
Result<int> create_verb(const Invocation& call);
Result<int> start_verb(const Invocation& call);
Result<int> state_verb(const Invocation& call);
Result<int> list_verb(const Invocation& call);
Result<int> kill_verb(const Invocation& call);
Result<int> delete_verb(const Invocation& call);
Result<int> exec_verb(const Invocation& call);
Result<int> ps_verb(const Invocation& call);
Result<int> pause_verb(const Invocation& call);
Result<int> resume_verb(const Invocation& call);
Result<int> update_verb(const Invocation& call);
Result<int> events_verb(const Invocation& call);
Result<int> spec_verb(const Invocation& call);
Result<int> features_verb(const Invocation& call);
Result<int> seccomp_verb(const Invocation& call);
// Started by the daemon: mounts of a container that runs (live_mounts.h).
int mount_verb(int argc, char** argv);
// Started by the daemon: the whole command line.
int spawner_main(int argc, char** argv);
// As PID 1 of a container (--init): the whole command line, "pila-init -- PROGRAM ARGUMENT0 ARGUMENT1 ...".
int init_main(int argc, char** argv);

}  // namespace pila::runtime

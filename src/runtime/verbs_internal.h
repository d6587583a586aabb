// SPDX-License-Identifier: Apache-2.0
#pragma once
// What pila-runtime can be asked to do; main.cpp holds the table.

namespace pila::runtime {

// Arguments behind the verb (argv[-1]) and the program (argv[-2]). The value is the exit code.
int run_verb(int argc, char** argv);
int spec_verb(int argc, char** argv);
int features_verb(int argc, char** argv);
int seccomp_verb(int argc, char** argv);
// Started by the daemon: mounts of a container that runs (live_mounts.h).
int mount_verb(int argc, char** argv);
// Started by the daemon: the whole command line.
int spawner_main(int argc, char** argv);
// As PID 1 of a container (--init): the whole command line, "pila-init -- PROGRAM ARGUMENT0 ARGUMENT1 ...".
int init_main(int argc, char** argv);

}  // namespace pila::runtime

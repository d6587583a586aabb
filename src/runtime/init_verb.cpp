// SPDX-License-Identifier: Apache-2.0
// --init: PID 1 of a container whose program does not expect to be that. Reaps orphans, passes signals on, ends with
// the program.
#include "runtime/verbs_internal.h"

#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <string>

namespace pila::runtime {

static pid_t start_program(char** argv, const sigset_t& before) {
    pid_t pid = ::fork();
    if (pid != 0) return pid;
    // A process group of its own, in the foreground, so that keys of the terminal reach it once.
    ::setpgid(0, 0);
    ::signal(SIGTTOU, SIG_IGN);
    ::tcsetpgrp(STDIN_FILENO, ::getpid());
    ::signal(SIGTTOU, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    // argv[0]: the program as it was found; behind it the arguments with the name it is to see.
    ::execve(argv[0], argv + 1, environ);
    ::_exit(errno == ENOENT ? 127 : 126);
}

int init_main(int argc, char** argv) {
    if (argc < 4) return 125;  // pila-init -- PROGRAM ARGUMENT0...
    ::prctl(PR_SET_NAME, "pila-init");  // ps would show the memfd that it was executed from
    sigset_t all, before;
    ::sigfillset(&all);
    for (int fault : {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU})
        ::sigdelset(&all, fault);
    ::sigprocmask(SIG_SETMASK, &all, &before);
    pid_t program = start_program(argv + 2, before);
    if (program < 0) return 125;
    for (;;) {
        siginfo_t info{};
        int signal = ::sigwaitinfo(&all, &info);
        if (signal > 0 && signal != SIGCHLD) ::kill(program, signal);
        if (signal != SIGCHLD) continue;
        int status = 0;
        for (pid_t ended; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;)
            if (ended == program) return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
}

}  // namespace pila::runtime

/* SPDX-License-Identifier: Apache-2.0 */
/* The only program of the image pila/hello-world, static. Without arguments it greets; "wait" waits for TERM. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
    if (argc == 2 && strcmp(argv[1], "wait") == 0) {
        sigset_t ends;
        int signal_number;
        sigemptyset(&ends);
        sigaddset(&ends, SIGTERM);
        sigaddset(&ends, SIGINT);
        sigprocmask(SIG_BLOCK, &ends, NULL);
        return sigwait(&ends, &signal_number);
    }
    puts("Hello from pila!\nThis message shows that your installation appears to be working correctly.");
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The only program of the image pila/hello-world, static.
   Without arguments it greets; "wait" waits for TERM; "serve PORT" answers every TCP connection and every UDP packet
   with the caller's address. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int wait_for_signal(void) {
    sigset_t ends;
    int signal_number;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    return sigwait(&ends, &signal_number);
}

static int listen_on(int type, unsigned short port) {
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int on = 1, server = socket(AF_INET, type, 0);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server, (const struct sockaddr*)&address, sizeof address) != 0 || (type == SOCK_STREAM && listen(server, 64) != 0)) {
        perror("hello: bind");
        exit(1);
    }
    return server;
}

static int serve(unsigned short port) {
    struct pollfd servers[2] = {{.fd = listen_on(SOCK_STREAM, port), .events = POLLIN},
                                {.fd = listen_on(SOCK_DGRAM, port), .events = POLLIN}};
    puts("serving");
    fflush(stdout);
    while (poll(servers, 2, -1) > 0) {
        struct sockaddr_in caller;
        socklen_t size = sizeof caller;
        char answer[64], question[1500], address[INET_ADDRSTRLEN];
        int client = -1;
        if (servers[0].revents)
            client = accept(servers[0].fd, (struct sockaddr*)&caller, &size);
        else if (recvfrom(servers[1].fd, question, sizeof question, 0, (struct sockaddr*)&caller, &size) < 0)
            continue;
        inet_ntop(AF_INET, &caller.sin_addr, address, sizeof address);
        const int length = snprintf(answer, sizeof answer, "you are %s\n", address);
        if (client >= 0) {
            if (write(client, answer, length) != length) perror("hello: write");
            close(client);
        } else {
            sendto(servers[1].fd, answer, length, 0, (struct sockaddr*)&caller, size);
        }
    }
    return 1;
}

int main(int argc, char** argv) {
    if (argc == 2 && strcmp(argv[1], "wait") == 0) return wait_for_signal();
    if (argc == 3 && strcmp(argv[1], "serve") == 0) return serve(atoi(argv[2]));
    puts("Hello from pila!\nThis message shows that your installation appears to be working correctly.");
    return 0;
}

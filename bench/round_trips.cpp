// SPDX-License-Identifier: Apache-2.0
// Round trips over TCP, for what a published port costs.
//   round_trips server PORT                         one thread, epoll; answers each HTTP request with "ok" (wrk works
//   too) round_trips client COUNT ROUNDS NAME=HOST:PORT...   one connection each, taking turns; prints "NAME
//   MICROSECONDS"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr std::string_view question = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";

void without_delay(int fd) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Every request here fits one segment and ends with an empty line; pipelining is answered by counting those.
void serve(int client) {
    char buffer[65536];
    const ssize_t size = recv(client, buffer, sizeof buffer, 0);
    if (size <= 0) {
        close(client);
        return;
    }
    std::string out;
    const std::string_view text(buffer, static_cast<std::size_t>(size));
    for (std::size_t at = 0; (at = text.find("\r\n\r\n", at)) != std::string_view::npos; at += 4) out += answer;
    if (send(client, out.data(), out.size(), MSG_NOSIGNAL) < 0) close(client);
}

int server(const char* port) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener, 512) != 0) {
        std::perror("round_trips: listen");
        return 1;
    }
    const int pump = epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{.events = EPOLLIN, .data = {.fd = listener}};
    epoll_ctl(pump, EPOLL_CTL_ADD, listener, &event);
    std::puts("serving");
    std::fflush(stdout);
    for (epoll_event events[64];;) {
        const int count = epoll_wait(pump, events, 64, -1);
        for (int index = 0; index < count; index++) {
            if (events[index].data.fd != listener) {
                serve(events[index].data.fd);
                continue;
            }
            event.data.fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
            if (event.data.fd < 0) continue;
            without_delay(event.data.fd);
            epoll_ctl(pump, EPOLL_CTL_ADD, event.data.fd, &event);
        }
    }
}

double now_us() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

int connect_to(const std::string& target) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    const auto colon = target.rfind(':');
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(target.c_str() + colon + 1)));
    inet_pton(AF_INET, target.substr(0, colon).c_str(), &address.sin_addr);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        std::perror(("round_trips: " + target).c_str());
        std::exit(1);
    }
    without_delay(fd);
    return fd;
}

int client(int argc, char** argv) {
    const int count = std::atoi(argv[2]), rounds = std::atoi(argv[3]);
    for (int round = 0; round < rounds; round++) {
        for (int index = 4; index < argc; index++) {
            const std::string contender = argv[index];
            const std::string name = contender.substr(0, contender.find('='));
            const int fd = connect_to(contender.substr(contender.find('=') + 1));
            for (int trip = -50; trip < count; trip++) {
                char buffer[512];
                const double begin = now_us();
                if (send(fd, question.data(), question.size(), MSG_NOSIGNAL) < 0 ||
                    recv(fd, buffer, sizeof buffer, 0) <= 0)
                    return 1;
                if (trip >= 0) std::printf("%s %.2f\n", name.c_str(), now_us() - begin);
            }
            close(fd);
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 3 && std::strcmp(argv[1], "server") == 0) return server(argv[2]);
    if (argc > 4 && std::strcmp(argv[1], "client") == 0) return client(argc, argv);
    std::fprintf(stderr, "usage: see the head of bench/round_trips.cpp\n");
    return 2;
}

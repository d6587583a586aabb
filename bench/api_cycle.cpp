// SPDX-License-Identifier: Apache-2.0
// Drives Docker Engine APIs over keep-alive unix sockets, as little of a load itself as can be: plain sockets.
//
//   api_cycle cycle ROUNDS PER_ROUND NETWORK NAME=SOCKET...   create, start, wait, remove; engines take turns each
//   round.
//                                                           Prints "NAME OPERATION MILLISECONDS" per operation.
//   api_cycle rate CLIENTS COUNT NETWORK NAME=SOCKET         COUNT cycles by CLIENTS threads; prints "NAME rate
//   PER_SECOND" api_cycle idle COUNT NETWORK NAME=SOCKET                 starts COUNT containers that wait
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

double now_ms() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "api_cycle: %s\n", what.c_str());
    std::exit(1);
}

struct Answer {
    int status = 0;
    std::string body;
};

class Connection {
public:
    explicit Connection(std::string path) : path_(std::move(path)) { open(); }
    ~Connection() { close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Answer call(const char* method, const std::string& target, const std::string& body = "") {
        std::string request = std::string(method) + " " + target + " HTTP/1.1\r\nHost: d\r\n";
        if (!body.empty() || std::strcmp(method, "POST") == 0)
            request += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
        request += "\r\n" + body;
        if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
            fail("send: " + path_);
        return receive();
    }

private:
    void open() {
        fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect to " + path_);
    }

    void more() {
        char piece[16384];
        const ssize_t size = recv(fd_, piece, sizeof piece, 0);
        if (size <= 0) fail("the engine closed the connection: " + path_);
        buffer_.append(piece, static_cast<std::size_t>(size));
    }

    std::string take(std::size_t size) {
        while (buffer_.size() < size) more();
        std::string taken = buffer_.substr(0, size);
        buffer_.erase(0, size);
        return taken;
    }

    std::string take_until(std::string_view mark) {
        std::size_t at;
        while ((at = buffer_.find(mark)) == std::string::npos) more();
        std::string taken = take(at + mark.size());
        taken.resize(at);
        return taken;
    }

    Answer receive() {
        const std::string head = take_until("\r\n\r\n");
        Answer answer;
        answer.status = std::atoi(head.c_str() + 9);
        if (answer.status == 204 || answer.status == 304) return answer;
        const auto length = head.find("Content-Length: ");
        if (length != std::string::npos) {
            answer.body = take(std::strtoul(head.c_str() + length + 16, nullptr, 10));
            return answer;
        }
        for (;;) {  // chunked
            const std::size_t size = std::strtoul(take_until("\r\n").c_str(), nullptr, 16);
            answer.body += take(size);
            take(2);
            if (size == 0) return answer;
        }
    }

    std::string path_, buffer_;
    int fd_ = -1;
};

struct Engine {
    std::string name, socket;
};

void expect(const Answer& answer, int status, const char* what) {
    if (answer.status != status) fail(std::string(what) + ": " + std::to_string(answer.status) + " " + answer.body);
}

std::string create(Connection& connection, const std::string& network, bool idle) {
    const std::string image = idle ? R"("pila/hello-world","Cmd":["/hello","wait"])" : R"("busybox","Cmd":["true"])";
    const Answer answer =
        connection.call("POST", "/v1.41/containers/create",
                        R"({"Image":)" + image + R"(,"HostConfig":{"NetworkMode":")" + network + R"("}})");
    expect(answer, 201, "create");
    const auto at = answer.body.find("\"Id\":\"");
    if (at == std::string::npos) fail("create: no Id in " + answer.body);
    return answer.body.substr(at + 6, 64);
}

void cycle(Connection& connection, const std::string& network, const char* name) {
    double times[5];
    times[0] = now_ms();
    const std::string path = "/v1.41/containers/" + create(connection, network, false);
    times[1] = now_ms();
    expect(connection.call("POST", path + "/start"), 204, "start");
    times[2] = now_ms();
    const Answer ended = connection.call("POST", path + "/wait");
    expect(ended, 200, "wait");
    if (ended.body.find("\"StatusCode\":0") == std::string::npos) fail("wait: " + ended.body);
    times[3] = now_ms();
    expect(connection.call("DELETE", path), 204, "remove");
    times[4] = now_ms();
    if (!name) return;
    const char* operations[] = {"create", "start", "wait", "remove"};
    for (int index = 0; index < 4; index++)
        std::printf("%s %s %.3f\n", name, operations[index], times[index + 1] - times[index]);
    std::printf("%s cycle %.3f\n", name, times[4] - times[0]);
}

Engine engine_of(const std::string& text) { return {text.substr(0, text.find('=')), text.substr(text.find('=') + 1)}; }

int run_cycles(int argc, char** argv) {
    const int rounds = std::atoi(argv[2]), per_round = std::atoi(argv[3]);
    std::vector<Engine> engines;
    for (int index = 5; index < argc; index++) engines.push_back(engine_of(argv[index]));
    for (int round = -1; round < rounds; round++) {  // one round to warm up
        for (const Engine& engine : engines) {
            Connection connection(engine.socket);
            for (int count = 0; count < per_round; count++)
                cycle(connection, argv[4], round < 0 ? nullptr : engine.name.c_str());
        }
    }
    return 0;
}

int run_rate(char** argv) {
    const int clients = std::atoi(argv[2]), count = std::atoi(argv[3]);
    const Engine engine = engine_of(argv[5]);
    std::atomic<int> left = count;
    const double begin = now_ms();
    std::vector<std::thread> threads;
    for (int index = 0; index < clients; index++)
        threads.emplace_back([&] {
            Connection connection(engine.socket);
            while (left.fetch_sub(1) > 0) cycle(connection, argv[4], nullptr);
        });
    for (std::thread& thread : threads) thread.join();
    std::printf("%s rate %.2f\n", engine.name.c_str(), count * 1e3 / (now_ms() - begin));
    return 0;
}

// Removes every container there is, running or not: clear CLIENTS 0 - NAME=SOCKET
int run_clear(char** argv) {
    const Engine engine = engine_of(argv[5]);
    std::vector<std::string> ids;
    const std::string listed = Connection(engine.socket).call("GET", "/v1.41/containers/json?all=1").body;
    const std::string mark = "\"Id\":\"";
    for (auto at = listed.find(mark); at != std::string::npos; at = listed.find(mark, at + 1))
        ids.push_back(listed.substr(at + mark.size(), 64));
    std::atomic<std::size_t> next = 0;
    const double begin = now_ms();
    std::vector<std::thread> threads;
    for (int index = std::atoi(argv[2]); index > 0; index--)
        threads.emplace_back([&] {
            Connection connection(engine.socket);
            for (std::size_t mine = next++; mine < ids.size(); mine = next++)
                expect(connection.call("DELETE", "/v1.41/containers/" + ids[mine] + "?force=1"), 204, "remove");
        });
    for (std::thread& thread : threads) thread.join();
    std::printf("%s clear %.3f\n", engine.name.c_str(), (now_ms() - begin) / static_cast<double>(ids.size()));
    return 0;
}

int run_idle(char** argv) {
    Connection connection(engine_of(argv[4]).socket);
    for (int left = std::atoi(argv[2]); left > 0; left--)
        expect(connection.call("POST", "/v1.41/containers/" + create(connection, argv[3], true) + "/start"), 204,
               "start");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 4 ? argv[1] : "";
    if (mode == "cycle" && argc > 5) return run_cycles(argc, argv);
    if (mode == "rate" && argc > 5) return run_rate(argv);
    if (mode == "clear" && argc > 5) return run_clear(argv);
    if (mode == "idle") return run_idle(argv);
    std::fprintf(stderr, "usage: see the head of bench/api_cycle.cpp\n");
    return 2;
}

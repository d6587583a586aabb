// SPDX-License-Identifier: Apache-2.0
// Load for a Kubernetes API server: connections that are kept, TLS 1.3 with a client's certificate; one thread for all
// of them, so that what is measured is the server and not the threads of its clients (watchers have one each).
//   kube_load PORT CERTIFICATE KEY MODE CONNECTIONS ARGUMENT
//   create SECONDS   config maps of 1 KB            get SECONDS      one config map, again and again
//   fill COUNT       pods of some 4 KB              list TIMES       all pods
//   watch CHANGES    CONNECTIONS watchers of config maps see them all
// Prints "NAME NUMBER" lines.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using Clock = std::chrono::steady_clock;
static int port;
static SSL_CTX* context;

[[noreturn]] static void fail(const std::string& what) {
    std::fprintf(stderr, "kube_load: %s\n", what.c_str());
    std::_Exit(1);
}

static double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

class Connection {
public:
    Connection() {
        socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) fail("connect");
        int one = 1;
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        ssl_ = SSL_new(context);
        SSL_set_fd(ssl_, socket_);
        if (SSL_connect(ssl_) != 1) fail("TLS handshake");
    }
    ~Connection() {
        SSL_free(ssl_);
        ::close(socket_);
    }
    Connection(const Connection&) = delete;

    void send(const std::string& method, const std::string& path, const std::string& body) {
        std::string text = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load/1\r\n";
        if (!body.empty())
            text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
        text += "\r\n" + body;
        if (SSL_write(ssl_, text.data(), static_cast<int>(text.size())) <= 0) fail("write");
    }
    // Nothing blocks any more: readiness is for `poller` to tell, as `index`.
    void join(int poller, std::size_t index) {
        ::fcntl(socket_, F_SETFL, O_NONBLOCK);
        epoll_event event{EPOLLIN, {.u64 = index}};
        if (::epoll_ctl(poller, EPOLL_CTL_ADD, socket_, &event) < 0) fail("epoll");
    }
    // 0: its answer, which has a length, is not whole yet.
    int poll_answer() {
        char buffer[16384];
        int got;
        while ((got = SSL_read(ssl_, buffer, sizeof buffer)) > 0) input_.append(buffer, static_cast<std::size_t>(got));
        if (SSL_get_error(ssl_, got) != SSL_ERROR_WANT_READ) fail("read");
        auto end = input_.find("\r\n\r\n");
        if (end == std::string::npos) return 0;
        auto at = input_.find("Content-Length: ");
        if (at > end) fail("an answer without Content-Length");
        auto size = end + 4 + std::strtoull(input_.c_str() + at + 16, nullptr, 10);
        if (input_.size() < size) return 0;
        int status = std::atoi(input_.c_str() + 9);
        input_.erase(0, size);
        return status;
    }
    // Status; the body's size in `size`.
    int answer(std::size_t& size) {
        std::string_view rest;
        std::size_t end;
        while ((end = input_.find("\r\n\r\n")) == std::string::npos) more();
        int status = std::atoi(input_.c_str() + 9);
        auto head = input_.substr(0, end + 2);
        input_.erase(0, end + 4);
        auto at = head.find("Content-Length: ");
        size = 0;
        if (at != std::string::npos) {
            size = std::strtoull(head.c_str() + at + 16, nullptr, 10);
            while (input_.size() < size) more();
            input_.erase(0, size);
            return status;
        }
        for (;;) {
            std::size_t line;
            while ((line = input_.find("\r\n")) == std::string::npos) more();
            auto chunk = std::strtoull(input_.c_str(), nullptr, 16);
            input_.erase(0, line + 2);
            for (std::size_t left = chunk + 2; left > 0;) {
                if (input_.empty()) more();
                auto step = std::min(left, input_.size());
                input_.erase(0, step);
                left -= step;
            }
            size += chunk;
            if (chunk == 0) return status;
        }
    }
    int call(const std::string& method, const std::string& path, const std::string& body = "") {
        std::size_t size = 0;
        send(method, path, body);
        return answer(size);
    }
    // Bytes as they come.
    std::size_t read(char* buffer, std::size_t size) {
        int got = SSL_read(ssl_, buffer, static_cast<int>(size));
        if (got <= 0) fail("read");
        return static_cast<std::size_t>(got);
    }

private:
    void more() {
        char buffer[65536];
        input_.append(buffer, read(buffer, sizeof buffer));
    }

    int socket_ = -1;
    SSL* ssl_ = nullptr;
    std::string input_;
};

static std::string map_named(const std::string& name, std::size_t size, const std::string& more = "") {
    return R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":")" + name + R"("},"data":{"value":")" +
           std::string(size, 'x') + more + "\"}}";
}

// What a deployment's pods look like: probes, environment, volumes, resources.
static std::string pod_named(const std::string& name) {
    std::string text =
        R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":")" + name +
        R"(","labels":{"app":"web","pod-template-hash":"5d4f8c7b9f"},"annotations":{"prometheus.io/scrape":"true"}},"spec":{"containers":[)";
    for (int index = 0; index < 2; ++index) {
        if (index) text += ',';
        text += R"({"name":"c)" + std::to_string(index) +
                R"(","image":"registry.example.com/shop/web:1.27","args":["--listen=:8080","--level=info"],"env":[)";
        for (int variable = 0; variable < 5; ++variable)
            text += std::string(variable ? "," : "") + R"({"name":"SETTING_)" + std::to_string(variable) +
                    R"(","value":"some value of a setting"})";
        text +=
            R"(],"ports":[{"name":"http)" + std::to_string(index) + R"(","containerPort":80)" +
            std::to_string(80 + index) +
            R"(}],"resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"128Mi"}},"readinessProbe":{"httpGet":{"path":"/ready","port":8080}},"livenessProbe":{"httpGet":{"path":"/live","port":8080}},"volumeMounts":[{"name":"data","mountPath":"/data"}]})";
    }
    return text +
           R"(],"volumes":[{"name":"data","emptyDir":{}}],"nodeName":"node-1","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}})";
}

static void report(std::vector<double>& all, double seconds) {
    if (all.empty()) fail("no answers");
    std::sort(all.begin(), all.end());
    std::printf("requests %zu\nper_second %.0f\np50_ms %.3f\np99_ms %.3f\nmax_ms %.3f\n", all.size(),
                static_cast<double>(all.size()) / seconds, all[all.size() / 2] * 1e3, all[all.size() * 99 / 100] * 1e3,
                all.back() * 1e3);
}

int main(int argc, char** argv) {
    if (argc != 7) fail("PORT CERTIFICATE KEY MODE CONNECTIONS ARGUMENT");
    std::signal(SIGPIPE, SIG_IGN);
    port = std::atoi(argv[1]);
    context = SSL_CTX_new(TLS_client_method());
    if (SSL_CTX_use_certificate_file(context, argv[2], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1)
        fail("certificate");
    std::string mode = argv[4];
    int connections = std::atoi(argv[5]), argument = std::atoi(argv[6]);
    const std::string maps = "/api/v1/namespaces/default/configmaps", pods = "/api/v1/namespaces/default/pods";
    auto unique = std::to_string(::getpid());

    if (mode == "list") {
        Connection connection;
        for (int time = 0; time < argument; ++time) {
            std::size_t size = 0;
            auto begin = Clock::now();
            connection.send("GET", pods, "");
            if (connection.answer(size) != 200) fail("list");
            std::printf("megabytes %.1f\nmegabytes_per_second %.0f\n", static_cast<double>(size) / 1e6,
                        static_cast<double>(size) / 1e6 / seconds_since(begin));
        }
        return 0;
    }
    if (mode == "watch") {
        std::atomic<int> ready = 0;
        std::atomic<long> seen = 0;
        std::vector<std::thread> watchers;
        for (int index = 0; index < connections; ++index) {
            watchers.emplace_back([&] {
                Connection connection;
                connection.send("GET", maps + "?watch=1&fieldSelector=metadata.name%3Dseen&resourceVersion=0", "");
                std::vector<char> buffer(16384);
                std::string line;
                long count = -1;  // the first is the object as it was
                for (ready += 0; count < argument;) {
                    auto got = connection.read(buffer.data(), buffer.size());
                    line.append(buffer.data(), got);
                    std::size_t from = 0, at;
                    while ((at = line.find("{\"type\":", from)) != std::string::npos) {
                        if (++count == 0) ++ready;
                        if (count > 0) ++seen;
                        from = at + 8;
                    }
                    line.erase(0, from ? from : line.size() > 16 ? line.size() - 16 : 0);
                }
            });
        }
        Connection writer;
        while (ready < connections) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        auto begin = Clock::now();
        for (int change = 0; change < argument; ++change)
            if (writer.call("PUT", maps + "/seen", map_named("seen", 900, std::to_string(change))) != 200) fail("put");
        for (auto& watcher : watchers) watcher.join();
        auto took = seconds_since(begin);
        std::printf("events %ld\nevents_per_second %.0f\n", seen.load(), static_cast<double>(seen) / took);
        return 0;
    }
    std::vector<std::unique_ptr<Connection>> clients;
    std::vector<Clock::time_point> begins(static_cast<std::size_t>(connections));
    std::vector<double> times;
    int poller = ::epoll_create1(EPOLL_CLOEXEC), next = 0, pending = 0;
    for (int index = 0; index < connections; ++index) {
        clients.push_back(std::make_unique<Connection>());
        clients.back()->call("GET", "/version");  // whatever comes with a handshake has come
        clients.back()->join(poller, static_cast<std::size_t>(index));
    }
    auto begin = Clock::now();
    auto ask = [&](std::size_t index) {
        if (mode == "fill" ? next >= argument : seconds_since(begin) >= argument) return;
        int number = next++;
        begins[index] = Clock::now();
        if (mode == "get")
            clients[index]->send("GET", maps + "/seen", "");
        else if (mode == "create")
            clients[index]->send("POST", maps, map_named("c" + unique + "-" + std::to_string(number), 900));
        else
            clients[index]->send("POST", pods, pod_named("p" + std::to_string(number)));
        ++pending;
    };
    for (std::size_t index = 0; index < clients.size(); ++index) ask(index);
    epoll_event events[256];
    while (pending > 0) {
        int count = ::epoll_wait(poller, events, 256, -1);
        for (int at = 0; at < count; ++at) {
            auto index = static_cast<std::size_t>(events[at].data.u64);
            int status = clients[index]->poll_answer();
            if (status == 0) continue;
            if (status != (mode == "get" ? 200 : 201)) fail(mode + ": status " + std::to_string(status));
            times.push_back(seconds_since(begins[index]));
            --pending;
            ask(index);
        }
    }
    report(times, seconds_since(begin));
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
#pragma once
// For tests only: a raw client that sends any bytes, and a server on a loopback port and a unix socket.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <string>

#include <doctest/doctest.h>

#include "http/server.h"
#include "os/socket.h"

namespace pila::http::test {

struct LoopbackListener {
    Fd socket;
    std::uint16_t port = 0;
    LoopbackListener() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(socket.get(), 1024) == 0);
        socklen_t size = sizeof address;
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
        port = ntohs(address.sin_port);
    }
};

class RawClient {
public:
    explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    explicit RawClient(const std::string& path) : socket_(os::connect_unix(path, SOCK_STREAM).take()) {}

    void send(std::string_view bytes) const {
        while (!bytes.empty()) {
            auto sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    // Up to and including `end`; or, with end "", until the server closes. "TIMEOUT" is appended after 5 s of silence.
    std::string receive(std::string_view end = "") {
        for (;;) {
            auto at = end.empty() ? std::string::npos : kept_.find(end);
            if (at != std::string::npos) {
                auto found = kept_.substr(0, at + end.size());
                kept_.erase(0, at + end.size());
                return found;
            }
            pollfd waiting{socket_.get(), POLLIN, 0};
            if (::poll(&waiting, 1, 5000) <= 0) return std::exchange(kept_, "") + "TIMEOUT";
            char buffer[16384];
            auto got = ::recv(socket_.get(), buffer, sizeof buffer, 0);
            if (got <= 0) return std::exchange(kept_, "") + (got < 0 ? "RESET" : "");
            kept_.append(buffer, static_cast<std::size_t>(got));
        }
    }
    std::string ask(std::string_view request, std::string_view end = "\n") {
        send(request);
        return receive(end);
    }
    void finish_sending() const { ::shutdown(socket_.get(), SHUT_WR); }
    void close() { socket_.reset(); }
    const Fd& socket() const { return socket_; }

private:
    Fd socket_;
    std::string kept_;
};

struct TestServer {
    std::unique_ptr<Server> server;
    std::uint16_t port = 0;
    std::string directory, path;

    explicit TestServer(Handler handler, ServerLimits limits = {}) {
        auto error_body = [](int status, const std::string& message) {
            return Response::json(status, "{\"message\":\"" + message + "\"}\n");
        };
        auto created = Server::create(std::move(handler), error_body, limits);
        REQUIRE(created);
        server = created.take();
        LoopbackListener listener;
        port = listener.port;
        REQUIRE(server->listen(std::move(listener.socket)));
        char name[] = "/tmp/pila-http-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        directory = name;
        path = directory + "/socket";
        auto unix_socket = os::listen_unix(path, SOCK_STREAM);
        REQUIRE(unix_socket);
        REQUIRE(server->listen(unix_socket.take()));
    }
    ~TestServer() {
        server.reset();
        ::unlink(path.c_str());
        ::rmdir(directory.c_str());
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port); }
};

}  // namespace pila::http::test

// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <condition_variable>
#include <mutex>

#include "base/text.h"
#include "http/test_support.h"
#include "http/waiting.h"
#include "os/file.h"

namespace pila::http {

using namespace std::chrono_literals;
using test::RawClient;
using test::TestServer;

namespace {

const std::string get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

// A value that another thread will set; waits at most 5 s.
class Flag {
public:
    void set() {
        std::lock_guard lock(mutex_);
        set_ = true;
        changed_.notify_all();
    }
    bool wait(std::chrono::milliseconds at_most = 5s) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, at_most, [&] { return set_; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool set_ = false;
};

Response echo(Request& request) {
    if (request.path == "/throw") throw std::runtime_error("deliberate");
    if (request.path == "/inject") {
        auto response = Response::text(200, "x\n");
        response.headers.add("X-Name", "a\r\nSet-Cookie: b");
        return response;
    }
    auto body = request.body->read_all(1 << 20);
    if (!body) return Response::text(400, "body: " + body.error().message() + "\n");
    return Response::text(200, request.method + " " + request.path + " " + *body + "\n");
}

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
    return found;
}

unsigned threads_of_process() { return static_cast<unsigned>(os::list_directory("/proc/self/task").take().size()); }

}  // namespace

TEST_CASE("keep-alive, close, HEAD, HTTP/1.0") {
    TestServer server(echo);
    RawClient client(server.port);
    CHECK(client.ask(get, "GET / \n").starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(client.ask(get, "GET / \n").find("Connection:") == std::string::npos);
    auto head = client.ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
    CHECK(head.find("Content-Length: 8\r\n") != std::string::npos);
    client.send("GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    auto last = client.receive();
    CHECK(last.find("Connection: close\r\n") != std::string::npos);
    CHECK(last.ends_with("GET /last \n"));

    RawClient old(server.port);
    old.send("GET /old HTTP/1.0\r\n\r\n");
    CHECK(old.receive().ends_with("GET /old \n"));
    RawClient old_kept(server.path);
    CHECK(old_kept.ask("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "/a \n").find("Connection: keep-alive") !=
          std::string::npos);
    CHECK(old_kept.ask("GET /b HTTP/1.0\r\n\r\n", "").ends_with("/b \n"));
}

TEST_CASE("requests in pieces and in a row") {
    TestServer server(echo);
    RawClient client(server.port);
    for (char c : get) client.send({&c, 1});
    CHECK(client.receive("GET / \n").ends_with("GET / \n"));

    std::string pipelined;
    for (int i = 0; i < 50; ++i)
        pipelined += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    client.send(pipelined);
    std::string all = client.receive("POST /49 abc\n");
    CHECK(count(all, "HTTP/1.1 200 OK") == 50);
    CHECK(all.find("POST /7 abc\n") < all.find("POST /8 abc\n"));
    CHECK(client.ask("\r\n" + get, "GET / \n").ends_with("GET / \n"));
}

TEST_CASE("chunked request") {
    TestServer server(echo);
    RawClient client(server.port);
    client.send("PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n");
    client.send("A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n" + get);
    CHECK(client.receive("PUT /c abc0123456789\n").ends_with("PUT /c abc0123456789\n"));
    CHECK(client.receive("GET / \n").ends_with("GET / \n"));
    CHECK(client.ask("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "body\n")
              .find("malformed chunked body") != std::string::npos);
}

TEST_CASE("100-continue is sent when the handler reads, not before") {
    TestServer server(
        [](Request& request) { return request.path == "/refuse" ? Response::text(403, "no\n") : echo(request); });
    RawClient client(server.port);
    std::string head = " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    CHECK(client.ask("PUT /x" + head, "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(client.ask("ok", "PUT /x ok\n").starts_with("HTTP/1.1 200 OK"));
    client.send("PUT /refuse" + head);
    auto refused = client.receive();
    CHECK(refused.starts_with("HTTP/1.1 403 Forbidden"));
    CHECK(refused.find("Connection: close") != std::string::npos);
}

TEST_CASE("limits of headers and bodies") {
    ServerLimits limits;
    limits.max_body_bytes = 1000;
    limits.max_header_bytes = 4096;
    TestServer server(echo, limits);
    RawClient large(server.port);
    large.send("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(5000, 'x'));
    CHECK(large.receive().starts_with("HTTP/1.1 431 "));
    RawClient body(server.port);
    body.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + std::string(1001, 'x'));
    CHECK(body.receive().starts_with("HTTP/1.1 413 "));
    RawClient chunked(server.port);
    chunked.send("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'x') +
                 "\r\n0\r\n\r\n");
    CHECK(chunked.receive("bytes\n").find("body: request body of more than 1000 bytes") != std::string::npos);
}

TEST_CASE("malformed requests are answered 400 and closed") {
    TestServer server(echo);
    const std::string host = " HTTP/1.1\r\nHost: x\r\n";
    for (const std::string& request :
         {std::string("\x16\x03\x01\x02", 4),
          std::string("GET /\r\n\r\n"),
          "GET / HTTP/3.0\r\nHost: x\r\n\r\n" + std::string(),
          "GET /../etc" + host + "\r\n",
          "GET /a/%2e%2e/b" + host + "\r\n",
          "GET /%00" + host + "\r\n",
          "GET /%zz" + host + "\r\n",
          "GET nothing" + host + "\r\n",
          "GET / HTTP/1.1\r\n\r\n" + std::string(),
          "GET /" + host + "Host: y\r\n\r\n",
          "GET / HTTP/1.1\r\nHost : x\r\n\r\n" + std::string(),
          "PUT /" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
          "PUT /" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
          "PUT /" + host + "Content-Length: -1\r\n\r\n",
          "PUT /" + host + "Content-Length: 1, 1\r\n\r\na",
          "PUT /" + host + "Content-Length: 18446744073709551616\r\n\r\na",
          "PUT /" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "PUT /" + host + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
          "PUT /" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
          "PUT /" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
          "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + std::string()}) {
        CAPTURE(printable(request));
        RawClient client(server.port);
        client.send(request);
        auto answer = client.receive();
        CHECK(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"));
        CHECK(answer.find("{\"message\":\"") != std::string::npos);
        CHECK(answer.find("TIMEOUT") == std::string::npos);
    }
}

TEST_CASE("handlers that throw or inject headers give 500") {
    TestServer server(echo);
    RawClient client(server.port);
    CHECK(client.ask("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n", "}\n").starts_with("HTTP/1.1 500 "));
    auto injected = client.ask("GET /inject HTTP/1.1\r\nHost: x\r\n\r\n", "error");
    CHECK(injected.starts_with("HTTP/1.1 500 "));
    CHECK(injected.find("Set-Cookie") == std::string::npos);
    CHECK(client.ask(get, "GET / \n").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("slow headers end, and hold no thread until then") {
    ServerLimits limits;
    limits.header_timeout = 300ms;
    limits.max_threads = 2;
    TestServer server(echo, limits);
    std::vector<RawClient> slow;
    for (int i = 0; i < 20; ++i) slow.emplace_back(server.port).send("GET / HTTP/1.1\r\nHo");
    RawClient quick(server.port);
    CHECK(quick.ask(get, "GET / \n").starts_with("HTTP/1.1 200 "));
    for (auto& client : slow) CHECK(client.receive().starts_with("HTTP/1.1 408 "));
    CHECK(quick.ask(get, "GET / \n").starts_with("HTTP/1.1 200 "));  // an idle connection has no such limit
}

TEST_CASE("a body that stalls ends") {
    ServerLimits limits;
    limits.body_stall_timeout = 200ms;
    TestServer server(echo, limits);
    RawClient client(server.port);
    client.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    CHECK(client.receive("stalled\n").find("connection stalled") != std::string::npos);
}

TEST_CASE("produced bodies: chunked, with a length, broken off") {
    TestServer server([](Request& request) {
        Response response;
        if (request.path == "/length") response.headers.add("Content-Length", "6");
        bool fails = request.path == "/fails";
        response.produce = [fails](BodyWriter& out) -> Result<void> {
            TRY(out.write("abc"));
            if (fails) return Error(Errc::Internal, "deliberate");
            return out.write("def");
        };
        return response;
    });
    RawClient client(server.port);
    CHECK(client.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "0\r\n\r\n")
              .ends_with("\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"));
    CHECK(client.ask("GET /length HTTP/1.1\r\nHost: x\r\n\r\n", "abcdef").ends_with("\r\n\r\nabcdef"));
    CHECK(client.ask("GET /fails HTTP/1.1\r\nHost: x\r\n\r\n", "").ends_with("3\r\nabc\r\n"));
    RawClient old(server.port);
    CHECK(old.ask("GET / HTTP/1.0\r\n\r\n", "").ends_with("\r\n\r\nabcdef"));
}

TEST_CASE("requests that wait for somebody else do not keep others from their turn") {
    ServerLimits limits;
    limits.max_threads = 8;
    limits.max_busy = 2;
    Flag go;
    std::atomic<int> busy = 0, most_busy = 0;
    TestServer server(
        [&](Request& request) {
            if (request.path == "/asks") {
                Waiting others_may_go_on;
                go.wait();
            } else if (request.path == "/works") {
                most_busy = std::max<int>(most_busy, ++busy);
                std::this_thread::sleep_for(5ms);
                --busy;
            }
            return echo(request);
        },
        limits);
    auto get_path = [](std::string_view path) { return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n"; };
    std::vector<RawClient> slow;
    for (int i = 0; i < 3; ++i)  // bodies that do not come
        slow.emplace_back(server.port).send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
    for (int i = 0; i < 3; ++i) slow.emplace_back(server.port).send(get_path("/asks"));
    RawClient quick(server.port);
    CHECK(quick.ask(get, "GET / \n").starts_with("HTTP/1.1 200 "));
    std::vector<RawClient> many;
    for (int i = 0; i < 10; ++i) many.emplace_back(server.port).send(get_path("/works"));
    for (auto& client : many) CHECK(client.receive("GET /works \n").starts_with("HTTP/1.1 200 "));
    CHECK(most_busy <= 2);
    go.set();
    for (int i = 0; i < 3; ++i) slow[static_cast<std::size_t>(i)].send("cd");
    for (auto& client : slow) CHECK(client.receive(" \n").starts_with("HTTP/1.1 200 "));
    most_busy = 0;  // those that were more are gone again
    for (auto& client : many) client.send(get_path("/works"));
    for (auto& client : many) CHECK(client.receive("GET /works \n").starts_with("HTTP/1.1 200 "));
    CHECK(most_busy <= 2);
}

TEST_CASE("parked streams hold no thread, survive their handler, and end") {
    std::mutex mutex;
    std::vector<std::shared_ptr<Stream>> streams;
    ServerLimits limits;
    limits.max_threads = 4;
    TestServer server(
        [&](Request&) {
            Response response;
            response.stream = [&](const std::shared_ptr<Stream>& stream) {
                {
                    std::lock_guard lock(mutex);
                    streams.push_back(stream);
                }
                stream->write("hello");
            };
            return response;
        },
        limits);
    auto before = threads_of_process();
    std::vector<RawClient> clients;
    for (int i = 0; i < 30; ++i) {
        auto& client = clients.emplace_back(server.port);
        CHECK(client.ask(get, "5\r\nhello\r\n").find("Transfer-Encoding: chunked") != std::string::npos);
    }
    REQUIRE(streams.size() == 30);
    CHECK(threads_of_process() <= before + 4);
    for (auto& stream : streams) CHECK(stream->write("again"));
    for (auto& stream : streams) stream->finish();
    CHECK_FALSE(streams[0]->write("late"));
    streams.clear();
    for (auto& client : clients) CHECK(client.receive("0\r\n\r\n") == "5\r\nagain\r\n0\r\n\r\n");
    CHECK(clients[3].ask(get, "5\r\nhello\r\n").starts_with("HTTP/1.1 200 "));  // kept alive
    std::lock_guard lock(mutex);
    streams.clear();  // dropped unfinished
    CHECK(clients[3].receive() == "");
}

TEST_CASE("a stream notices that its client went away") {
    for (bool over_unix : {false, true}) {
        CAPTURE(over_unix);
        Flag closed;
        Flag parked;
        std::shared_ptr<Stream> kept;
        TestServer server([&](Request&) {
            Response response;
            response.stream = [&](std::shared_ptr<Stream> stream) {
                kept = std::move(stream);
                kept->on_closed([&] { closed.set(); });
                parked.set();
            };
            return response;
        });
        auto client = over_unix ? RawClient(server.path) : RawClient(server.port);
        client.ask(get, "\r\n\r\n");
        REQUIRE(parked.wait());
        CHECK_FALSE(closed.wait(20ms));
        client.close();
        CHECK(closed.wait());
        CHECK_FALSE(kept->write("x"));
        Flag again;
        kept->on_closed([&] { again.set(); });
        CHECK(again.wait());
    }
}

TEST_CASE("a stream may be finished when it is told that it is closed, also while the server stops") {
    for (int round = 0; round < 300; ++round) {
        Flag closed, parked;
        std::shared_ptr<Stream> kept;
        TestServer server([&](Request&) {
            Response response;
            response.stream = [&](std::shared_ptr<Stream> stream) {
                kept = std::move(stream);
                kept->on_closed([&] {
                    kept->finish();
                    closed.set();
                });
                parked.set();
            };
            return response;
        });
        RawClient client(server.port);
        client.ask(get, "\r\n\r\n");
        REQUIRE(parked.wait());
        server.server->stop();
        REQUIRE(closed.wait());
        kept.reset();
    }
}

TEST_CASE("a stream whose client does not read is bounded") {
    Flag closed;
    Flag done;
    std::size_t accepted = 0;
    TestServer server([&](Request&) {
        Response response;
        response.stream = [&](const std::shared_ptr<Stream>& stream) {
            stream->on_closed([&] { closed.set(); });
            std::string piece(64 << 10, 'x');
            while (stream->write(piece) && accepted < (64U << 20)) accepted += piece.size();
            CHECK(stream->queued_bytes() <= Stream::max_queued);
            done.set();
        };
        return response;
    });
    RawClient client(server.port);
    client.ask(get, "\r\n\r\n");
    REQUIRE(done.wait());
    CHECK(accepted >= Stream::max_queued - (64 << 10));
    CHECK(accepted < (32U << 20));
    CHECK(closed.wait());
}

TEST_CASE("a queue longer than the socket's buffer arrives whole, even after finish") {
    const std::string piece(900 << 10, 'x');
    TestServer server([&](Request&) {
        Response response;
        response.stream = [&](const std::shared_ptr<Stream>& stream) {
            stream->write(piece);
            stream->finish();
        };
        return response;
    });
    RawClient client(server.path);
    auto all = client.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "0\r\n\r\n");
    CHECK(count(all, "x") >= piece.size());
    CHECK(client.ask(get, "0\r\n\r\n").starts_with("HTTP/1.1 200"));
}

TEST_CASE("hijacking hands over the socket and what was read already") {
    Flag taken;
    Hijacked kept;
    TestServer server([&](Request& request) {
        CHECK(request.body->read_all(100).take() == "{}");
        Response response = Response::empty(101);
        response.headers.add("Upgrade", "tcp");
        response.headers.add("Connection", "Upgrade");
        response.hijack = [&](Hijacked hijacked) {
            kept = std::move(hijacked);
            taken.set();
        };
        return response;
    });
    RawClient client(server.path);
    client.send(
        "POST /attach HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n{}early");
    CHECK(client.receive("\r\n\r\n") ==
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n");
    REQUIRE(taken.wait());
    CHECK(kept.already_read == "early");
    client.send("more");
    char buffer[16];
    CHECK(::read(kept.socket.get(), buffer, sizeof buffer) == 4);  // blocks: the socket is in blocking mode
    REQUIRE(::write(kept.socket.get(), "raw\n", 4) == 4);
    CHECK(client.receive("\n") == "raw\n");
    client.finish_sending();
    CHECK(::read(kept.socket.get(), buffer, sizeof buffer) == 0);
    REQUIRE(::write(kept.socket.get(), "still\n", 6) == 6);
    CHECK(client.receive("\n") == "still\n");
}

TEST_CASE("the stop token fires when the client leaves while the handler runs") {
    for (bool over_unix : {false, true}) {
        CAPTURE(over_unix);
        Flag running;
        Flag stopped;
        TestServer server([&](Request& request) {
            std::stop_callback on_stop(request.context.stop, [&] { stopped.set(); });
            running.set();
            stopped.wait();
            return Response::text(200, "late\n");
        });
        auto client = over_unix ? RawClient(server.path) : RawClient(server.port);
        client.send(get);
        REQUIRE(running.wait());
        CHECK_FALSE(stopped.wait(20ms));
        client.close();
        CHECK(stopped.wait());
    }
}

TEST_CASE("a client that only finished sending gets its answer") {
    TestServer server(echo);
    for (bool over_unix : {false, true}) {
        auto client = over_unix ? RawClient(server.path) : RawClient(server.port);
        client.send("PUT /half HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
        client.finish_sending();
        CHECK(client.receive().ends_with("PUT /half body\n"));
    }
}

TEST_CASE("500 idle connections with few threads, then all of them ask") {
    ServerLimits limits;
    limits.max_threads = 8;
    TestServer server(echo, limits);
    auto before = threads_of_process();
    std::vector<RawClient> clients;
    for (int i = 0; i < 500; ++i) {
        auto& client = i % 2 ? clients.emplace_back(server.port) : clients.emplace_back(server.path);
        CHECK(client.ask(get, "GET / \n").starts_with("HTTP/1.1 200 "));
    }
    CHECK(threads_of_process() <= before + 8);
    for (auto& client : clients) client.send(get);
    for (auto& client : clients) CHECK(client.receive("GET / \n").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("over the connection limit an idle one makes room") {
    ServerLimits limits;
    limits.max_connections = 3;
    TestServer server(echo, limits);
    std::vector<RawClient> clients;
    for (int i = 0; i < 3; ++i)
        CHECK(clients.emplace_back(server.port).ask(get, "GET / \n").find("200") != std::string::npos);
    RawClient fourth(server.port);
    CHECK(fourth.ask(get, "GET / \n").find("200") != std::string::npos);
    std::vector<pollfd> waiting;
    for (auto& client : clients) waiting.push_back({client.socket().get(), POLLIN, 0});
    CHECK(::poll(waiting.data(), waiting.size(), 5000) == 1);
    int closed = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        if (waiting[i].revents != 0)
            closed += clients[i].receive().empty() ? 1 : 0;
        else
            CHECK(clients[i].ask(get, "GET / \n").find("200") != std::string::npos);
    }
    CHECK(closed == 1);
}

TEST_CASE("stop fires tokens, closes streams and ends soon") {
    Flag running;
    Flag closed;
    std::shared_ptr<Stream> kept;
    TestServer server([&](Request& request) {
        if (request.path == "/stream") {
            Response response;
            response.stream = [&](std::shared_ptr<Stream> stream) {
                kept = std::move(stream);
                kept->on_closed([&] { closed.set(); });
            };
            return response;
        }
        Flag stopped;
        std::stop_callback on_stop(request.context.stop, [&] { stopped.set(); });
        running.set();
        stopped.wait();
        return Response::text(200, "stopped\n");
    });
    RawClient idle(server.port);
    RawClient busy(server.port);
    RawClient streaming(server.port);
    busy.send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
    streaming.ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
    REQUIRE(running.wait());
    auto start = std::chrono::steady_clock::now();
    server.server->stop();
    CHECK(std::chrono::steady_clock::now() - start < 1s);
    CHECK(busy.receive().ends_with("stopped\n"));
    CHECK(idle.receive() == "");
    CHECK(closed.wait());
    CHECK_FALSE(kept->write("x"));
}

}  // namespace pila::http

// SPDX-License-Identifier: Apache-2.0
// The server's side of TLS: requests, long bodies, files, streams, connections taken over, certificates of clients.
#include <fcntl.h>
#include <future>
#include <thread>

#include "base/random.h"
#include "http/client.h"
#include "http/test_certificate.h"
#include "http/test_support.h"
#include "http/tls.h"
#include "os/file.h"

namespace pila::http {

using namespace std::chrono_literals;

namespace {

struct Fixture {
    test::Certificate server{"DNS:localhost,IP:127.0.0.1"}, friendly{"DNS:client"}, stranger{"DNS:client"};
    std::string directory, content = random_bytes(3'000'000);
    std::unique_ptr<test::TestServer> plain;
    std::uint16_t port = 0;
    std::promise<Hijacked> taken;

    explicit Fixture(bool verify = false) {
        char name[] = "/tmp/pila-tls-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        directory = name;
        for (auto& [who, file] : {std::pair{&server, "server"}, {&friendly, "friendly"}, {&stranger, "stranger"}}) {
            who->save(directory + "/" + file + ".pem");
            who->save_key(directory + "/" + file + ".key");
        }
        REQUIRE(os::replace_file(directory + "/content", content));
        plain = std::make_unique<test::TestServer>([this](Request& request) { return answer(request); });
        auto acceptor = TlsAcceptor::create(
            {directory + "/server.pem", directory + "/server.key", verify ? directory + "/friendly.pem" : ""});
        REQUIRE(acceptor);
        test::LoopbackListener listener;
        port = listener.port;
        REQUIRE(plain->server->listen(std::move(listener.socket), acceptor.take()));
    }
    ~Fixture() {
        plain.reset();
        ignore(os::remove_tree(directory), "in /tmp");
    }

    Response answer(Request& request) {
        if (request.path == "/echo") {
            auto body = request.body->read_all(64U << 20);
            return Response::text(200, body ? *body : body.error().message());
        }
        if (request.path == "/file") {
            Response response;
            response.headers.add("Content-Length", std::to_string(content.size() - 10));
            response.produce = [this](BodyWriter& out) -> Result<void> {
                auto file = TRY(os::open(directory + "/content", O_RDONLY));
                return out.write_file(file, 10, content.size() - 10);
            };
            return response;
        }
        if (request.path == "/hijack") {
            Response response;
            response.status = 101;
            response.hijack = [this](Hijacked hijacked) { taken.set_value(std::move(hijacked)); };
            return response;
        }
        return Response::text(200, request.is_tls ? "tls" : "plain");
    }

    std::unique_ptr<Client> client(const std::string& certificate = "") {
        ClientOptions options;
        options.ca_file = directory + "/server.pem";
        if (!certificate.empty()) {
            options.client_certificate = directory + "/" + certificate + ".pem";
            options.client_key = directory + "/" + certificate + ".key";
        }
        auto made = Client::create(*Endpoint::parse("https://localhost:" + std::to_string(port)), options);
        REQUIRE(made);
        return made.take();
    }
};

std::string text_of(Result<ClientResponse> response) {
    if (!response) return response.error().message();
    auto body = response->body->read_all(64U << 20);
    return body ? body.take() : body.error().message();
}

}  // namespace

TEST_CASE("requests over TLS, many on one connection, of any size") {
    Fixture fixture;
    auto client = fixture.client();
    for (int i = 0; i < 20; ++i) CHECK(text_of(client->send({}, {.target = "/"})) == "tls");
    for (std::size_t size : {0U, 1U, 16383U, 16384U, 16385U, 2'000'000U}) {
        auto body = random_bytes(size);
        CHECK(text_of(client->send({}, {.method = "POST", .target = "/echo", .body = body, .has_body = true})) == body);
    }
    CHECK(text_of(client->send({}, {.target = "/file"})) == fixture.content.substr(10));
}

TEST_CASE("a part of a file without TLS") {
    Fixture fixture;
    auto client = Client::create(*Endpoint::parse(fixture.plain->url()));
    REQUIRE(client);
    CHECK(text_of((*client)->send({}, {.target = "/file"})) == fixture.content.substr(10));
    CHECK(text_of((*client)->send({}, {.target = "/"})) == "plain");
}

TEST_CASE("a request without TLS to a port with TLS is told so") {
    Fixture fixture;
    test::RawClient client(fixture.port);
    CHECK(client.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "").find("HTTP request to an HTTPS server") !=
          std::string::npos);
    test::RawClient noise(fixture.port);
    noise.send(std::string(1000, '\x16'));
    CHECK(noise.receive().find("TIMEOUT") == std::string::npos);
}

TEST_CASE("clients need a certificate where that is asked for") {
    Fixture fixture(true);
    CHECK(text_of(fixture.client("friendly")->send({}, {.target = "/"})) == "tls");
    CHECK(text_of(fixture.client("stranger")->send({}, {.target = "/"})) != "tls");
    CHECK(text_of(fixture.client()->send({}, {.target = "/"})) != "tls");
    // The second one resumes the session of the first: the certificate still counts.
    CHECK(text_of(fixture.client("friendly")->send({}, {.target = "/"})) == "tls");
}

TEST_CASE("a connection with TLS is taken over as a plain socket") {
    Fixture fixture;
    ClientOptions options;
    options.ca_file = fixture.directory + "/server.pem";
    auto context = TlsContext::for_client(options);
    REQUIRE(context);
    test::RawClient raw(fixture.port);
    const Patience patience{.stall = 5s};
    auto client = (*context)->connect(raw.socket().duplicate().take(), "localhost", patience);
    REQUIRE(client);
    raw.close();
    REQUIRE(client->write("GET /hijack HTTP/1.1\r\nHost: x\r\n\r\nearly", patience));
    auto taken = fixture.taken.get_future();
    REQUIRE(taken.wait_for(5s) == std::future_status::ready);
    auto hijacked = taken.get();
    auto receive = [&](std::size_t count) {
        std::string got(count, ' ');
        for (std::size_t at = 0; at < count;) {
            auto step = client->read(got.data() + at, count - at, patience);
            if (!step || *step == 0) return got.substr(0, at);
            at += *step;
        }
        return got;
    };
    const std::string head = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    CHECK(receive(head.size()) == head);
    CHECK(hijacked.already_read == "early");

    // More than all buffers on the way hold, both ways at once.
    auto content = random_bytes(2'000'000);
    std::thread echo([&] {
        std::string buffer(65536, ' ');
        for (;;) {
            auto got = os::read_some(hijacked.socket, buffer.data(), buffer.size());
            if (!got || *got == 0) break;
            if (!os::write_all(hijacked.socket, {buffer.data(), *got})) break;
        }
        ignore(os::write_all(hijacked.socket, "bye"), "the test sees");
        hijacked.socket.reset();
    });
    std::string received;
    for (std::size_t at = 0; at < content.size(); at += 50'000) {
        REQUIRE(client->write(content.substr(at, 50'000), patience));
        received += receive(50'000);
    }
    CHECK(received == content);
    client->shutdown_write();  // the other direction stays open
    CHECK(receive(3) == "bye");
    CHECK(receive(1).empty());
    echo.join();
}

TEST_CASE("settings of a server that cannot be") {
    Fixture fixture;
    CHECK_FALSE(TlsAcceptor::create({"/nonexistent", fixture.directory + "/server.key", ""}));
    CHECK_FALSE(TlsAcceptor::create({fixture.directory + "/server.pem", fixture.directory + "/stranger.key", ""}));
    CHECK_FALSE(
        TlsAcceptor::create({fixture.directory + "/server.pem", fixture.directory + "/server.key", "/nonexistent"}));
}

}  // namespace pila::http

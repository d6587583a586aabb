// SPDX-License-Identifier: Apache-2.0
#include "http/websocket.h"

#include <unistd.h>
#include <future>

#include "http/test_support.h"
#include "os/file.h"

namespace pila::http {

using test::RawClient;
using test::TestServer;

namespace {

const std::string handshake =
    "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

// A frame as clients send them: short, and masked with zeros.
std::string frame(int opcode, const std::string& payload) {
    std::string bytes{static_cast<char>(0x80 | opcode), static_cast<char>(0x80 | payload.size())};
    return bytes + std::string(4, '\0') + payload;
}

struct Fixture {
    WebSockets sockets;
    WebSocketOptions options;
    std::promise<Hijacked> taken;
    TestServer server{[this](Request& request) {
        auto answer = sockets.accept(request, options, [this](Hijacked plain) { taken.set_value(std::move(plain)); });
        return answer ? answer.take() : Response::text(answer.error().code() == Errc::Denied ? 403 : 400, "refused\n");
    }};
    Hijacked plain() { return taken.get_future().get(); }
    static std::string read(const Hijacked& plain, std::size_t size) {
        std::string bytes;
        char buffer[100];
        while (bytes.size() < size) {
            auto got = os::read_some(plain.socket, buffer, sizeof buffer).value_or(0);
            if (got == 0) break;
            bytes.append(buffer, got);
        }
        return bytes;
    }
};

}  // namespace

TEST_CASE("websocket: bytes in both directions, also those that came with the handshake") {
    Fixture fixture;
    RawClient client(fixture.server.port);
    auto head = client.ask(handshake + "\r\n" + frame(2, "early"), "\r\n\r\n");
    CHECK(head.starts_with("HTTP/1.1 101 "));
    CHECK(head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string::npos);  // RFC 6455 section 1.3
    auto plain = fixture.plain();
    CHECK(Fixture::read(plain, 5) == "early");
    client.send(frame(1, "text"));
    CHECK(Fixture::read(plain, 4) == "text");
    CHECK(os::write_all(plain.socket, "answer").ok());
    CHECK(client.receive("answer") ==
          "\x82\x06"
          "answer");
    CHECK(client.ask(frame(9, "?"), "?") == "\x8a\x01?");
    plain.socket.reset();
    CHECK(client.receive("\x03\xe8") == "\x88\x02\x03\xe8");
    client.send(frame(8, "\x03\xe8"));
    CHECK(client.receive() == "");
}

TEST_CASE("websocket: what goes out may be changed, and be text") {
    Fixture fixture;
    fixture.options.text = true;
    fixture.options.outgoing = [](std::string_view bytes) {
        return bytes == "-" ? "" : "<" + std::string(bytes) + ">";
    };
    RawClient client(fixture.server.port);
    client.ask(handshake + "\r\n", "\r\n\r\n");
    auto plain = fixture.plain();
    CHECK(os::write_all(plain.socket, "x").ok());
    CHECK(client.receive(">") == "\x81\x03<x>");
}

TEST_CASE("websocket: the plain end sees the client go, with and without a word") {
    for (bool polite : {true, false}) {
        Fixture fixture;
        RawClient client(fixture.server.path);
        client.ask(handshake + "\r\n", "\r\n\r\n");
        auto plain = fixture.plain();
        if (polite)
            CHECK(client.ask(frame(8, "\x03\xe8"), "\x03\xe8") == "\x88\x02\x03\xe8");
        else
            client.close();
        CHECK(Fixture::read(plain, 1) == "");
    }
}

TEST_CASE("websocket: no handshake, and pages of other sites") {
    Fixture fixture;
    RawClient client(fixture.server.port);
    CHECK(client.ask("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n").find(" 400 ") != std::string::npos);
    client.receive("refused\n");
    CHECK(client.ask(handshake + "Origin: http://y\r\n\r\n").find(" 403 ") != std::string::npos);
    client.receive("refused\n");
    CHECK(client.ask(handshake + "Origin: null\r\n\r\n").find(" 403 ") != std::string::npos);
    client.receive("refused\n");
    CHECK(client.ask(handshake + "Origin: https://X\r\n\r\n").find(" 101 ") != std::string::npos);
    RawClient local(fixture.server.path);
    fixture.plain();
    fixture.taken = {};
    CHECK(local.ask(handshake + "Origin: http://y\r\n\r\n").find(" 101 ") != std::string::npos);
}

TEST_CASE("websocket: open ones end with the relay") {
    Hijacked plain;
    {
        Fixture fixture;
        RawClient client(fixture.server.port);
        client.ask(handshake + "\r\n", "\r\n\r\n");
        plain = fixture.plain();
    }
    CHECK(Fixture::read(plain, 1) == "");
}

}  // namespace pila::http

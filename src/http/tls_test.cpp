// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include <openssl/ssl.h>

#include "http/client.h"
#include "http/test_certificate.h"
#include "http/test_support.h"
#include "os/file.h"

namespace pila::http {

using namespace std::chrono_literals;
using test::Certificate;

namespace {

// Serves `answers` connections one after the other: TLS, one request head, "ok", close_notify.
class TlsServer {
public:
    TlsServer(const Certificate& certificate, int connections) : context_(SSL_CTX_new(TLS_server_method())) {
        SSL_CTX_use_certificate(context_, certificate.certificate);
        SSL_CTX_use_PrivateKey(context_, certificate.key);
        thread_ = std::thread([this, connections] {
            for (int i = 0; i < connections; ++i) serve();
        });
    }
    ~TlsServer() {
        thread_.join();
        SSL_CTX_free(context_);
    }
    std::uint16_t port() const { return listener_.port; }

private:
    void serve() {
        Fd socket(::accept4(listener_.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
        SSL* ssl = SSL_new(context_);
        SSL_set_fd(ssl, socket.get());
        if (SSL_accept(ssl) == 1) {
            std::string head;
            char next;
            while (!head.ends_with("\r\n\r\n") && SSL_read(ssl, &next, 1) == 1) head += next;
            if (!head.empty()) {
                std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + std::string(200'000, 'x');
                SSL_write(ssl, answer.data(), static_cast<int>(answer.size()));
                SSL_shutdown(ssl);
            }
        }
        SSL_free(ssl);
    }
    test::LoopbackListener listener_;
    SSL_CTX* context_;
    std::thread thread_;
};

Result<std::string> fetch(const std::string& url, ClientOptions options) {
    auto endpoint = TRY(Endpoint::parse(url));
    auto client = TRY(Client::create(std::move(endpoint), std::move(options)));
    ClientRequest request;
    auto response = TRY(client->send({}, request));
    return response.body->read_all(1 << 20);
}

}  // namespace

TEST_CASE("TLS: trusted, untrusted, wrong name, unverified") {
    char name[] = "/tmp/pila-tls-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    std::string ca = std::string(name) + "/ca.pem";
    Certificate certificate("DNS:localhost,IP:127.0.0.1");
    certificate.save(ca);
    {
        TlsServer server(certificate, 2);
        for (const char* host : {"localhost", "127.0.0.1"}) {
            auto got = fetch("https://" + std::string(host) + ":" + std::to_string(server.port()), {.ca_file = ca});
            CHECK_MESSAGE(got.ok(), (got ? "" : got.error().message()));
            CHECK(std::move(got).value_or("").size() == 200'000);
        }
    }
    {
        TlsServer server(certificate, 1);
        auto got = fetch("https://localhost:" + std::to_string(server.port()), {});
        REQUIRE_FALSE(got);
        CHECK(got.error().code() == Errc::Denied);
        CHECK(got.error().message().find("self-signed certificate") != std::string::npos);
    }
    {
        TlsServer server(certificate, 1);
        auto got = fetch("https://localhost:" + std::to_string(server.port()), {.verify_peer = false});
        CHECK(std::move(got).value_or("").size() == 200'000);
    }
    {
        Certificate other("DNS:example.org");
        other.save(ca);
        TlsServer server(other, 1);
        auto got = fetch("https://localhost:" + std::to_string(server.port()), {.ca_file = ca});
        REQUIRE_FALSE(got);
        CHECK(got.error().message().find("hostname mismatch") != std::string::npos);
    }
    ignore(os::remove_tree(name), "a test's leftovers");
}

TEST_CASE("TLS with a server that does not speak it, or says nothing") {
    test::LoopbackListener silent;
    auto url = "https://127.0.0.1:" + std::to_string(silent.port);
    CHECK(fetch(url, {.connect_timeout = 100ms}).error().code() == Errc::Timeout);
    std::thread plain([&] {
        Fd refused(::accept4(silent.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
        Fd socket(::accept4(silent.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
        [[maybe_unused]] auto sent = ::send(socket.get(), "HTTP/1.1 400 Bad\r\n\r\n", 20, MSG_NOSIGNAL);
    });
    CHECK(fetch(url, {}).error().message().find("TLS handshake: wrong version number") != std::string::npos);
    plain.join();
}

}  // namespace pila::http

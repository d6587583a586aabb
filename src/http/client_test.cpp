// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <cstdlib>
#include <thread>

#include "http/test_support.h"

namespace pila::http {

using namespace std::chrono_literals;
using test::LoopbackListener;
using test::RawClient;
using test::TestServer;

namespace {

// Answers connections one after the other with given bytes, each after a whole request head; records what it got.
class ScriptedServer {
public:
    explicit ScriptedServer(std::vector<std::vector<std::string>> connections) : script_(std::move(connections)) {
        thread_ = std::thread([this] { run(); });
    }
    ~ScriptedServer() { thread_.join(); }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(listener_.port); }
    std::vector<std::string> requests;

private:
    void run() {
        for (auto& answers : script_) {
            Fd connection(::accept4(listener_.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
            for (auto& answer : answers) {
                std::string head;
                char next;
                while (!head.ends_with("\r\n\r\n") && ::recv(connection.get(), &next, 1, 0) == 1) head += next;
                requests.push_back(head);
                for (std::string_view rest = answer; !rest.empty();) {
                    auto sent = ::send(connection.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
                    if (sent <= 0) break;
                    rest.remove_prefix(static_cast<std::size_t>(sent));
                }
            }
        }
    }
    std::vector<std::vector<std::string>> script_;
    LoopbackListener listener_;
    std::thread thread_;
};

std::unique_ptr<Client> client_for(const std::string& url, ClientOptions options = {}) {
    auto client = Client::create(Endpoint::parse(url).take(), std::move(options));
    REQUIRE(client);
    return client.take();
}

Result<std::string> fetch(Client& client, ClientRequest request = {}, const Context& context = {}) {
    auto response = TRY(client.send(context, request));
    return std::to_string(response.status) + " " + TRY(response.body->read_all(1 << 22));
}

Response echo(Request& request) {
    return Response::text(200, request.method + " " + request.target + " " + request.body->read_all(1 << 24).take());
}

class Repeated : public BodyReader {
public:
    Repeated(std::string piece, int times) : piece_(std::move(piece)), times_(times) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        if (times_-- <= 0) return std::size_t{0};
        REQUIRE(size >= piece_.size());
        return piece_.copy(buffer, size);
    }

private:
    std::string piece_;
    int times_;
};

}  // namespace

TEST_CASE("endpoints") {
    auto show = [](std::string_view url) {
        auto endpoint = Endpoint::parse(url);
        if (!endpoint) return "error: " + endpoint.error().message();
        return endpoint->scheme + "|" + endpoint->host + "|" + std::to_string(endpoint->port) + "|" +
               endpoint->path_and_query;
    };
    CHECK(show("unix:///run/x.sock") == "unix|/run/x.sock|0|/");
    CHECK(show("tcp://127.0.0.1:2375") == "http|127.0.0.1|2375|/");
    CHECK(show("HTTPS://Example.org/a?b=c#d") == "https|example.org|443|/a?b=c");
    CHECK(show("http://[::1]:8080?x=1") == "http|::1|8080|/?x=1");
    for (const char* bad :
         {"example.org", "ftp://x/", "http://", "http://a:0/", "http://a:70000/", "http://a:b/", "http://u:p@h/",
          "http://a b/", "http://a/b c", "http://a/\r\nX: y", "http://[::1/", "http://[x]/", "unix://", "http://:80/"})
        CHECK_MESSAGE(show(bad).starts_with("error: "), bad);

    auto base = Endpoint::parse("https://a.org:444/x/y?z").take();
    auto resolved = [&](std::string_view location) {
        auto target = base.resolve(location).take();
        return target.scheme + "://" + target.host_header() + target.path_and_query;
    };
    CHECK(resolved("http://b.org/q") == "http://b.org/q");
    CHECK(resolved("/q?http://c") == "https://a.org:444/q?http://c");
    CHECK(resolved("//b.org/q") == "https://b.org/q");
    CHECK(resolved("w") == "https://a.org:444/x/w");
    CHECK(resolved("?w") == "https://a.org:444/x/y?w");
}

TEST_CASE("proxy from the environment") {
    auto with = [](const char* no_proxy, const char* url) {
        ::setenv("no_proxy", no_proxy, 1);
        return proxy_from_environment(Endpoint::parse(url).take());
    };
    ::setenv("http_proxy", "proxy:3128", 1);
    ::setenv("https_proxy", "http://secure:3128", 1);
    CHECK(with("", "http://a.org/") == "http://proxy:3128");
    CHECK(with("", "https://a.org/") == "http://secure:3128");
    CHECK(with("", "https://127.0.0.1/").empty());
    CHECK(with("a.org", "https://a.org/").empty());
    CHECK(with(" b.org ,a.org", "https://x.a.org/").empty());
    CHECK(with("a.org", "https://ba.org/") != "");
    CHECK(with(".a.org", "https://a.org/") != "");
    CHECK(with("*.a.org", "https://x.a.org/").empty());
    CHECK(with("a.org:444", "https://a.org/") != "");
    CHECK(with("*", "https://a.org/").empty());
    for (const char* name : {"http_proxy", "https_proxy", "no_proxy"}) ::unsetenv(name);
}

TEST_CASE("requests and bodies against our own server") {
    TestServer server(echo);
    for (const auto& url : {server.url(), "unix://" + server.path}) {
        auto client = client_for(url);
        CHECK(fetch(*client, {.target = "/a?b"}).take() == "200 GET /a?b ");
        CHECK(fetch(*client, {.method = "POST", .body = "text"}).take() == "200 POST / text");
        Repeated chunked("0123456789", 1000);
        CHECK(fetch(*client, {.method = "PUT", .streamed_body = &chunked}).take().size() == 10'010);
        Repeated counted("0123456789", 1000);
        CHECK(fetch(*client, {.method = "PUT", .streamed_body = &counted, .streamed_length = 10'000}).take().size() ==
              10'010);
        Repeated shorter("0123456789", 10);
        CHECK_FALSE(fetch(*client, {.method = "PUT", .streamed_body = &shorter, .streamed_length = 101}));
        CHECK(fetch(*client, {.method = "HEAD"}).take() == "200 ");
        CHECK(fetch(*client).take() == "200 GET / ");
    }
}

TEST_CASE("requests that would inject are refused") {
    TestServer server(echo);
    auto client = client_for(server.url());
    CHECK_FALSE(fetch(*client, {.method = "GET / HTTP/1.1\r\nX:"}));
    CHECK_FALSE(fetch(*client, {.target = "/a b"}));
    CHECK_FALSE(fetch(*client, {.target = "/a\r\nX: y"}));
    ClientRequest request;
    request.headers.add("X", "a\r\nY: b");
    CHECK_FALSE(fetch(*client, request));
}

TEST_CASE("a connection is kept, and replaced when the server closed it in between") {
    const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    ScriptedServer server({{ok, ok}, {ok}});
    auto client = client_for(server.url());
    for (int i = 0; i < 3; ++i) CHECK(fetch(*client).take() == "200 ok");
}

TEST_CASE("a request that died on a kept connection is repeated only if that is safe") {
    const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    SUBCASE("GET") {
        ScriptedServer server({{ok, ""}, {ok}});
        auto client = client_for(server.url());
        CHECK(fetch(*client).take() == "200 ok");
        CHECK(fetch(*client).take() == "200 ok");
    }
    SUBCASE("POST") {
        ScriptedServer server({{ok, ""}});
        auto client = client_for(server.url());
        CHECK(fetch(*client).take() == "200 ok");
        CHECK(fetch(*client, {.method = "POST", .body = "x"}).error().code() == Errc::Unavailable);
    }
}

TEST_CASE("responses that are not what they should be") {
    auto answer = [](std::string bytes) {
        ScriptedServer server({{std::move(bytes)}});
        auto client = client_for(server.url(), {.stall_timeout = 2s});
        auto got = fetch(*client);
        return got ? *got : "error: " + got.error().message();
    };
    CHECK(answer("HTTP/1.0 200 OK\r\n\r\nuntil the end") == "200 until the end");
    CHECK(answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No\r\n\r\n") == "204 ");
    CHECK(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n") == "200 ab");
    CHECK(answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc").find("after 3 of 5 bytes") != std::string::npos);
    for (const char* bad :
         {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "garbage\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 101 Switch\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nCont"})
        CHECK_MESSAGE(answer(bad).starts_with("error: "), bad);
    CHECK(answer("HTTP/1.1 200 OK\r\nX: " + std::string(300'000, 'x')).find("too large") != std::string::npos);
}

TEST_CASE("deadlines, stalls and cancellation end a wait") {
    LoopbackListener silent;
    auto client = client_for("http://127.0.0.1:" + std::to_string(silent.port), {.stall_timeout = 100ms});
    CHECK(fetch(*client).error().code() == Errc::Timeout);
    auto patient = client_for("http://127.0.0.1:" + std::to_string(silent.port));
    CHECK(fetch(*patient, {}, Context{}.with_timeout(100ms)).error().code() == Errc::Timeout);
    std::stop_source stop;
    std::thread later([&] { stop.request_stop(); });
    Context context;
    context.stop = stop.get_token();
    CHECK(fetch(*patient, {}, context).error().message().find("cancelled") != std::string::npos);
    later.join();
}

TEST_CASE("an answer that comes before the body was read") {
    TestServer server([](Request&) { return Response::text(413, "no"); }, {.max_body_bytes = 100});
    auto client = client_for(server.url());
    Repeated endless(std::string(60'000, 'x'), 2000);
    CHECK(fetch(*client, {.method = "PUT", .streamed_body = &endless, .streamed_length = 120'000'000})
              .take()
              .find("413") == 0);
    CHECK(fetch(*client, {.method = "GET"}).take() == "413 no");
}

TEST_CASE("an answer that comes while the body is still wanted") {
    TestServer server([](Request& request) {
        Response response;
        response.produce = [&request](BodyWriter& writer) -> Result<void> {
            TRY(writer.write(std::string(100'000, 'p')));  // before anything was read
            std::size_t total = 0;
            char buffer[65536];
            while (auto got = TRY(request.body->read(buffer, sizeof buffer))) total += got;
            return writer.write(std::to_string(total));
        };
        return response;
    });
    auto client = client_for(server.url());
    Repeated body(std::string(60'000, 'x'), 200);
    auto answer = fetch(*client, {.method = "POST", .streamed_body = &body});
    REQUIRE(answer);
    CHECK(answer->ends_with("p12000000"));
}

TEST_CASE("upgrade: taken over, and refused") {
    Hijacked kept;
    TestServer server([&](Request& request) {
        if (request.path == "/no") return Response::text(409, "not running");
        CHECK(request.headers.get("Upgrade") == "tcp");
        Response response = Response::empty(101);
        response.hijack = [&](Hijacked hijacked) {
            CHECK(::write(hijacked.socket.get(), "first", 5) == 5);
            kept = std::move(hijacked);
        };
        return response;
    });
    auto client = client_for("unix://" + server.path);
    auto refused = client->upgrade({}, {.method = "POST", .target = "/no"}).take();
    REQUIRE(refused.refused);
    CHECK(refused.refused->body->read_all(100).take() == "not running");
    auto upgraded = client->upgrade({}, {.method = "POST", .target = "/yes", .has_body = true}).take();
    REQUIRE_FALSE(upgraded.refused);
    std::string got = upgraded.connection.already_read;
    char buffer[16];
    while (got.size() < 5) {
        auto count = ::read(upgraded.connection.socket.get(), buffer, sizeof buffer);
        REQUIRE(count > 0);
        got.append(buffer, static_cast<std::size_t>(count));
    }
    CHECK(got == "first");
}

TEST_CASE("proxies: absolute form, tunnel, credentials") {
    SUBCASE("http") {
        ScriptedServer proxy({{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nvia"}});
        {
            auto client =
                client_for("http://example.invalid:81/", {.proxy = "http://user:p%40ss@" + proxy.url().substr(7)});
            CHECK(fetch(*client, {.target = "/x"}).take() == "200 via");
        }
        CHECK(proxy.requests.at(0).starts_with(
            "GET http://example.invalid:81/x HTTP/1.1\r\nHost: example.invalid:81\r\n"));
        CHECK(proxy.requests.at(0).find("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n") != std::string::npos);
    }
    SUBCASE("refused tunnel") {
        ScriptedServer proxy({{"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"}});
        auto client = client_for("https://example.invalid/", {.proxy = proxy.url()});
        CHECK(fetch(*client).error().code() == Errc::Unauthenticated);
    }
}

TEST_CASE("names that do not exist and ports where nobody listens") {
    CHECK(fetch(*client_for("http://127.0.0.1:1/")).error().message() == "connect 127.0.0.1:1: Connection refused");
    CHECK(fetch(*client_for("unix:///nonexistent/socket")).error().code() == Errc::NotFound);
}

}  // namespace pila::http

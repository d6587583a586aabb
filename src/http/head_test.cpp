// SPDX-License-Identifier: Apache-2.0
#include "http/head.h"

#include <doctest/doctest.h>

namespace pila::http {

TEST_CASE("queries") {
    auto query = Query::parse("a=1&b=x%20y&c&a=2&d=a+b&=v&e=%zz&f=0&g=False&h=none&i=yes&j=");
    CHECK(query.get("a") == "1");
    CHECK(query.all("a") == std::vector<std::string_view>{"1", "2"});
    CHECK(query.get("b") == "x y");
    CHECK(query.has("c"));
    CHECK(query.get("d") == "a b");
    CHECK(query.get("e") == "%zz");
    for (const char* name : {"c", "f", "g", "h", "j", "missing"}) CHECK_FALSE(query.flag(name));
    for (const char* name : {"a", "i"}) CHECK(query.flag(name));
    CHECK(query.flag("missing", true));
    CHECK_FALSE(query.flag("f", true));
}

TEST_CASE("percent coding") {
    CHECK(percent_encode("a b/\xc3\xa9~") == "a%20b%2F%C3%A9~");
    CHECK(percent_decode("a%20b%2f%C3%A9~") == "a b/\xc3\xa9~");
    for (const char* bad : {"%", "%1", "a%g0", "%0g"}) CHECK_FALSE(percent_decode(bad));
}

TEST_CASE("request targets") {
    auto path = [](const std::string& target, const std::string& method = "GET") {
        auto head = parse_request_head(method + " " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
        return head ? head->path + "?" + head->query : "error";
    };
    CHECK(path("/a%2Fb?c=%20#d") == "/a/b?c=%20");
    CHECK(path("http://h:1/a?b") == "/a?b");
    CHECK(path("http://h") == "/?");
    CHECK(path("/x?u=http://y/../z") == "/x?u=http://y/../z");
    CHECK(path("/..a/...") == "/..a/...?");
    CHECK(path("*", "OPTIONS") == "*?");
    for (const char* bad : {"*", "a", "h:80", "/..", "/.", "/a/../b", "/%2e%2E/", "/a/%2e", "/%00"})
        CHECK_MESSAGE(path(bad) == "error", bad);
}

TEST_CASE("chunked coding, fed in every split") {
    const std::string coded = "5\r\nhello\r\n00006;x=\"y\"\r\n world\r\n0\r\nA: b\r\nC: d\r\n\r\nnext";
    for (std::size_t first = 0; first <= coded.size(); ++first) {
        for (std::size_t room : {1U, 3U, 100U}) {
            ChunkDecoder decoder;
            std::string plain;
            std::size_t at = 0;
            while (!decoder.done()) {
                auto end = at < first ? first : coded.size();
                char out[100];
                auto step = decoder.decode(std::string_view(coded).substr(at, end - at), out, room).take();
                plain.append(out, step.produced);
                at += step.consumed;
            }
            REQUIRE(plain == "hello world");
            REQUIRE(coded.substr(at) == "next");
        }
    }
    for (const char* bad : {"\r\n", "g\r\n", "-1\r\n", "1\n", "1\r\nab", "1\r\na\n", "0\r\n\n", "0\r\nA\n", "1;\n",
                            "ffffffffffffffff1\r\n"}) {
        ChunkDecoder decoder;
        char out[100];
        CHECK_MESSAGE(!decoder.decode(bad, out, sizeof out), bad);
    }
    ChunkDecoder endless;
    char out[10];
    CHECK_FALSE(endless.decode("1;" + std::string(5000, 'x'), out, sizeof out));
}

TEST_CASE("response framing") {
    auto kind = [](const std::string& fields, const char* method = "GET", int status = 200) {
        auto head = parse_response_head("HTTP/1.1 " + std::to_string(status) + " X\r\n" + fields + "\r\n", method);
        return head ? static_cast<int>(head->framing.kind) : -1;
    };
    CHECK(kind("") == static_cast<int>(BodyKind::UntilClose));
    CHECK(kind("Content-Length: 0\r\n") == static_cast<int>(BodyKind::None));
    CHECK(kind("Content-Length: 7\r\n") == static_cast<int>(BodyKind::Length));
    CHECK(kind("Content-Length: 7\r\n", "HEAD") == static_cast<int>(BodyKind::None));
    CHECK(kind("Content-Length: 7\r\n", "GET", 304) == static_cast<int>(BodyKind::None));
    CHECK(kind("Transfer-Encoding: Chunked\r\n") == static_cast<int>(BodyKind::Chunked));
    CHECK(kind("Transfer-Encoding: gzip\r\n") == -1);
    CHECK(kind("Content-Length: x\r\n") == -1);
}

}  // namespace pila::http

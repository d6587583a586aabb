// SPDX-License-Identifier: Apache-2.0
#pragma once
// HTTP/1.1 client: blocking with deadlines. Unix sockets, TCP, TLS (OpenSSL, the system's CA store or a given one).

#include <memory>
#include <string>

#include "http/message.h"

namespace pila::http {

struct Endpoint {
    std::string scheme;  // "unix", "http", "https"
    std::string host;    // path of the socket for unix
    std::uint16_t port = 0;
    std::string path_and_query;  // of the URL it came from
    // "unix:///run/pila/docker.sock", "tcp://127.0.0.1:2375" (http), "http://...", "https://..."
    static Result<Endpoint> parse(std::string_view url);
    // The endpoint that a Location header names, relative ones included (RFC 3986 section 5.2, without dot segments).
    Result<Endpoint> resolve(std::string_view location) const;
    std::string host_header() const;  // "example.org:8080"; the port only where it is unusual
    bool is_loopback() const;         // by name: localhost, 127.0.0.0/8, ::1, unix
    bool same_server(const Endpoint& other) const {
        return scheme == other.scheme && host == other.host && port == other.port;
    }
};

struct ClientOptions {
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds stall_timeout{60'000};  // between two reads or writes that make progress; 0: no limit
    std::string ca_file, client_certificate, client_key;
    std::string ca_certificates;  // PEM: instead of ca_file
    std::string server_name;      // whom the certificate is to name; "": the host that is connected to
    bool verify_peer = true;
    std::string proxy;  // http://[user:password@]host:port; "": none. proxy_from_environment() finds the usual one
};
std::string proxy_from_environment(const Endpoint& target);  // HTTP_PROXY, HTTPS_PROXY, NO_PROXY, lower case too

struct ClientRequest {
    std::string method = "GET";
    std::string target = "/";
    Headers headers;
    std::string body;
    BodyReader* streamed_body = nullptr;  // sent chunked, or with `streamed_length`
    std::optional<std::uint64_t> streamed_length;
    bool has_body = false;  // send Content-Length: 0 for an empty one
};

struct ClientResponse {
    int status = 0;
    Headers headers;
    std::unique_ptr<BodyReader> body;  // keeps its connection; dropping it unread closes that
};

// One kept-alive connection at a time; reconnects when the server closed it in between. Threads: one at a time.
class Client {
public:
    static Result<std::unique_ptr<Client>> create(Endpoint endpoint, ClientOptions options = {});
    virtual ~Client() = default;
    // The deadline and stop token of `context` also hold for reading the body of the response.
    virtual Result<ClientResponse> send(const Context& context, const ClientRequest& request) = 0;
    // Sends `request` with "Connection: Upgrade, Upgrade: tcp"; on 101 or 200 the connection is the caller's.
    // Another status: the response with its body, in `refused`. The socket is blocking; with TLS it is a relay's end,
    // and ends with this client.
    struct Upgraded {
        Hijacked connection;
        std::optional<ClientResponse> refused;
        Headers headers;
    };
    virtual Result<Upgraded> upgrade(const Context& context, const ClientRequest& request) = 0;
};

}  // namespace pila::http

// SPDX-License-Identifier: Apache-2.0
#pragma once
// TLS for Channel, on OpenSSL. Nothing of OpenSSL is initialised before the first call.

#include "http/channel.h"
#include "http/client.h"

namespace pila::http {

// What all connections of one client share: CA store, client certificate, settings. Threads: any.
class TlsContext {
public:
    static Result<std::shared_ptr<TlsContext>> for_client(const ClientOptions& options);
    virtual ~TlsContext() = default;
    // Handshake with `host` (name or address) over a connected socket; checks the certificate and its names.
    virtual Result<Channel> connect(Fd socket, const std::string& host, const Patience& patience) = 0;
};

// What a server proves itself with, and perhaps asks of its clients.
struct ServerTls {
    std::string certificate, key;        // PEM files, the certificate with its chain
    std::string client_ca;               // PEM file: clients must have a certificate of these; "": anybody
    bool clients_may_have_none = false;  // asks, and Request says whose it is; without a good one the handler decides
};

// The server's side. Threads: any.
class TlsAcceptor {
public:
    static Result<std::shared_ptr<TlsAcceptor>> create(const ServerTls& settings);
    virtual ~TlsAcceptor() = default;
    // Over a connected socket, which must outlive it. The handshake happens while it is read.
    virtual Result<std::unique_ptr<TlsSession>> accept(const Fd& socket) = 0;
};

}  // namespace pila::http

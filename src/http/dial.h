// SPDX-License-Identifier: Apache-2.0
#pragma once
// From an Endpoint to a connected Channel: names, addresses, proxies, TLS.

#include "http/client.h"
#include "http/tls.h"

namespace pila::http {

struct Proxy {
    Endpoint endpoint;
    std::string authorization;  // value of Proxy-Authorization, "" for none
    static Result<std::optional<Proxy>> parse(const std::string& url);
};

// `tls` is made at the first https connection and kept for the next.
Result<Channel> dial(const Endpoint& endpoint, const ClientOptions& options, const std::optional<Proxy>& proxy,
                     std::shared_ptr<TlsContext>& tls, const Context& context);

}  // namespace pila::http

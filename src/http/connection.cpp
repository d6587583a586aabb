// SPDX-License-Identifier: Apache-2.0
#include "http/connection.h"

#include "http/head.h"
#include "http/text.h"

namespace pila::http {

bool head_is_decided(Connection& connection, std::size_t max_header_bytes) {
    auto& input = connection.input;
    // RFC 9112 section 2.2: empty lines before a request line are ignored.
    while (input.size() >= 2 && input.view().substr(0, 2) == "\r\n") {
        input.consume(2);
        connection.searched = 0;
    }
    auto bytes = input.view();
    connection.refusal = 0;
    connection.head = 0;
    if (bytes.empty()) return false;
    // Not the start of a method: a TLS handshake, a proxy protocol, noise. Answered at once instead of after the
    // timeout.
    bool could_be_method = is_token(bytes.substr(0, 1)) || bytes == "\r";
    if (!could_be_method) {
        connection.refusal = 400;
        return true;
    }
    connection.head = head_size(bytes, connection.searched);
    connection.searched = bytes.size();
    if (connection.head > max_header_bytes || (connection.head == 0 && bytes.size() >= max_header_bytes))
        connection.refusal = 431;
    return connection.head > 0 || connection.refusal != 0;
}

std::string_view refusal_message(int status) {
    switch (status) {
        case 408: return "timed out reading the request header";
        case 431: return "request header too large";
        default: return "malformed request: not HTTP/1.1";
    }
}

}  // namespace pila::http

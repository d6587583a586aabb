// SPDX-License-Identifier: Apache-2.0
// Bytes as a client would send them: pieces of a head, the head, and its body.
#include <cstdlib>
#include <string>

#include "http/connection.h"
#include "http/head.h"

using namespace pila::http;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    std::size_t piece = data[0] + 1U;
    Connection connection;
    while (!bytes.empty() && !head_is_decided(connection, 16384)) {
        connection.input.append(bytes.substr(0, piece));
        bytes.remove_prefix(std::min(piece, bytes.size()));
    }
    if (connection.refusal != 0 || connection.head == 0) return 0;
    auto head = parse_request_head(connection.input.view().substr(0, connection.head));
    connection.input.consume(connection.head);
    if (!head) return 0;
    // What a handler relies on.
    if (head->path.find('\0') != std::string::npos || (head->path + "/").find("/../") != std::string::npos)
        std::abort();
    for (const auto& [name, value] : head->headers.all())
        if (name.empty() || value.find_first_of("\r\n") != std::string::npos) std::abort();
    Query::parse(head->query);
    if (head->framing.kind != BodyKind::Chunked) return 0;
    ChunkDecoder decoder;
    char out[64];
    connection.input.append(bytes);
    while (!decoder.done() && !connection.input.empty()) {
        auto step = decoder.decode(connection.input.view(), out, sizeof out);
        if (!step) break;
        if (step->consumed == 0 && step->produced == 0) std::abort();
        connection.input.consume(step->consumed);
    }
    return 0;
}

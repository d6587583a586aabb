// SPDX-License-Identifier: Apache-2.0
// Bytes as a server would send them, and URLs as it would put them into Location.
#include <cstdlib>
#include <string>

#include "http/client.h"
#include "http/head.h"

using namespace pila::http;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view bytes(reinterpret_cast<const char*>(data), size);
    auto end = head_size(bytes);
    if (end == 0) {
        if (auto endpoint = Endpoint::parse(bytes)) {
            if (endpoint->host.empty() || endpoint->path_and_query.find_first_of("\r\n ") != std::string::npos)
                std::abort();
            proxy_from_environment(*endpoint);
        }
        return 0;
    }
    auto head = parse_response_head(bytes.substr(0, end), "GET");
    if (!head) return 0;
    auto base = Endpoint::parse("https://example.org:8443/v2/a/b?c");
    if (auto target = base->resolve(head->headers.get("Location")))
        if (target->host.empty() || target->path_and_query.substr(0, 1) != "/") std::abort();
    if (head->framing.kind != BodyKind::Chunked) return 0;
    ChunkDecoder decoder;
    char out[16];
    auto rest = bytes.substr(end);
    while (!decoder.done() && !rest.empty()) {
        auto step = decoder.decode(rest, out, sizeof out);
        if (!step) break;
        if (step->consumed == 0) std::abort();
        rest.remove_prefix(step->consumed);
    }
    return 0;
}

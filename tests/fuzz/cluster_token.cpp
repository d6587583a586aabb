// SPDX-License-Identifier: Apache-2.0
// Whatever a bearer token, a file of tokens or a request for a certificate says, nobody becomes somebody by it.
#include <cstdint>
#include <cstdlib>

#include "cluster/access/static_tokens.h"
#include "cluster/access/token.h"
#include "crypto/certificates.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static const auto keys = pila::cluster::access::TokenKeys::open("", "https://cluster");
    if (keys->check(text, {"https://cluster"}, 1000)) std::abort();
    if (auto tokens = pila::cluster::access::StaticTokens::parse(text)) {
        if (tokens->find("")) std::abort();
    }
    if (auto facts = pila::crypto::read_request(text))
        if (facts->dns_names.size() > size) std::abort();
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// WWW-Authenticate as registries send it, X-Registry-Auth as clients do.
#include <cstdlib>
#include <string_view>

#include "image/registry_auth.h"
#include "image/registry_manifest.h"

using namespace pila::image;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const auto& challenge : parse_challenges(text))
        if (challenge.scheme.empty()) std::abort();
    if (auto auth = RegistryAuth::parse(text);
        auth &&
        auth->empty() != (auth->username.empty() && auth->identity_token.empty() && auth->registry_token.empty()))
        std::abort();
    auto parsed = RegistryAuth::parse_json(text);
    if (auto platform = Platform::parse(text); platform && (platform->os.empty() || platform->architecture.empty()))
        std::abort();
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "image/digest.h"

#include <openssl/evp.h>

#include "base/text.h"

namespace pila::image {

Result<Digest> Digest::parse(std::string_view text) {
    auto colon = text.find(':');
    auto algorithm = text.substr(0, colon);
    std::size_t digits = algorithm == "sha256" ? 64 : algorithm == "sha512" ? 128 : 0;
    if (colon == std::string_view::npos) return Error(Errc::Invalid, "invalid checksum digest format");
    if (digits == 0) return Error(Errc::Invalid, "unsupported digest algorithm");
    auto hexadecimal = text.substr(colon + 1);
    if (hexadecimal.size() != digits) return Error(Errc::Invalid, "invalid checksum digest length");
    if (!is_hex(hexadecimal)) return Error(Errc::Invalid, "invalid checksum digest format");
    return Digest(std::string(text));
}

Digest Digest::of(std::string_view bytes) {
    Hasher hasher;
    hasher.update(bytes);
    return hasher.finish();
}

struct Hasher::State {
    std::string algorithm;
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(std::string_view algorithm) : state_(std::make_unique<State>()) {
    state_->algorithm = algorithm;
    EVP_DigestInit_ex(state_->context, algorithm == "sha512" ? EVP_sha512() : EVP_sha256(), nullptr);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::string_view bytes) { EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()); }

Digest Hasher::finish() {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(state_->context, bytes, &size);
    return Digest(state_->algorithm + ":" + hex({reinterpret_cast<char*>(bytes), size}));
}

}  // namespace pila::image

// SPDX-License-Identifier: Apache-2.0
#include "crypto/signature.h"

#include <fmt/core.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "crypto/base64.h"
#include "crypto/openssl.h"

namespace pila::crypto {

namespace {

using Digest = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Deleter<BN_free>>;

constexpr int key_bits = 2048;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string number_at(const EVP_PKEY* key, const char* name) {
    BIGNUM* found = nullptr;
    if (EVP_PKEY_get_bn_param(key, name, &found) != 1) return {};
    Number number(found);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
    BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
    return bytes;
}

}  // namespace

std::string sha256(std::string_view bytes) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) != 1) return {};
    return {reinterpret_cast<const char*>(digest), size};
}

Result<SigningKey> SigningKey::own(std::shared_ptr<EVP_PKEY> key, bool is_private) {
    if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key.get()) < key_bits)
        return Error(Errc::Invalid, "read signing key: it is not RSA of at least 2048 bits");
    unsigned char* der = nullptr;
    int size = i2d_PUBKEY(key.get(), &der);
    if (size <= 0) return openssl_error(Errc::Invalid, "read signing key");
    SigningKey made;
    made.id_ = base64_url_encode(sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)}));
    OPENSSL_free(der);
    made.key_ = std::move(key);
    made.is_private_ = is_private;
    return made;
}

Result<SigningKey> SigningKey::make() {
    std::shared_ptr<EVP_PKEY> key(EVP_RSA_gen(key_bits), EVP_PKEY_free);
    if (!key) return openssl_error(Errc::Internal, "make signing key");
    return own(std::move(key), true);
}

Result<SigningKey> SigningKey::read(std::string_view text) {
    auto bio = reading(text);
    std::shared_ptr<EVP_PKEY> key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr,
                                  EVP_PKEY_free);
    bool is_private = key != nullptr;
    if (!key) {
        ERR_clear_error();
        bio = reading(text);
        key.reset(bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, no_password, nullptr) : nullptr, EVP_PKEY_free);
    }
    if (!key) return openssl_error(Errc::Invalid, "read signing key");
    return own(std::move(key), is_private);
}

Result<std::string> SigningKey::private_pem() const {
    return written([&](BIO* bio) {
        return PEM_write_bio_PKCS8PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
}

Result<std::string> SigningKey::public_pem() const {
    return written([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, key_.get()); });
}

Result<SigningKey::Numbers> SigningKey::numbers() const {
    Numbers made{number_at(key_.get(), OSSL_PKEY_PARAM_RSA_N), number_at(key_.get(), OSSL_PKEY_PARAM_RSA_E)};
    if (made.modulus.empty() || made.exponent.empty())
        return openssl_error(Errc::Internal, "read numbers of signing key");
    return made;
}

Result<std::string> SigningKey::sign(std::string_view message) const {
    if (!is_private_) return Error(Errc::Invalid, "sign: only the public key is known");
    Digest digest(EVP_MD_CTX_new());
    std::size_t size = 0;
    bool done = digest && EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
                EVP_DigestSign(digest.get(), nullptr, &size, bytes_of(message), message.size()) == 1;
    std::string signature(size, '\0');
    done = done && EVP_DigestSign(digest.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                                  bytes_of(message), message.size()) == 1;
    if (!done) return openssl_error(Errc::Internal, "sign");
    signature.resize(size);
    return signature;
}

bool SigningKey::verifies(std::string_view message, std::string_view signature) const {
    Digest digest(EVP_MD_CTX_new());
    bool good =
        digest && EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
        EVP_DigestVerify(digest.get(), bytes_of(signature), signature.size(), bytes_of(message), message.size()) == 1;
    ERR_clear_error();
    return good;
}

}  // namespace pila::crypto

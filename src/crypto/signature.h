// SPDX-License-Identifier: Apache-2.0
#pragma once
// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2), which JSON Web Signatures call RS256: the one form that every
// reader of tokens knows. Keys in PEM, 2048 bits. Threads: any.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct evp_pkey_st;

namespace pila::crypto {

std::string sha256(std::string_view bytes);  // 32 bytes

// Half a public key: it can check. A private one can sign, too.
class SigningKey {
public:
    static Result<SigningKey> make();  // takes a tenth of a second
    // A private key (PKCS #8, PKCS #1) or a public one (SubjectPublicKeyInfo). Invalid: none, or not RSA of at least
    // 2048 bits.
    static Result<SigningKey> read(std::string_view pem);

    bool is_private() const { return is_private_; }
    Result<std::string> private_pem() const;
    Result<std::string> public_pem() const;
    // SHA-256 of the public key's DER form, as base64url: what names it in tokens and key sets.
    const std::string& id() const { return id_; }
    // Modulus and exponent, big-endian without leading zeros.
    struct Numbers {
        std::string modulus, exponent;
    };
    Result<Numbers> numbers() const;

    Result<std::string> sign(std::string_view message) const;
    bool verifies(std::string_view message, std::string_view signature) const;

private:
    SigningKey() = default;
    static Result<SigningKey> own(std::shared_ptr<evp_pkey_st> key, bool is_private);
    std::shared_ptr<evp_pkey_st> key_;  // never changed, so that copies may share it
    std::string id_;
    bool is_private_ = false;
};

}  // namespace pila::crypto

// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the two places that speak to OpenSSL share: owners of its objects, names in certificates. For .cpp files of
// crypto and http only.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/result.h"

namespace pila::crypto {

template <auto Free>
struct Deleter {
    template <typename T>
    void operator()(T* pointer) const {
        Free(pointer);
    }
};

using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

// What OpenSSL last complained of.
Error openssl_error(Errc code, std::string_view doing);
Bio reading(std::string_view text);  // the text stays where it is meanwhile
// For PEM_read_bio_*: without it OpenSSL asks at the daemon's terminal for the password of whatever says that it is
// encrypted, and waits.
int no_password(char* buffer, int size, int writes, void* more);
// What `write` writes, which answers 1 if it could.
Result<std::string> written(const std::function<int(BIO*)>& write);
Result<Certificate> read_pem_certificate(std::string_view text);
Result<Key> read_pem_key(std::string_view text);
// An extension in the words of OpenSSL's configuration.
bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value);
// Serial number, version, key and times; no names yet.
Result<Certificate> unsigned_certificate(EVP_PKEY* key, std::int64_t lifetime_seconds);
struct AlternativeNames {
    std::vector<std::string> dns_names, addresses;
    bool has_others = false;
};
AlternativeNames read_names(const GENERAL_NAMES* names);  // null: none

// All entries of this kind (NID_commonName, NID_organizationName, ...), as UTF-8.
std::vector<std::string> name_entries(const X509_NAME* name, int kind);

}  // namespace pila::crypto

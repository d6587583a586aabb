// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the two places that speak to OpenSSL share: owners of its objects, names in certificates. For .cpp files of
// crypto and http only.

#include <string>
#include <vector>

#include <openssl/x509.h>

namespace pila::crypto {

template <auto Free>
struct Deleter {
    template <typename T>
    void operator()(T* pointer) const {
        Free(pointer);
    }
};

// All entries of this kind (NID_commonName, NID_organizationName, ...), as UTF-8.
std::vector<std::string> name_entries(const X509_NAME* name, int kind);

}  // namespace pila::crypto

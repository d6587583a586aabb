// SPDX-License-Identifier: Apache-2.0
#pragma once
// For tests only: a certificate that is its own authority, good for an hour.

#include <cstdio>
#include <string>

#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace pila::http::test {

struct Certificate {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();

    explicit Certificate(const char* names) {
        X509_set_version(certificate, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
        X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
        X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
        auto* name = X509_get_subject_name(certificate);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
        X509_set_issuer_name(certificate, name);
        X509_set_pubkey(certificate, key);
        auto* alternative = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names);
        X509_add_ext(certificate, alternative, -1);
        X509_EXTENSION_free(alternative);
        X509_sign(certificate, key, EVP_sha256());
    }
    ~Certificate() {
        X509_free(certificate);
        EVP_PKEY_free(key);
    }
    void save(const std::string& path) const {
        FILE* file = std::fopen(path.c_str(), "w");
        REQUIRE(file);
        PEM_write_X509(file, certificate);
        std::fclose(file);
    }
    void save_key(const std::string& path) const {
        FILE* file = std::fopen(path.c_str(), "w");
        REQUIRE(file);
        PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(file);
    }
};

}  // namespace pila::http::test

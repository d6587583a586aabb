// SPDX-License-Identifier: Apache-2.0
#include "crypto/openssl.h"

#include <arpa/inet.h>

#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

namespace pila::crypto {

namespace {

using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;

constexpr int clock_difference_seconds = 300;  // between this machine and its clients

}  // namespace

Error openssl_error(Errc code, std::string_view doing) {
    char reason[256] = "unknown reason";
    if (auto number = ERR_get_error()) ERR_error_string_n(number, reason, sizeof reason);
    ERR_clear_error();
    return {code, fmt::format("{}: {}", doing, reason)};
}

Bio reading(std::string_view text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

int no_password(char*, int, int, void*) { return -1; }

Result<std::string> written(const std::function<int(BIO*)>& write) {
    Bio bio(BIO_new(BIO_s_mem()));
    if (!bio || write(bio.get()) != 1) return openssl_error(Errc::Internal, "write PEM");
    char* text = nullptr;
    auto size = BIO_get_mem_data(bio.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

Result<Certificate> read_pem_certificate(std::string_view text) {
    auto bio = reading(text);
    Certificate made(bio ? PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr) : nullptr);
    if (!made) return openssl_error(Errc::Invalid, "read certificate");
    return made;
}

Result<Key> read_pem_key(std::string_view text) {
    auto bio = reading(text);
    Key key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr);
    if (!key) return openssl_error(Errc::Invalid, "read private key");
    return key;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509V3_set_ctx_nodb(&context);
    Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Result<Certificate> unsigned_certificate(EVP_PKEY* key, std::int64_t lifetime_seconds) {
    Certificate made(X509_new());
    unsigned char serial[16];
    if (!made || RAND_bytes(serial, sizeof serial) != 1) return openssl_error(Errc::Internal, "make certificate");
    serial[0] &= 0x7f;  // RFC 5280 4.1.2.2: positive, at most 20 bytes
    serial[0] |= 0x40;
    std::unique_ptr<BIGNUM, Deleter<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
    bool done = number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(made.get())) &&
                X509_set_version(made.get(), X509_VERSION_3) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(made.get()), -clock_difference_seconds) &&
                X509_gmtime_adj(X509_getm_notAfter(made.get()), static_cast<long>(lifetime_seconds)) &&
                X509_set_pubkey(made.get(), key) == 1;
    if (!done) return openssl_error(Errc::Invalid, "make certificate");
    return made;
}

AlternativeNames read_names(const GENERAL_NAMES* names) {
    AlternativeNames found;
    for (int index = 0; names && index < sk_GENERAL_NAME_num(names); ++index) {
        const auto* name = sk_GENERAL_NAME_value(names, index);
        if (name->type == GEN_DNS) {
            const auto* text = name->d.dNSName;
            found.dns_names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                         static_cast<std::size_t>(ASN1_STRING_length(text)));
        } else if (name->type == GEN_IPADD) {
            char text[INET6_ADDRSTRLEN];
            const auto* bytes = ASN1_STRING_get0_data(name->d.iPAddress);
            int size = ASN1_STRING_length(name->d.iPAddress);
            bool known =
                (size == 4 || size == 16) && ::inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text);
            if (known)
                found.addresses.emplace_back(text);
            else
                found.has_others = true;
        } else {
            found.has_others = true;
        }
    }
    return found;
}

std::vector<std::string> name_entries(const X509_NAME* name, int kind) {
    std::vector<std::string> found;
    for (int at = -1; (at = X509_NAME_get_index_by_NID(name, kind, at)) >= 0;) {
        unsigned char* text = nullptr;
        int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
        if (size < 0) continue;
        found.emplace_back(reinterpret_cast<char*>(text), static_cast<std::size_t>(size));
        OPENSSL_free(text);
    }
    return found;
}

}  // namespace pila::crypto

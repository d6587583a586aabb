// SPDX-License-Identifier: Apache-2.0
#include "crypto/certificates.h"

#include <arpa/inet.h>
#include <memory>

#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "crypto/openssl.h"

namespace pila::crypto {

namespace {

using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

constexpr std::chrono::hours authority_lifetime{10 * 365 * 24};
constexpr int clock_difference_seconds = 300;  // between this machine and its clients

Error openssl_error(Errc code, std::string_view doing) {
    char reason[256] = "unknown reason";
    if (auto number = ERR_get_error()) ERR_error_string_n(number, reason, sizeof reason);
    ERR_clear_error();
    return {code, fmt::format("{}: {}", doing, reason)};
}

template <typename Write>
Result<std::string> pem(Write write) {
    Bio bio(BIO_new(BIO_s_mem()));
    if (!bio || write(bio.get()) != 1) return openssl_error(Errc::Internal, "write PEM");
    char* text = nullptr;
    auto size = BIO_get_mem_data(bio.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

Bio reading(std::string_view text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

Result<Certificate> read_pem(std::string_view text) {
    auto bio = reading(text);
    Certificate made(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
    if (!made) return openssl_error(Errc::Invalid, "read certificate");
    return made;
}

bool is_address(const std::string& name) {
    in6_addr address;
    return ::inet_pton(AF_INET, name.c_str(), &address) == 1 || ::inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

bool add(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509V3_set_ctx_nodb(&context);
    Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add_name(X509_NAME* name, const char* field, const std::string& value) {
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                      static_cast<int>(value.size()), -1, 0) == 1;
}

Result<Certificate> unsigned_certificate(EVP_PKEY* key, const Subject& subject, std::chrono::hours lifetime) {
    Certificate made(X509_new());
    unsigned char serial[16];
    if (!made || RAND_bytes(serial, sizeof serial) != 1) return openssl_error(Errc::Internal, "make certificate");
    serial[0] &= 0x7f;  // RFC 5280 4.1.2.2: positive, at most 20 bytes
    serial[0] |= 0x40;
    std::unique_ptr<BIGNUM, Deleter<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
    bool done = number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(made.get())) &&
                X509_set_version(made.get(), X509_VERSION_3) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(made.get()), -clock_difference_seconds) &&
                X509_gmtime_adj(X509_getm_notAfter(made.get()), static_cast<long>(lifetime.count()) * 3600) &&
                X509_set_pubkey(made.get(), key) == 1;
    auto* name = X509_get_subject_name(made.get());
    for (const auto& organization : subject.organizations) done = done && add_name(name, "O", organization);
    done = done && add_name(name, "CN", subject.common_name);
    if (!done) return openssl_error(Errc::Invalid, fmt::format("make certificate for {}", subject.common_name));
    return made;
}

Result<KeyPair> as_pem(X509* certificate, EVP_PKEY* key) {
    KeyPair pair;
    pair.certificate = TRY(pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); }));
    pair.key = TRY(
        pem([&](BIO* bio) { return PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); }));
    return pair;
}

std::int64_t seconds_of(const ASN1_TIME* time) {
    tm parts{};
    return ASN1_TIME_to_tm(time, &parts) == 1 ? ::timegm(&parts) : 0;
}

std::vector<std::string> names_of(X509* certificate) {
    std::vector<std::string> found;
    Names names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int index = 0; names && index < sk_GENERAL_NAME_num(names.get()); ++index) {
        const auto* name = sk_GENERAL_NAME_value(names.get(), index);
        if (name->type == GEN_DNS) {
            const auto* text = name->d.dNSName;
            found.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                               static_cast<std::size_t>(ASN1_STRING_length(text)));
        } else if (name->type == GEN_IPADD) {
            char text[INET6_ADDRSTRLEN];
            const auto* bytes = ASN1_STRING_get0_data(name->d.iPAddress);
            int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
            if (::inet_ntop(family, bytes, text, sizeof text)) found.emplace_back(text);
        }
    }
    return found;
}

}  // namespace

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

Result<KeyPair> make_authority(const std::string& common_name) {
    Key key(EVP_EC_gen("P-256"));
    if (!key) return openssl_error(Errc::Internal, "make key");
    auto made = TRY(unsigned_certificate(key.get(), {common_name, {}}, authority_lifetime));
    X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()));
    bool done = add(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                add(made.get(), made.get(), NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign") &&
                add(made.get(), made.get(), NID_subject_key_identifier, "hash") &&
                X509_sign(made.get(), key.get(), EVP_sha256()) > 0;
    if (!done) return openssl_error(Errc::Internal, fmt::format("make authority {}", common_name));
    return as_pem(made.get(), key.get());
}

Result<KeyPair> issue(const KeyPair& authority, const Subject& subject, Usage usage,
                      const std::vector<std::string>& names, std::chrono::hours lifetime) {
    auto issuer = TRY(read_pem(authority.certificate));
    auto bio = reading(authority.key);
    Key issuer_key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr) : nullptr);
    if (!issuer_key) return openssl_error(Errc::Invalid, "read key of the authority");
    Key key(EVP_EC_gen("P-256"));
    if (!key) return openssl_error(Errc::Internal, "make key");
    auto made = TRY(unsigned_certificate(key.get(), subject, lifetime));
    X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get()));
    std::string uses = usage == Usage::Client ? "clientAuth" : "serverAuth";
    if (usage == Usage::Both) uses += ",clientAuth";
    std::string alternatives;
    for (const auto& name : names)
        alternatives += (alternatives.empty() ? "" : ",") + std::string(is_address(name) ? "IP:" : "DNS:") + name;
    bool done = add(made.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                add(made.get(), issuer.get(), NID_key_usage, "critical,digitalSignature") &&
                add(made.get(), issuer.get(), NID_ext_key_usage, uses) &&
                add(made.get(), issuer.get(), NID_authority_key_identifier, "keyid:always") &&
                (alternatives.empty() || add(made.get(), issuer.get(), NID_subject_alt_name, alternatives)) &&
                X509_sign(made.get(), issuer_key.get(), EVP_sha256()) > 0;
    if (!done) return openssl_error(Errc::Invalid, fmt::format("certify {}", subject.common_name));
    return as_pem(made.get(), key.get());
}

Result<CertificateFacts> read_certificate(std::string_view text) {
    auto certificate = TRY(read_pem(text));
    CertificateFacts facts;
    auto* name = X509_get_subject_name(certificate.get());
    auto common_names = name_entries(name, NID_commonName);
    if (!common_names.empty()) facts.subject.common_name = common_names.front();
    facts.subject.organizations = name_entries(name, NID_organizationName);
    facts.names = names_of(certificate.get());
    facts.not_before = seconds_of(X509_get0_notBefore(certificate.get()));
    facts.not_after = seconds_of(X509_get0_notAfter(certificate.get()));
    return facts;
}

Result<bool> is_issued_by(std::string_view text, std::string_view authority) {
    auto certificate = TRY(read_pem(text));
    auto issuer = TRY(read_pem(authority));
    bool signed_by = X509_check_issued(issuer.get(), certificate.get()) == X509_V_OK &&
                     X509_verify(certificate.get(), X509_get0_pubkey(issuer.get())) == 1;
    ERR_clear_error();
    return signed_by;
}

}  // namespace pila::crypto

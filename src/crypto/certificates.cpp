// SPDX-License-Identifier: Apache-2.0
#include "crypto/certificates.h"

#include <arpa/inet.h>

#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/openssl.h"

namespace pila::crypto {

namespace {

using Names = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

constexpr std::chrono::hours authority_lifetime{10 * 365 * 24};

bool is_address(const std::string& name) {
    in6_addr address;
    return ::inet_pton(AF_INET, name.c_str(), &address) == 1 || ::inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

bool add_name(X509_NAME* name, const char* field, const std::string& value) {
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                      static_cast<int>(value.size()), -1, 0) == 1;
}

Result<void> name_subject(X509* certificate, const Subject& subject) {
    auto* name = X509_get_subject_name(certificate);
    bool done = true;
    for (const auto& organization : subject.organizations) done = done && add_name(name, "O", organization);
    done = done && add_name(name, "CN", subject.common_name);
    if (!done) return openssl_error(Errc::Invalid, fmt::format("make certificate for {}", subject.common_name));
    return {};
}

Result<KeyPair> as_pem(X509* certificate, EVP_PKEY* key) {
    KeyPair pair;
    pair.certificate = TRY(written([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); }));
    pair.key = TRY(written(
        [&](BIO* bio) { return PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); }));
    return pair;
}

std::int64_t seconds_of(const ASN1_TIME* time) {
    tm parts{};
    return ASN1_TIME_to_tm(time, &parts) == 1 ? ::timegm(&parts) : 0;
}

std::vector<std::string> names_of(X509* certificate) {
    Names names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    auto found = read_names(names.get());
    auto all = std::move(found.dns_names);
    all.insert(all.end(), found.addresses.begin(), found.addresses.end());
    return all;
}

}  // namespace

Result<KeyPair> make_authority(const std::string& common_name) {
    Key key(EVP_EC_gen("P-256"));
    if (!key) return openssl_error(Errc::Internal, "make key");
    auto made = TRY(unsigned_certificate(key.get(), std::chrono::seconds(authority_lifetime).count()));
    TRY(name_subject(made.get(), {common_name, {}}));
    X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()));
    bool done = add_extension(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                add_extension(made.get(), made.get(), NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign") &&
                add_extension(made.get(), made.get(), NID_subject_key_identifier, "hash") &&
                X509_sign(made.get(), key.get(), EVP_sha256()) > 0;
    if (!done) return openssl_error(Errc::Internal, fmt::format("make authority {}", common_name));
    return as_pem(made.get(), key.get());
}

Result<KeyPair> issue(const KeyPair& authority, const Subject& subject, Usage usage,
                      const std::vector<std::string>& names, std::chrono::hours lifetime) {
    auto issuer = TRY(read_pem_certificate(authority.certificate));
    auto issuer_key = TRY(read_pem_key(authority.key));
    Key key(EVP_EC_gen("P-256"));
    if (!key) return openssl_error(Errc::Internal, "make key");
    auto made = TRY(unsigned_certificate(key.get(), std::chrono::seconds(lifetime).count()));
    TRY(name_subject(made.get(), subject));
    X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get()));
    std::string uses = usage == Usage::Client ? "clientAuth" : "serverAuth";
    if (usage == Usage::Both) uses += ",clientAuth";
    std::string alternatives;
    for (const auto& name : names)
        alternatives += (alternatives.empty() ? "" : ",") + std::string(is_address(name) ? "IP:" : "DNS:") + name;
    bool done = add_extension(made.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                add_extension(made.get(), issuer.get(), NID_key_usage, "critical,digitalSignature") &&
                add_extension(made.get(), issuer.get(), NID_ext_key_usage, uses) &&
                add_extension(made.get(), issuer.get(), NID_authority_key_identifier, "keyid:always") &&
                (alternatives.empty() || add_extension(made.get(), issuer.get(), NID_subject_alt_name, alternatives)) &&
                X509_sign(made.get(), issuer_key.get(), EVP_sha256()) > 0;
    if (!done) return openssl_error(Errc::Invalid, fmt::format("certify {}", subject.common_name));
    return as_pem(made.get(), key.get());
}

Result<CertificateFacts> read_certificate(std::string_view text) {
    auto certificate = TRY(read_pem_certificate(text));
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
    auto certificate = TRY(read_pem_certificate(text));
    auto issuer = TRY(read_pem_certificate(authority));
    bool signed_by = X509_check_issued(issuer.get(), certificate.get()) == X509_V_OK &&
                     X509_verify(certificate.get(), X509_get0_pubkey(issuer.get())) == 1;
    ERR_clear_error();
    return signed_by;
}

}  // namespace pila::crypto

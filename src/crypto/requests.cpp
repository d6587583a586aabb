// SPDX-License-Identifier: Apache-2.0
// Requests for certificates: what they say, and certificates for them.
#include <ctime>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/certificates.h"
#include "crypto/openssl.h"

namespace pila::crypto {

namespace {

using Request = std::unique_ptr<X509_REQ, Deleter<X509_REQ_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

struct FreeExtensions {
    void operator()(STACK_OF(X509_EXTENSION) * list) const { sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free); }
};
using Extensions = std::unique_ptr<STACK_OF(X509_EXTENSION), FreeExtensions>;

Result<Request> read(std::string_view text) {
    auto bio = reading(text);
    Request request(bio ? PEM_read_bio_X509_REQ(bio.get(), nullptr, no_password, nullptr) : nullptr);
    if (!request) return openssl_error(Errc::Invalid, "read certificate request");
    if (X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())) != 1)
        return openssl_error(Errc::Invalid, "verify the signature of a certificate request");
    return request;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : ",") + word;
    return text;
}

// Names are taken over as they are; nothing else of what a request asks for is.
bool copy_names(X509_REQ* request, X509* certificate) {
    Extensions wanted(X509_REQ_get_extensions(request));
    int at = wanted ? X509v3_get_ext_by_NID(wanted.get(), NID_subject_alt_name, -1) : -1;
    return at < 0 || X509_add_ext(certificate, X509v3_get_ext(wanted.get(), at), -1) == 1;
}

}  // namespace

Result<RequestFacts> read_request(std::string_view pem) {
    auto request = TRY(read(pem));
    RequestFacts facts;
    const auto* name = X509_REQ_get_subject_name(request.get());
    auto common_names = name_entries(name, NID_commonName);
    if (!common_names.empty()) facts.subject.common_name = common_names.front();
    facts.subject.organizations = name_entries(name, NID_organizationName);
    Extensions wanted(X509_REQ_get_extensions(request.get()));
    Names names(static_cast<GENERAL_NAMES*>(
        wanted ? X509V3_get_d2i(wanted.get(), NID_subject_alt_name, nullptr, nullptr) : nullptr));
    auto found = read_names(names.get());
    facts.dns_names = std::move(found.dns_names);
    facts.addresses = std::move(found.addresses);
    facts.has_other_names = found.has_others;
    ERR_clear_error();
    return facts;
}

Result<std::string> sign_request(const KeyPair& authority, std::string_view pem, const Uses& uses,
                                 std::chrono::seconds lifetime) {
    auto request = TRY(read(pem));
    auto issuer = TRY(read_pem_certificate(authority.certificate));
    auto issuer_key = TRY(read_pem_key(authority.key));
    auto made = TRY(unsigned_certificate(X509_REQ_get0_pubkey(request.get()), lifetime.count()));
    auto* certificate = made.get();
    const auto* last = X509_get0_notAfter(issuer.get());
    if (ASN1_TIME_compare(X509_get0_notAfter(certificate), last) > 0) X509_set1_notAfter(certificate, last);
    bool done =
        X509_set_subject_name(certificate, X509_REQ_get_subject_name(request.get())) == 1 &&
        X509_set_issuer_name(certificate, X509_get_subject_name(issuer.get())) == 1 &&
        add_extension(certificate, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
        (uses.key.empty() || add_extension(certificate, issuer.get(), NID_key_usage, "critical," + joined(uses.key))) &&
        (uses.extended.empty() || add_extension(certificate, issuer.get(), NID_ext_key_usage, joined(uses.extended))) &&
        add_extension(certificate, issuer.get(), NID_authority_key_identifier, "keyid:always") &&
        copy_names(request.get(), certificate) && X509_sign(certificate, issuer_key.get(), EVP_sha256()) > 0;
    if (!done) return openssl_error(Errc::Invalid, "certify a request");
    return written([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

}  // namespace pila::crypto

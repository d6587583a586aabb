// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <openssl/pem.h>

#include "crypto/certificates.h"
#include "crypto/openssl.h"

using namespace pila::crypto;

namespace {

std::string request_for(const char* common_name, const char* organization, const char* names) {
    Key key(EVP_EC_gen("P-256"));
    std::unique_ptr<X509_REQ, Deleter<X509_REQ_free>> request(X509_REQ_new());
    auto* name = X509_REQ_get_subject_name(request.get());
    for (auto [field, value] : {std::pair{"O", organization}, std::pair{"CN", common_name}})
        X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value), -1, -1,
                                   0);
    if (names) {
        auto* list = sk_X509_EXTENSION_new_null();
        sk_X509_EXTENSION_push(list, X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names));
        sk_X509_EXTENSION_push(list, X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE"));
        X509_REQ_add_extensions(request.get(), list);
        sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    }
    X509_REQ_set_pubkey(request.get(), key.get());
    X509_REQ_sign(request.get(), key.get(), EVP_sha256());
    return *written([&](BIO* bio) { return PEM_write_bio_X509_REQ(bio, request.get()); });
}

}  // namespace

TEST_CASE("a request is certified for its own names, and for the uses that the signer grants") {
    auto authority = make_authority("test");
    REQUIRE(authority.ok());
    auto request = request_for("system:node:n1", "system:nodes", "DNS:n1,IP:10.0.0.1,IP:fd00::1");
    auto facts = read_request(request);
    REQUIRE(facts.ok());
    CHECK(facts->subject.common_name == "system:node:n1");
    CHECK(facts->subject.organizations == std::vector<std::string>{"system:nodes"});
    CHECK(facts->dns_names == std::vector<std::string>{"n1"});
    CHECK(facts->addresses == std::vector<std::string>{"10.0.0.1", "fd00::1"});
    CHECK_FALSE(facts->has_other_names);
    auto made = sign_request(*authority, request, {{"digitalSignature", "keyEncipherment"}, {"serverAuth"}},
                             std::chrono::hours(1));
    REQUIRE(made.ok());
    CHECK(*is_issued_by(*made, authority->certificate));
    auto certified = read_certificate(*made);
    REQUIRE(certified.ok());
    CHECK(certified->subject.common_name == "system:node:n1");
    CHECK(certified->names == std::vector<std::string>{"n1", "10.0.0.1", "fd00::1"});
    auto certificate = read_pem_certificate(*made);
    REQUIRE(certificate.ok());
    CHECK(X509_check_ca(certificate->get()) == 0);  // it asked to be an authority
    CHECK(X509_get_extended_key_usage(certificate->get()) == XKU_SSL_SERVER);
    auto long_lived = sign_request(*authority, request, {}, std::chrono::hours(100 * 365 * 24));
    REQUIRE(long_lived.ok());
    CHECK(read_certificate(*long_lived)->not_after == read_certificate(authority->certificate)->not_after);
}

TEST_CASE("requests with names of other forms say so; what is none is refused") {
    auto facts = read_request(request_for("me", "us", "email:me@example.com,DNS:a"));
    REQUIRE(facts.ok());
    CHECK(facts->has_other_names);
    CHECK_FALSE(read_request("").ok());
    auto request = request_for("me", "us", nullptr);
    CHECK(read_request(request).ok());
    auto encrypted = request;
    encrypted.insert(request.find('\n') + 1,
                     "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00000000000000000000000000000000\n\n");
    CHECK_FALSE(read_request(encrypted).ok());  // and nobody is asked for a password
    request[120] = request[120] == 'A' ? 'B' : 'A';
    CHECK_FALSE(read_request(request).ok());
}

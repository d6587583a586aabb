// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys and X.509 certificates of an authority of our own, in PEM (RFC 5280, RFC 7468). P-256 keys: made in a fraction
// of a millisecond, known by every client. Threads: any.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::crypto {

struct KeyPair {
    std::string certificate;  // PEM
    std::string key;          // PEM, PKCS #8
};

struct Subject {
    std::string common_name;
    std::vector<std::string> organizations;
};

enum class Usage : std::uint8_t { Server = 1, Client = 2, Both = 3 };

// Ten years, may sign certificates but no further authority.
Result<KeyPair> make_authority(const std::string& common_name);
// A new key, certified by `authority`. Names are host names and addresses the certificate is good for.
Result<KeyPair> issue(const KeyPair& authority, const Subject& subject, Usage usage,
                      const std::vector<std::string>& names, std::chrono::hours lifetime);

struct CertificateFacts {
    Subject subject;
    std::vector<std::string> names;
    std::int64_t not_before = 0, not_after = 0;  // seconds since 1970
};
// The first certificate of the text. Invalid: none.
Result<CertificateFacts> read_certificate(std::string_view pem);
// Whether `authority` has signed it (not whether it is still valid).
Result<bool> is_issued_by(std::string_view pem, std::string_view authority);

// A request for a certificate (PKCS #10, RFC 2986), whose own signature shows that the asker has the key.
struct RequestFacts {
    Subject subject;
    std::vector<std::string> dns_names, addresses;
    bool has_other_names = false;  // mail addresses, URIs and the like
};
// Invalid: none, or its signature is wrong.
Result<RequestFacts> read_request(std::string_view pem);

// What a certificate's key may be used for; names as RFC 5280 has them ("digitalSignature", "clientAuth").
struct Uses {
    std::vector<std::string> key, extended;
};
// The certificate (PEM) for the request's key, subject and DNS names and addresses. It ends no later than the
// authority does.
Result<std::string> sign_request(const KeyPair& authority, std::string_view request, const Uses& uses,
                                 std::chrono::seconds lifetime);

}  // namespace pila::crypto
